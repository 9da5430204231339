"""What a failed example says: both values of each feature, and what became of each event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.history import WindowFeature
from storekeeper.history.columns import times_us
from storekeeper.online.view_state import to_us
from storekeeper.testing.values import Moment


@dataclass(frozen=True)
class Comparison:
    """One feature: what a test expects, and the two values it has.

    Attributes
    ----------
    offline_holds, online_holds
        Whether each is as expected.
    """

    feature: str
    expected: Any
    offline: Any
    online: Any
    offline_holds: bool
    online_holds: bool

    @property
    def holds(self) -> bool:
        """Whether both are."""
        return self.offline_holds and self.online_holds


def describe_view(plan: ViewPlan, events: pa.Table, moment: Moment, compared: Sequence[Comparison]) -> str:
    """The message of a failed example of a view."""
    keys = ", ".join(f"{name}={moment.keys.column(name)[0].as_py()!r}" for name in moment.keys.column_names)
    lines = [f"View '{plan.name}' at {show(moment.at)}{f' for {keys}' if keys else ''}:"]
    for comparison in compared:
        if not comparison.holds:
            lines += ["", *values_lines(comparison), *_events_lines(plan, events, moment, comparison.feature)]
    return "\n".join(lines)


def values_lines(comparison: Comparison, offline: str = "offline", online: str = "online") -> list[str]:
    """A feature's values, the wrong ones marked."""
    rows = [
        ("expected", comparison.expected, True),
        (offline, comparison.offline, comparison.offline_holds),
        (online, comparison.online, comparison.online_holds),
    ]
    width = max(len(name) for name, _, _ in rows)
    marks = {True: "", False: "   <-- differs"}
    return [comparison.feature, *[f"  {name:<{width}}  {show(value)}{marks[held]}" for name, value, held in rows]]


def show(value: Any) -> str:
    """A value as tests write it; times without their zone, which is UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    return "null" if value is None else repr(value)


def _events_lines(plan: ViewPlan, events: pa.Table, moment: Moment, feature: str) -> list[str]:
    """The events with the columns that matter to a feature, each with its fate."""
    if not events.num_rows:
        return ["  no events"]
    fates = _fates(plan, events, moment, feature)
    columns = plan.source_columns([feature])
    cells = [[*columns, ""]]
    for number, row in enumerate(events.select(list(columns)).to_pylist()):
        cells.append([*[show(row[name]) for name in columns], fates[number]])
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return [f"  {line}".rstrip() for line in padded]


def _fates(plan: ViewPlan, events: pa.Table, moment: Moment, feature: str) -> list[str]:
    time = times_us(plan.event_time, events.column(plan.event_time))
    known = times_us(plan.known_time, events.column(plan.known_time), fallback=time) if plan.known_time else time
    entity = {name: moment.keys.column(name)[0].as_py() for name in plan.keys}
    window = next((window for window in plan.windows if window.name == feature), None)
    at = to_us(moment.at)
    fates = []
    for row, event, learnt in zip(events.to_pylist(), time.tolist(), known.tolist(), strict=True):
        fate = _stranger(row, entity) or ("known too late" if learnt > at >= event else "")
        fates.append(fate or (_windowed_fate(window, row, event, at) if window else _latest_fate(plan, event, at)))
    return fates


def _stranger(row: Mapping[str, Any], entity: Mapping[str, Any]) -> str:
    return "" if all(row[name] == value is not None for name, value in entity.items()) else "another entity"


def _windowed_fate(window: WindowFeature, row: Mapping[str, Any], event: int, at: int) -> str:
    if event >= at:
        return "too late: a window ends before its row's own time"
    start = window.window_start(np.array([at]))
    if start is not None and event < start[0]:
        return "before the window"
    return f"in the window, but '{window.column}' is null" if window.column and row[window.column] is None else "counts"


def _latest_fate(plan: ViewPlan, event: int, at: int) -> str:
    if event > at:
        return "too late"
    return "older than the ttl" if plan.ttl_us and at - event > plan.ttl_us else "visible"
