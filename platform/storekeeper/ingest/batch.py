"""Events on their way from a door to a push source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

#: An event by its columns.
Event: TypeAlias = Mapping[str, Any]
#: Where an event stood: the number of its line or row, or its id in a stream.
Place: TypeAlias = int | str


@dataclass(frozen=True)
class Refused:
    """An event that went nowhere.

    Attributes
    ----------
    place
        Where it stood.
    reason
        What was expected and what came.
    original
        The event as it came, as text.
    """

    place: Place
    reason: str
    original: str


def _nothing() -> None:
    """Nobody waits for the batch."""


@dataclass(frozen=True)
class Batch:
    """Events that are pushed together.

    Attributes
    ----------
    events
        As objects, or as a table.
    places
        Where each stood.
    original
        Gives the text of an event by its number in the batch; asked for rejects alone.
    unread
        What stood among them and is no event.
    done
        Called when the events are pushed and the rejects are written.
    """

    events: Sequence[Event] | pa.Table
    places: Sequence[Place]
    original: Callable[[int], str]
    unread: tuple[Refused, ...] = ()
    done: Callable[[], None] = _nothing
