"""The two values of a feature: as the offline store computes it, and as the online store serves it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.history.columns import times_us
from storekeeper.materialise import Goal, write_state
from storekeeper.offline.compute import values_at
from storekeeper.offline.memory import MemoryBudget
from storekeeper.online.view_state import ViewState, to_us
from storekeeper.testing.memory import MemoryBackend

_TIME = "__spine_time__"
# Events of an example lie in memory, and nothing is written to any folder.
_BUDGET = MemoryBudget.of_limit(0, Path())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Moment:
    """One entity at one instant.

    Attributes
    ----------
    at
        The instant, UTC.
    keys
        The entity's join keys, one row.
    """

    at: datetime
    keys: pa.Table


def offline_values(plan: ViewPlan, events: pa.Table, moment: Moment) -> dict[str, Any]:
    """Every feature of a view as a training set would hold it, with the knowledge cut-off on."""
    asking = moment.keys.append_column(_TIME, pa.array([moment.at], pa.timestamp("us", tz="UTC")))
    found = values_at(plan, list(plan.types), events, asking, time=_TIME, cutoff=True)
    return _first_row(found)


def online_values(plan: ViewPlan, events: pa.Table, moment: Moment) -> dict[str, Any]:
    """Every feature of a view as it would be served.

    The state is built as early as it can hold all that is visible at the moment, and read at the moment: so windows
    slide and rows grow old between the two, as they do in a live shop.
    """
    state = ViewState(plan, plan.name, MemoryBackend())
    write_state(state, [events], Goal(to_us(_last_change(plan, events, moment.at))), _BUDGET)
    return _first_row(state.read(moment.keys, list(plan.types), moment.at))


def _last_change(plan: ViewPlan, events: pa.Table, at: datetime) -> datetime:
    """The first instant from which on the same events are visible as at `at`."""
    time = times_us(plan.event_time, events.column(plan.event_time))
    known = times_us(plan.known_time, events.column(plan.known_time), fallback=time) if plan.known_time else time
    until = to_us(at)
    visible = (time < until if plan.is_windowed else time <= until) & (known <= until)
    if not visible.any():
        return at
    # A windowed view's own edge is strict: an event counts from the next microsecond on.
    first = np.maximum(time + 1, known) if plan.is_windowed else np.maximum(time, known)
    return _EPOCH + timedelta(microseconds=int(first[visible].max()))


def _first_row(table: pa.Table) -> dict[str, Any]:
    return {name: table.column(name)[0].as_py() for name in table.column_names}
