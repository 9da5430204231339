"""Spine: the rows of a task, read from the behaviour log."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError, SourceError, listing
from storekeeper.sources.duckdb_reader import open_duckdb
from storekeeper_training.tasks import Parameter, Task


@dataclass(frozen=True)
class Spine:
    """A task's rows, ordered by the task's SQL.

    Attributes
    ----------
    table
        The task's `spine_columns`, with their types; labels are 0 or 1, never null.
    immature_rows
        Rows left out because their label's window reaches past the end of the log.
    seconds
        What the query took.
    """

    table: pa.Table
    immature_rows: int
    seconds: float


def read_spine(task: Task, behaviour_path: Path, now: datetime | None = None) -> Spine:
    """Run a task's spine SQL on the behaviour log, read-only, as it would have answered at `now` (default: wall time).

    Naive timestamps of the log are UTC; the spine's carry it.

    Raises
    ------
    SourceError
        If the file is missing, is no DuckDB file or has no usable `events`; the message gives DuckDB's reason.
    DataError
        If no row has a mature label, or the SQL's columns are not those that the task declares.
    """
    started = time.perf_counter()
    table = spine_at(task, behaviour_path, now or datetime.now(UTC))
    mature = table.filter(pc.is_valid(table[task.label]))
    immature_rows = table.num_rows - mature.num_rows
    if not mature.num_rows:
        raise DataError(
            f"The spine of task '{task.name}' is empty: {immature_rows} rows, none with a label that can be known yet. "
            f"The log must reach back over the look-back and {task.horizon} past the first cut-off."
        )
    return Spine(mature, immature_rows, time.perf_counter() - started)


def spine_at(task: Task, behaviour_path: Path, now: datetime) -> pa.Table:
    """Every row that the spine's SQL gives at `now`, in the declared types; labels that can't be known are null.

    Raises
    ------
    SourceError, DataError
        As `read_spine`, which keeps the rows with labels.
    """
    table = _query(task, behaviour_path, now)
    declared = {column.name: column.dtype for column in task.spine_columns}
    if set(table.column_names) != set(declared):
        raise DataError(
            f"The spine of task '{task.name}' must have the columns {list(declared)}. It has {table.column_names}."
        )
    return pa.table([_typed(table[name], dtype) for name, dtype in declared.items()], names=list(declared))


def spine_parameters(task: Task, now: datetime) -> dict[str, Parameter]:
    """Every `$name` of a task's spine SQL, as it is asked at `now`."""
    return task.bound_parameters() | {"now": now.astimezone(UTC).replace(tzinfo=None)}


def _query(task: Task, path: Path, now: datetime) -> pa.Table:
    """The SQL's answer as it is."""
    with open_duckdb(path) as connection:
        try:
            _check_events(task, path, connection)
            return connection.sql(task.spine_sql, params=spine_parameters(task, now)).to_arrow_table()
        except duckdb.Error as error:
            raise SourceError(f"The spine of task '{task.name}' can't be read from '{path}': {error}") from error


def _check_events(task: Task, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a log that lacks an event type without which the task makes no sense."""
    if not task.events:
        return
    found = connection.execute("SELECT DISTINCT event_type FROM events ORDER BY ALL").fetchall()
    there = [name for (name,) in found if name is not None]
    wanted = [{one} if isinstance(one, str) else set(one) for one in task.events]
    if missing := [" or ".join(sorted(types)) for types in wanted if not types & set(there)]:
        raise DataError(
            f"Task '{task.name}' needs events of the types {listing(missing)}, of which '{path}' has none. "
            f"It has: {listing(there)}. Load a shop that records them: storekeeper load."
        )


def _typed(values: pa.ChunkedArray, dtype: str) -> pa.ChunkedArray:
    """The column in its declared type."""
    instant = pa.timestamp("us", tz="UTC")
    if dtype.startswith("list"):
        return values.cast(pa.list_(pa.int64()))
    return values.cast(instant if dtype.startswith("timestamp") else pa.type_for_alias(dtype))
