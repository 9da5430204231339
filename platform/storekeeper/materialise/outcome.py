"""What a materialisation did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["full", "incremental", "unchanged"]


@dataclass(frozen=True)
class Outcome:
    """One materialisation of a view.

    Attributes
    ----------
    view
        The feature view's name.
    kind
        Whether all of its state was built, or that of some entities; `unchanged` where nothing had to be.
    start
        From when on rows were looked for, inclusive: of event time, or of knowledge time. None for all that can count.
    until
        The instant at which the state stands.
    rows_read
        Rows of the source, each as often as it was read.
    entities
        How many entities' state was written; where nothing had to be, how many have state.
    settled
        How many pushed rows went, since the state holds them or nobody can see them any more.
    seconds
        How long it took.
    """

    view: str
    kind: Kind
    start: datetime | None
    until: datetime
    rows_read: int
    entities: int
    settled: int
    seconds: float

    @property
    def done(self) -> bool:
        """Whether state was written."""
        return self.kind != "unchanged"
