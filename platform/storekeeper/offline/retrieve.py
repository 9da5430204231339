"""Features for every row of a spine, view by view, through the kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan, as_declared, read_rows
from storekeeper.errors import DataError, UsageError, listing
from storekeeper.history import as_of, windowed
from storekeeper.history.columns import times_us
from storekeeper.offline.spine import Spine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = "__spine_time__"


@dataclass(frozen=True)
class ViewRequest:
    """What a caller wants of one view.

    Attributes
    ----------
    plan
        How to compute it.
    features
        Which of its features, in order.
    names
        Name of each feature in the result.
    spine_keys
        For each of the plan's keys, the spine's column that holds it.
    """

    plan: ViewPlan
    features: tuple[str, ...]
    names: tuple[str, ...]
    spine_keys: tuple[str, ...]


def retrieve(requests: Sequence[ViewRequest], spine: Spine, config: RepoConfig, *, cutoff: bool) -> pa.Table:
    """The spine with one column more for each feature: same rows, same order.

    Parameters
    ----------
    cutoff
        Whether rows known after a spine row's time are invisible to it, where a source declares knowledge time.

    Raises
    ------
    UsageError
        If the spine lacks a join key, or has a column named as a feature.
    DataError, SourceError, DefinitionError
        From the sources and the kernel.
    """
    table = spine.table
    for request in requests:
        _check_spine(request, table)
        features = _compute(request, spine, config, cutoff=cutoff)
        for name, column in zip(request.names, features.columns, strict=True):
            table = table.append_column(name, column)
    return table


def _check_spine(request: ViewRequest, table: pa.Table) -> None:
    missing = [key for key in request.spine_keys if key not in table.column_names]
    if missing:
        raise UsageError(
            f"The spine has no column {listing(missing)}, the join key of feature view '{request.plan.name}'. "
            f"It has: {listing(table.column_names)}."
        )
    taken = [name for name in request.names if name in table.column_names]
    if taken:
        raise UsageError(
            f"The result would have two columns named {listing(taken)}. Rename the spine's column, or ask for "
            f"full_feature_names=True."
        )


def _check_times(name: str, times: pa.ChunkedArray) -> None:
    if times.null_count:
        row = times.is_null().to_pylist().index(True)
        raise DataError(f"Column '{name}' of the spine is null at row {row}: give every row the time it asks for.")


def _compute(request: ViewRequest, spine: Spine, config: RepoConfig, *, cutoff: bool) -> pa.Table:
    plan = request.plan
    time = spine.table.column(spine.time)
    _check_times(spine.time, time)
    asking = pa.table([*[spine.table.column(key) for key in request.spine_keys], time], names=[*plan.keys, _TIME])
    events = read_history(plan, request.features, config, asking)
    common: dict[str, Any] = {
        "keys": plan.keys, "event_time": plan.event_time, "spine_time": _TIME,
        "known_time": plan.known_time, "cutoff": cutoff,
    }  # fmt: skip
    if plan.is_windowed:
        found = windowed(events, asking, features=plan.windows_of(request.features), **common)
    else:
        found = as_of(events, asking, columns=request.features, ttl_us=plan.ttl_us, **common)
    return as_declared(found, plan)


def read_history(plan: ViewPlan, features: Sequence[str], config: RepoConfig, asking: pa.Table) -> pa.Table:
    """The part of a view's source that can matter to rows that ask at given times."""
    return read_rows(plan, features, config, *time_bounds(plan, asking))


def time_bounds(plan: ViewPlan, asking: pa.Table) -> tuple[datetime | None, datetime | None]:
    """Event times outside these bounds can't reach any row that asks."""
    if not asking.num_rows:
        return _EPOCH, _EPOCH
    at = times_us(_TIME, asking.column(_TIME))
    reach = plan.longest_window_us if plan.is_windowed else (plan.ttl_us or None)
    start = None if reach is None else _instant(int(at.min()) - reach)
    return start, _instant(int(at.max()))


def _instant(us: int) -> datetime | None:
    """None where a bound lies outside the calendar: then it bounds nothing."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return None
