"""Pushed rows on their way into history: an event that it has isn't appended again."""

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.definitions.event_id import event_id_column
from storekeeper.history.columns import column_kind, times_us
from storekeeper.online.event_ids import event_ids
from storekeeper.sources import OpenSources, ReadRequest

# More keys than that cost a database more than reading every row of the time range.
_MOST_KEYS = 10_000


def rows_to_append(rows: pa.Table, plan: ViewPlan, config: RepoConfig) -> pa.Table:
    """The rows whose events history doesn't have, each event once: as it was known first, where it came first.

    An event is what its declared id says; without one, and where that is null, its time and all of its values, the
    knowledge time aside. It is looked for among history's rows of the same event times and, if they are few, of the
    same ids or keys: an id stands for one event time. What online state knows is no guide to what history has.

    Parameters
    ----------
    rows
        History's columns under their mapped names, in the types in which it is read.
    plan
        Of any view over the history.

    Raises
    ------
    SourceError
        If history can't be read.
    """
    if not rows.num_rows:
        return rows
    chosen = _first_known(_ids(rows, plan), rows, plan)
    there = _found(rows, plan, config)
    missing = [row for id_, row in chosen.items() if id_ not in there]
    return rows if len(missing) == rows.num_rows else rows.take(pa.array(missing, pa.int64()))


def _ids(rows: pa.Table, plan: ViewPlan) -> list[bytes]:
    id_column = event_id_column(plan.source)
    return event_ids(rows, plan, id_column, [name for name in rows.column_names if name != plan.known_time])


def _first_known(ids: Sequence[bytes], rows: pa.Table, plan: ViewPlan) -> dict[bytes, int]:
    """The row of each event that is known first; in the order in which events came."""
    known = times_us(plan.known_time, rows.column(plan.known_time)).tolist() if plan.known_time else [0] * len(ids)
    chosen: dict[bytes, int] = {}
    for row, id_ in enumerate(ids):
        if known[row] < known[chosen.setdefault(id_, row)]:
            chosen[id_] = row
    return chosen


def _found(rows: pa.Table, plan: ViewPlan, config: RepoConfig) -> set[bytes]:
    """Ids of those rows that history has."""
    wanted, times = set(_ids(rows, plan)), np.unique(times_us(plan.event_time, rows.column(plan.event_time)))
    found: set[bytes] = set()
    with OpenSources(config) as sources, closing(sources.open(plan.source).batches(_request(rows, plan))) as batches:
        for batch in batches:
            some = pa.Table.from_batches([batch]).filter(batch.column(plan.event_time).is_valid())
            time = times_us(plan.event_time, some.column(plan.event_time))
            found |= wanted.intersection(_ids(some.filter(pa.array(np.isin(time, times))), plan))
    return found


def _request(rows: pa.Table, plan: ViewPlan) -> ReadRequest:
    columns = tuple(name for name in rows.column_names if name != plan.known_time)
    span = pc.min_max(rows.column(plan.event_time)).as_py()
    # Others than the pushed rows may lack a time, which is nobody's fault here.
    return ReadRequest(columns, plan.source_timestamp, span["min"], span["max"], keys=_keys(rows, plan), timeless=True)


def _keys(rows: pa.Table, plan: ViewPlan) -> pa.Table | None:
    """Distinct ids, or keys, by which a database finds the rows; None where it must look at all of the time range."""
    id_column = event_id_column(plan.source)
    keys = rows.select([id_column] if id_column else list(plan.keys))
    plain = all(column_kind(column.type) in {"int", "string"} and not column.null_count for column in keys.columns)
    if not keys.num_columns or not plain:
        return None
    distinct = keys.group_by(keys.column_names).aggregate([])
    return distinct if distinct.num_rows <= _MOST_KEYS else None
