"""What a backend must do; nothing in it knows features.

A view has two layers. Its *state* is what the last materialisation made of the sources, one blob an entity. Beside it
lie the *pushed* rows: what came since, event by event, in no order. A reader gets both and lets the kernel put them
together; a materialisation puts new state in place and takes away the pushed rows that are part of it, in one step.
So a push never reads state, and nothing that was pushed is lost or counted twice.
"""

from collections.abc import Iterable, Iterator, Sequence
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
        Times of the newest row behind the value.
    value
        The blob.
    """

    key: bytes
    event_us: int
    known_us: int
    value: bytes


@dataclass(frozen=True)
class PushedRow:
    """One pushed row of an entity in a view.

    Attributes
    ----------
    key
        The entity key's bytes.
    slot
        What it may replace. Empty in latest-value views, where an entity has one pushed row; an event's id in
        windowed views, where it has as many as there are ids.
    event_us, known_us
        When it happened, and when it was known.
    value
        The blob.
    """

    key: bytes
    slot: bytes
    event_us: int
    known_us: int
    value: bytes

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """Of two rows in one slot the greater rank stays, in whatever order they come."""
        return self.event_us, self.known_us, self.value


@dataclass(frozen=True)
class Settled:
    """A pushed row that new state holds: it goes, unless its slot has been taken by a greater rank meanwhile."""

    key: bytes
    slot: bytes
    event_us: int
    known_us: int


@dataclass(frozen=True)
class Asked:
    """What is wanted of one view: distinct or repeated entity keys, in any order."""

    view: str
    keys: Sequence[bytes]


@dataclass(frozen=True)
class Found:
    """What one view has of the keys asked for.

    Attributes
    ----------
    state
        One blob a key, in the order of the keys; None where there is none.
    owners, pushed
        Pushed rows' blobs, and for each the position of its key among those asked for (a repeated key has its rows
        once a position); ordered by owner, event time, knowledge time, slot. Mostly empty.
    """

    state: list[bytes | None]
    owners: list[int]
    pushed: list[bytes]


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
    """A store of state blobs and pushed rows. Safe in threads; a fork opens connections of its own.

    Every method raises SourceError, naming the server or file without any secret, where it can't be reached or used.
    """

    def create(self, view: str) -> None:
        """Make room for a view; nothing happens where there is one."""

    def drop(self, view: str) -> None:
        """Forget a view, its state and its pushed rows."""

    def views(self) -> list[str]:
        """Names of all views that there is room for, ascending."""

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view; None where there is no room for it."""

    def count(self, view: str) -> int:
        """How many entities of a view have state."""

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view that have state or pushed rows, ascending."""

    def read(self, asked: Sequence[Asked]) -> list[Found]:
        """State and pushed rows of several views in one go; a view without room has none.

        What is found of one view is of one moment: never new state without the pushed rows that it lacks, nor old
        state without those that were settled.
        """

    def replace(self, view: str, rows: Iterable[StateRow], meta: ViewMeta, settled: Iterable[Settled] = ()) -> int:
        """All of a view's state at once: readers see the old or the new, never a mixture. Returns the row count.

        Rows come with distinct keys, ascending, and are taken as a stream. An interrupted one leaves the old state.
        """

    def update(self, view: str, rows: Iterable[StateRow], meta: ViewMeta, settled: Iterable[Settled] = ()) -> int:
        """As `replace`, but entities that aren't among the rows keep their state."""

    def push(self, view: str, rows: Iterable[PushedRow]) -> list[bool]:
        """Write pushed rows, each unless its slot holds one of the same or a greater rank. Which were written.

        All of them are written, or none if it fails. Writers don't disturb each other: whatever the order in which
        rows arrive, also in several processes, the greatest rank stays.
        """

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and slot."""

    def close(self) -> None:
        """Close connections; a later call opens them again."""
