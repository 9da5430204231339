"""What may have been otherwise when a vector was served: each assumption is tested by replaying the vector under it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

LATE, TTL, TYPE, DEFINITION, CODE, UNEXPLAINED = "late", "ttl", "type", "definition", "code", "unexplained"
CAUSES = (LATE, TTL, TYPE, DEFINITION, CODE, UNEXPLAINED)
"""In the order in which they are told."""

Late = Literal["", "watermark", "appended"]
Ttl = Literal["", "ignored", "edge", "wall"]


@dataclass(frozen=True)
class Assumption:
    """One counterfactual.

    Attributes
    ----------
    late
        `watermark`: the state held only what was known up to its materialisation. `appended`: and of that only the
        rows that the source had then, which its fingerprint proves.
    ttl
        `ignored`: an expired row was served. `edge`: a row counted as expired at exactly its ttl. `wall`: its age was
        judged by wall time instead of the clock.
    definition
        Views meant what was recorded at serving.
    """

    late: Late = ""
    ttl: Ttl = ""
    definition: bool = False

    @property
    def causes(self) -> tuple[str, ...]:
        """The classes that it would put a difference into."""
        held = {LATE: bool(self.late), TTL: bool(self.ttl), DEFINITION: self.definition}
        return tuple(cause for cause in CAUSES if held.get(cause))

    @property
    def told(self) -> str:
        """How the vector was then made, for people."""
        words = [_LATE[self.late], _TTL[self.ttl], "under the definition of that time" if self.definition else ""]
        return " and ".join(word for word in words if word)


def assumptions(*, late: bool, ttl: bool, definition: bool) -> Iterator[Assumption]:
    """All that may be made, those that assume least first; the first is the plain replay.

    Parameters
    ----------
    late, ttl, definition
        Which kinds there is reason for: recorded state, views with a ttl, views with a recorded definition.
    """
    lates: tuple[Late, ...] = ("", "watermark", "appended") if late else ("",)
    ttls: tuple[Ttl, ...] = ("", "ignored", "edge", "wall") if ttl else ("",)
    every = [Assumption(*one) for one in product(lates, ttls, (False, True) if definition else (False,))]
    yield from sorted(every, key=lambda one: (len(one.causes), [CAUSES.index(cause) for cause in one.causes]))


_LATE = {
    "": "",
    "watermark": "without rows that the state of the view couldn't hold yet",
    "appended": "without rows that were appended to the source only after the state was made",
}
_TTL = {
    "": "",
    "ignored": "without the ttl",
    "edge": "with rows expiring at exactly the ttl instead of after it",
    "wall": "with ages judged by wall time instead of the clock",
}
