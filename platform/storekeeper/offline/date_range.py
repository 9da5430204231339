"""A spine made of the histories themselves: every moment within a date range at which something was recorded."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.errors import UsageError, listing
from storekeeper.history.columns import times_us
from storekeeper.offline.retrieve import ViewRequest
from storekeeper.offline.spine import EVENT_TIMESTAMP, TIMESTAMP, Spine
from storekeeper.sources import ReadRequest, read_source


def spine_from_range(
    requests: Sequence[ViewRequest], config: RepoConfig, start: datetime | None, end: datetime | None
) -> Spine:
    """Each entity at each event time of the asked views' sources within [start, end], once, by time and key.

    Raises
    ------
    UsageError
        If there is no start, or the views are not about the same entities.
    """
    if start is None or end is None:
        raise UsageError(
            "get_historical_features needs an entity_df (a DataFrame, or a SELECT that runs in DuckDB), or a "
            "start_date and an end_date."
        )
    keys = {request.spine_keys for request in requests}
    if len({frozenset(one) for one in keys}) != 1:
        found = listing(f"{one.plan.name}: {', '.join(one.spine_keys) or 'none'}" for one in requests)
        raise UsageError(
            f"A date range makes its rows from the views' own histories, so they must share their join keys. These "
            f"have: {found}. Ask for them one by one, or give an entity_df."
        )
    names = list(requests[0].spine_keys)
    moments = [_moments(request, names, config, _utc(start), _utc(end)) for request in requests]
    together = pa.concat_tables(moments).group_by([*names, EVENT_TIMESTAMP]).aggregate([])
    order = [(EVENT_TIMESTAMP, "ascending"), *[(name, "ascending") for name in names]]
    return Spine(together.select([*names, EVENT_TIMESTAMP]).sort_by(order), EVENT_TIMESTAMP)


def _moments(request: ViewRequest, names: list[str], config: RepoConfig, start: datetime, end: datetime) -> pa.Table:
    """Keys and event times of one view's source, in the declared types; rows with a null key are left out."""
    plan = request.plan
    wanted = ReadRequest((*plan.keys, plan.event_time), plan.source_timestamp, start, end)
    rows = read_source(plan.source, config, wanted)
    pairs = zip(plan.keys, request.spine_keys, strict=True)
    columns = {given: rows.column(key).cast(plan.key_types[key]) for key, given in pairs}
    at = pa.array(times_us(plan.event_time, rows.column(plan.event_time)))
    columns[EVENT_TIMESTAMP] = pa.chunked_array([at.cast(TIMESTAMP)])
    return pa.table(columns).select([*names, EVENT_TIMESTAMP]).drop_null()


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
