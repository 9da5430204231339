"""Which rows stay where an entity's newest alone are shown, in the order in which they come."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.online.backends import PushedRow
from storekeeper.online.backends.newest import NewestRows

TIMES = st.integers(0, 4)
KEYS = [b"k", b"l"]


def _row(key: bytes, number: int, event_us: int, known_us: int) -> PushedRow:
    """Of one of two events that happened at a time; slots are ids, and an event happened once."""
    return PushedRow(key, b"%d %d" % (event_us, number), event_us, known_us, b"")


ROWS = st.lists(st.builds(_row, st.sampled_from(KEYS), st.sampled_from([1, 2]), TIMES, TIMES), max_size=8)
_Slots = dict[tuple[bytes, bytes], PushedRow]


def _add(slots: _Slots, row: PushedRow, now_us: int) -> bool:
    """As plainly as it can be said: put it in its slot, then look at all rows of the entity."""
    there = slots.get((row.key, row.slot))
    slots[row.key, row.slot] = min(there or row, row, key=lambda one: one.rank)
    own = [one for one in slots.values() if one.key == row.key]
    seen = [one.event_us for one in own if one.event_us <= now_us and one.known_us <= now_us]
    for one in own:
        if seen and one.event_us < max(seen):
            del slots[one.key, one.slot]
    return there is None and (row.key, row.slot) in slots


def _of_key(rows: Sequence[PushedRow], key: bytes) -> list[PushedRow]:
    return [row for row in rows if row.key == key]


def test_rows_stay_as_if_all_were_looked_at_each_time() -> None:
    """What is new, gone and come is as when every row of an entity is looked at after each that comes."""

    @examples()
    @given(ROWS, ROWS, st.integers(-1, 5))
    def check(before: list[PushedRow], offered: list[PushedRow], now_us: int) -> None:
        there = {(row.key, row.slot): row for row in before}
        slots = dict(there)
        newest = NewestRows(there.values(), now_us)
        assert [newest.add(row) for row in offered] == [_add(slots, row, now_us) for row in offered]
        left = {place: row for place, row in there.items() if place in slots}
        assert {(row.key, row.slot) for row in newest.gone()} == there.keys() - slots.keys()
        assert left | {(row.key, row.slot): row for row in newest.come()} == slots
        for key in KEYS:
            come = [row for place, row in slots.items() if there.get(place) is not row]
            assert _of_key(newest.come(), key) == _of_key(come, key)

    check()
