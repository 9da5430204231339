"""Features for every row of a spine, view by view, through the kernel."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan, as_declared
from storekeeper.errors import DataError, UsageError, listing
from storekeeper.history.moments import SortedSpine
from storekeeper.history.parallel import cores
from storekeeper.offline.compute import latest_by_address, latest_of_parts, windows_of_parts
from storekeeper.offline.gather import gather
from storekeeper.offline.lanes import in_lanes
from storekeeper.offline.memory import MemoryBudget, memory_budget
from storekeeper.offline.pushdown import keys_to_push
from storekeeper.offline.spine import Spine
from storekeeper.sources import OpenSources, ReadRequest, home_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = "__spine_time__"
# Views are computed side by side, each reading its own source, where there are enough rows to pay for it.
_WORTH_LANES = 1_000
_MOST_LANES = 2
_CELL_BYTES = 16
_LEAST_SLICE_ROWS = 100_000


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


def retrieve(
    requests: Sequence[ViewRequest],
    spine: Spine,
    config: RepoConfig,
    *,
    cutoff: bool,
    budget: MemoryBudget | None = None,
) -> pa.Table:
    """The spine with one column more for each feature: same rows, same order.

    Parameters
    ----------
    cutoff
        Whether rows known after a spine row's time are invisible to it, where a source declares knowledge time.
    budget
        Memory that may be used, by default as configured; a history beyond it is looked at in parts, with the same
        answer.

    Raises
    ------
    UsageError
        If the spine lacks a join key, or has a column named as a feature.
    DataError, SourceError, DefinitionError
        From the sources and the kernel.
    """
    _check_names(requests, spine.table.column_names)
    _check_times(spine.time, spine.table.column(spine.time))
    budget = budget or _configured(config)
    asked, table = _Asked(spine), spine.table
    work = [(request, asked.sorted_for(request)) for request in requests]
    lanes = min(cores(), len(work) or 1, _MOST_LANES) if table.num_rows >= _WORTH_LANES else 1
    share = budget.shared_by(lanes)

    def lane(first: int) -> list[pa.Table]:
        with OpenSources(config, share.database_bytes) as sources:
            return [_compute(*one, sources, share, cutoff=cutoff) for one in work[first::lanes]]

    found = in_lanes(lane, lanes)
    for place, request in enumerate(requests):
        for name, column in zip(request.names, found[place % lanes][place // lanes].columns, strict=True):
            table = table.append_column(name, column)
    return table


def retrieve_slices(
    requests: Sequence[ViewRequest], spine: Spine, config: RepoConfig, *, cutoff: bool
) -> Iterator[pa.Table]:
    """`retrieve` for as many rows of the spine at a time as the memory limit allows results of; at least one slice."""
    budget = _configured(config)
    width = _CELL_BYTES * (spine.table.num_columns + sum(len(request.names) for request in requests))
    rows = max(budget.events_bytes // width, _LEAST_SLICE_ROWS)
    for start in range(0, max(spine.table.num_rows, 1), rows):
        part = Spine(spine.table.slice(start, rows), spine.time)
        yield retrieve(requests, part, config, cutoff=cutoff, budget=budget)


def _configured(config: RepoConfig) -> MemoryBudget:
    return memory_budget(getattr(config.offline_store, "memory_limit", None), home_of(config))


class _Asked:
    """A spine, sorted once for all views about the same entities."""

    def __init__(self, spine: Spine) -> None:
        self._spine = spine
        self._sorted: dict[tuple[tuple[str, ...], tuple[str, ...]], SortedSpine] = {}

    def sorted_for(self, request: ViewRequest) -> SortedSpine:
        keys = request.plan.keys
        if (request.spine_keys, keys) not in self._sorted:
            types = request.plan.key_types
            named = [self._spine.key(name, types[key]) for name, key in zip(request.spine_keys, keys, strict=True)]
            asking = pa.table([*named, self._spine.table.column(self._spine.time)], names=[*keys, _TIME])
            self._sorted[request.spine_keys, keys] = SortedSpine.of(asking, keys, _TIME)
        return self._sorted[request.spine_keys, keys]


def _check_names(requests: Sequence[ViewRequest], columns: Sequence[str]) -> None:
    names = list(columns)
    for request in requests:
        missing = [key for key in request.spine_keys if key not in names]
        if missing:
            raise UsageError(
                f"The spine has no column {listing(missing)}, the join key of feature view '{request.plan.name}'. "
                f"It has: {listing(columns)}."
            )
        taken = [name for name in request.names if name in names]
        if taken:
            raise UsageError(
                f"The result would have two columns named {listing(taken)}. Rename the spine's column, or ask for "
                f"full_feature_names=True."
            )
        names.extend(request.names)


def _check_times(name: str, times: pa.ChunkedArray) -> None:
    if times.null_count:
        row = times.is_null().to_pylist().index(True)
        raise DataError(f"Column '{name}' of the spine is null at row {row}: give every row the time it asks for.")


def _compute(
    request: ViewRequest, asking: SortedSpine, sources: OpenSources, budget: MemoryBudget, *, cutoff: bool
) -> pa.Table:
    plan, source = request.plan, sources.open(request.plan.source)
    by_address = source.addressed and not plan.is_windowed
    source.require(plan.source_columns(request.features))
    start, end = time_bounds(plan, asking.moments.at)
    wanted = ReadRequest(
        plan.source_columns(() if by_address else request.features),
        plan.source_timestamp,
        start,
        end,
        keys_to_push(source, asking.entities),
        by_address,
    )
    looked_at = {window.column for window in plan.windows_of(request.features)} if plan.is_windowed else ()
    with closing(gather(source, wanted, asking, plan.name, budget, looked_at)) as parts:
        if plan.is_windowed:
            found = windows_of_parts(plan, request.features, parts, asking.place, cutoff=cutoff)
        elif by_address:
            found = latest_by_address(plan, request.features, parts, asking.place, source, cutoff=cutoff)
        else:
            found = latest_of_parts(plan, request.features, parts, asking.place, cutoff=cutoff)
    return as_declared(found, plan)


def time_bounds(plan: ViewPlan, at: np.ndarray) -> tuple[datetime | None, datetime | None]:
    """Event times outside these bounds can't reach any row that asks at (n_rows,) int64 microseconds."""
    if not len(at):
        return _EPOCH, _EPOCH
    reach = plan.longest_window_us if plan.is_windowed else (plan.ttl_us or None)
    start = None if reach is None else _instant(int(at.min()) - reach)
    return start, _instant(int(at.max()))


def _instant(us: int) -> datetime | None:
    """None where a bound lies outside the calendar: then it bounds nothing."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return None
