"""How many different values an entity's windows have seen."""

from bisect import bisect_left
from collections.abc import Sequence

from storekeeper.history.state.plan import DistinctPlan, oldest_us
from storekeeper.history.state.single.arrived import Event
from storekeeper.history.state.single.opened import Opened, Value


def read_distinct(plan: DistinctPlan, state: Opened, events: Sequence[Event], now_us: int, values: list[Value]) -> None:
    """Put the features' values in their places among all that are asked for."""
    starts = state.numbers(plan.number, 1)
    added = [event for event in events if event.values[plan.column] is not None]
    if added:
        starts = _with(added, dict(zip(state.values(plan.column, plan.number, 0), starts, strict=True)), plan)
    starts.sort()
    counts = [len(starts) - bisect_left(starts, at) for at in oldest_us(plan.windows, now_us)]
    for asked in plan.asked:
        values[asked.place] = counts[asked.window]


def _with(events: Sequence[Event], latest: dict[Value, int], plan: DistinctPlan) -> list[int]:
    """Starts of the last tiles of all values, those of events among them."""
    for event in events:
        value, tile = event.values[plan.column], event.tile(plan.hop_us)
        latest[value] = max(tile, latest.get(value, tile))
    return [*latest.values()]
