"""What a backend must do; nothing in it knows features."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StateRow:
    """State of one entity in one view.

    Attributes
    ----------
    key
        The entity key's bytes.
    event_us, known_us
        Times of the newest row behind the value; an older one never overwrites a newer.
    value
        The blob.
    """

    key: bytes
    event_us: int
    known_us: int
    value: bytes


@dataclass(frozen=True)
class ViewMeta:
    """What is known of a view's state as a whole.

    Attributes
    ----------
    until_us
        The instant up to which it was materialised; None before the first time.
    kinds
        Kind of each aggregated column (`int`, `float`, ...); empty for latest-value views.
    made_from
        What the state was made from: a hash of the view's definition and of its source's rows; empty if unknown.
    """

    until_us: int | None
    kinds: dict[str, str]
    made_from: str = ""


class Backend(Protocol):
    """A store of state blobs."""

    def create(self, view: str) -> None:
        """Make room for a view; nothing happens where there is one."""

    def drop(self, view: str) -> None:
        """Forget a view and its state."""

    def read(self, view: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Blobs in the order of the keys; None where there is none. A view without room has none."""

    def replace(self, view: str, rows: Iterable[StateRow], meta: ViewMeta) -> int:
        """All of a view's state at once: readers see the old or the new, never a mixture. Returns the row count."""

    def upsert(self, view: str, rows: Iterable[StateRow]) -> int:
        """Write rows unless a newer one is there. Returns how many were offered."""

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view; None where there is no room for it."""

    def count(self, view: str) -> int:
        """How many entities of a view have state."""

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view, ascending."""

    def views(self) -> list[str]:
        """Names of all views that there is room for."""
