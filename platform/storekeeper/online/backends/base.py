"""What a backend must do; nothing in it knows features.

A view has two layers. Its *state* is what the last materialisation made of the sources, one blob an entity. Beside it
lie the *pushed* rows: what came since, event by event, in the order of their arrival. A reader gets both and lets the
kernel put them together; a materialisation puts new state in place and takes away the pushed rows that are part of it,
in one step. It *remembers* their slots for a while, so that an event which is pushed again isn't a second one. So a
push never reads state, and nothing that was pushed is lost or counted twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class StateRow(NamedTuple):
    """State of one entity in one view; a tuple, for millions of them pass by.

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


class PushedRow(NamedTuple):
    """One pushed row of an entity in a view; a tuple as well.

    Attributes
    ----------
    key
        The entity key's bytes.
    slot
        What tells it apart from the entity's other rows: an event's id, up to 255 bytes.
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
        """Of two rows in one slot the lesser rank stays: what is known doesn't become unknown by being told again."""
        return self.known_us, self.event_us, self.value


class Settled(NamedTuple):
    """A slot of which new state has made the pushed row needless: the row goes, if there is one.

    Attributes
    ----------
    key, slot
        As in the pushed row.
    is_remembered
        Whether the state holds the event, so that pushing it again shall change nothing.
    """

    key: bytes
    slot: bytes
    is_remembered: bool = True


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
        once a position); ordered by owner, event time, knowledge time, arrival. Mostly empty.
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

    def replace(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """All of a view's state at once: readers see the old or the new, never a mixture. Returns the row count.

        Rows come with distinct keys, ascending, and are taken as a stream. An interrupted one leaves the old state.
        In the same step settled rows go, their slots are remembered as of `meta.until_us` (the latest such instant
        counts), and slots that were last remembered before `forget_before_us` are forgotten.
        """

    def update(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """As `replace`, but entities that aren't among the rows keep their state."""

    def push(self, view: str, rows: Iterable[PushedRow], newest_at_us: int | None = None) -> list[bool]:
        """Write pushed rows, which arrive in the order given. Which of them are new.

        A row whose slot is remembered changes nothing. Of two rows in one slot that of the lesser rank stays, in the
        place of the one that arrived first; the second one isn't new. All rows are written, or none if it fails.
        Writers don't disturb each other: whatever the order in which rows arrive, also in several processes, the
        same rows stay; only of rows that agree in both times the order is that of their arrival.

        Parameters
        ----------
        newest_at_us
            For views that show an entity's newest row only: a row goes, or doesn't come, that happened before another
            one of its entity which has happened and is known by this instant. A row that doesn't come isn't new.
        """

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and arrival."""

    def remembered(self, view: str) -> Iterator[tuple[bytes, bytes, int]]:
        """Key and slot of all that is remembered of a view, and as of which instant; by key and slot."""

    def close(self) -> None:
        """Close connections; a later call opens them again."""
