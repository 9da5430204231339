"""Pushed rows of one entity as the bytes of one hash field.

Rows stand one after the other in the order of their arrival; one that took another's slot stands in its place. (What
was written before arrival counted stands in any order, and is as good.) All numbers are big-endian and unsigned:

======  ====  =========================================
offset  size  what
======  ====  =========================================
0       8     event time, microseconds + 2**63
8       8     knowledge time, microseconds + 2**63
16      4     length v of the value
20      4     length s of the slot
24      s     slot
24 + s  v     value
======  ====  =========================================

So times compare as their bytes do.
"""

import struct
from collections.abc import Iterator
from operator import itemgetter

from storekeeper.online.backends.base import PushedRow

_HEAD = struct.Struct(">QQII")
_TIME = struct.Struct(">Q")
_BIAS = 1 << 63


def pack(row: PushedRow) -> bytes:
    """One row."""
    head = _HEAD.pack(row.event_us + _BIAS, row.known_us + _BIAS, len(row.value), len(row.slot))
    return head + row.slot + row.value


def packed_time(time_us: int) -> bytes:
    """A time, as in a row."""
    return _TIME.pack(time_us + _BIAS)


def unpack(key: bytes, packed: bytes) -> list[PushedRow]:
    """All rows of an entity, by event time, knowledge time and arrival."""
    return [
        PushedRow(key, slot, event - _BIAS, known - _BIAS, value) for event, known, slot, value in _in_order(packed)
    ]


def values(packed: bytes) -> list[bytes]:
    """The rows' values alone, in the same order."""
    return [row[3] for row in _in_order(packed)]


def _in_order(packed: bytes) -> list[tuple[int, int, bytes, bytes]]:
    rows = list(_parsed(packed))
    return rows if len(rows) < 2 else sorted(rows, key=itemgetter(0, 1))


def _parsed(packed: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    at = 0
    while at < len(packed):
        event, known, value_length, slot_length = _HEAD.unpack_from(packed, at)
        slot_end = at + _HEAD.size + slot_length
        at_next = slot_end + value_length
        yield event, known, packed[slot_end - slot_length : slot_end], packed[slot_end:at_next]
        at = at_next
