"""Features of an entity that are read from a list of times and values: the first of each tile, or a tail."""

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter

from storekeeper.history.state.plan import FIRST_FUNCTIONS, VALUED_FUNCTIONS, Asked, ListPlan, oldest_us
from storekeeper.history.state.single.arrived import Event
from storekeeper.history.state.single.opened import Opened, Value

_in_order = itemgetter(0, 1)
#: Time, knowledge time, value.
_Row = tuple[int, int, Value]


def read_list(plan: ListPlan, state: Opened, events: Sequence[Event], now_us: int, values: list[Value]) -> None:
    """Put the features' values in their places among all that are asked for."""
    rows = _rows(plan, state, events)
    times = [row[0] for row in rows]
    begins = [bisect_left(times, at) for at in oldest_us(plan.windows, now_us)]
    for asked in plan.asked:
        values[asked.place] = _value(rows, begins[asked.window], asked, now_us)


def _rows(plan: ListPlan, state: Opened, events: Sequence[Event]) -> list[_Row]:
    """Rows of the list, and events where they belong: behind those of their time and knowledge time (rule 4)."""
    time, *_, last = plan.words.tolist()
    times = state.numbers(plan.number, time)
    values = state.values(plan.column, plan.number, last) if plan.has_values else times
    rows = list(zip(times, _known(plan, state, times), values, strict=True))
    if plan.is_first:
        # Tiles without a value have no first one.
        rows = [row for row, n in zip(rows, state.numbers(plan.number, plan.words.item(1)), strict=True) if n]
    added = [(event.time, event.known, event.values[plan.column]) for event in events]
    added = [row for row in added if row[2] is not None]
    return sorted([*rows, *added], key=_in_order) if added else rows


def _known(plan: ListPlan, state: Opened, times: list[int]) -> list[int]:
    """When events were known: as they happened, where nothing else is kept."""
    if plan.known is None or not state.rows[plan.known[0]]:
        return times
    return state.numbers(*plan.known)


def _value(rows: Sequence[_Row], begin: int, asked: Asked, now_us: int) -> Value:
    """A feature of the rows from `begin` on."""
    if asked.function == "last_n":
        return [row[2] for row in rows[max(begin, len(rows) - asked.length) :]]
    if begin >= len(rows):
        return None
    time, _, value = rows[begin if asked.function in FIRST_FUNCTIONS else -1]
    return value if asked.function in VALUED_FUNCTIONS else (now_us - time) / 1e6
