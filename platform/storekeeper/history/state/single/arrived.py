"""Pushed events of one entity, as they are put beside its state at a read."""

import math
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from storekeeper.history.state.build import ALL_HISTORY
from storekeeper.history.state.latest_decode import current_blobs
from storekeeper.history.state.latest_layout import LatestLayout
from storekeeper.history.state.single.opened import Value
from storekeeper.history.state.words import WORD

_in_order = itemgetter(0, 1)


class Event(NamedTuple):
    """One event.

    Attributes
    ----------
    time, known
        Microseconds.
    values
        Of each aggregated column, and under the empty name of the event itself, which is always there.
    """

    time: int
    known: int
    values: dict[str, Value]

    def tile(self, hop_us: int | None) -> int:
        """Where its tile starts."""
        return ALL_HISTORY if hop_us is None else self.time // hop_us * hop_us


def arrived(blobs: Iterable[bytes], layout: LatestLayout, now_us: int) -> list[Event]:
    """Events before `now`, known by then (rules 6 and 7), by time, knowledge time, and as they came.

    Raises
    ------
    DataError
        As of `decode_events`.
    """
    events = [_event(blob, layout) for blob in blobs]
    return sorted((event for event in events if event.time < now_us and event.known <= now_us), key=_in_order)


def _event(blob: bytes, layout: LatestLayout) -> Event:
    size = layout.width * WORD
    if len(blob) < size or int.from_bytes(blob[:WORD], "little") != layout.tag:
        (blob,) = current_blobs([blob], layout)
    _, time, known, *words = layout.words.unpack_from(blob)
    values: dict[str, Value] = {"": 0}
    for place, (name, kind) in enumerate(layout.kinds.items()):
        value = words[layout.null_words + place]
        if kind == "bytes":
            begin, size = size, size + value
            value = blob[begin:size].decode()
        is_null = words[place >> 6] >> (place & 63) & 1 or (kind == "float" and math.isnan(value))
        values[name] = None if is_null else value
    return Event(time, known, values)
