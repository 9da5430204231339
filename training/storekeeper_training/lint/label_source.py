"""What the label is made of: the tables that a task's spine reads, and the views that read them too."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.history import as_of
from storekeeper.sources import DuckDBSource, ReadRequest, read_source
from storekeeper.sources.duckdb_reader import open_duckdb
from storekeeper_training.lint.tables_read import database_of, statement, tables_read

_AT = "__spine_time__"


def newest_event(database: Path, tables: frozenset[str], now: datetime) -> datetime | None:
    """The newest `event_time` before `now` of some tables; None where they have none."""
    newest: list[datetime] = []
    with open_duckdb(database) as connection:
        for table in sorted(tables):
            columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
            if "event_time" not in columns:
                continue
            found = connection.execute(
                f"SELECT max(event_time) FROM {table} WHERE event_time < ?",  # noqa: S608  (quoted)
                [now.astimezone(UTC).replace(tzinfo=None)],
            ).fetchall()[0][0]
            newest += [found.replace(tzinfo=UTC)] if found is not None else []
    return max(newest, default=None)


def reads_any(source: DataSource, database: Path, tables: frozenset[str], config: RepoConfig) -> bool:
    """Whether a source reads one of some tables in a DuckDB file."""
    if not isinstance(source, DuckDBSource) or database_of(source, config) != database.resolve():
        return False
    with open_duckdb(database) as connection:
        return bool(tables_read(connection, statement(source)) & tables)


def rows_at_edge(plan: ViewPlan, spine: pa.Table, config: RepoConfig) -> int:
    """In how many rows of a spine the latest row of a latest-value view stands at exactly the row's own time."""
    if not set(plan.keys) <= set(spine.column_names):
        return 0
    times = spine.column("event_timestamp")
    asking = pa.table([*[spine.column(key) for key in plan.keys], times], names=[*plan.keys, _AT])
    events = read_source(plan.source, config, ReadRequest(plan.source_columns([])))
    found = as_of(
        events, asking, keys=plan.keys, event_time=plan.event_time, spine_time=_AT, columns=[plan.event_time],
        known_time=plan.known_time, ttl_us=plan.ttl_us, cutoff=True,
    ).column(plan.event_time)  # fmt: skip
    at_once = pc.equal(found.cast(pa.timestamp("us")), times.cast(pa.timestamp("us")))
    return int(pc.sum(pc.fill_null(at_once, False)).as_py() or 0)
