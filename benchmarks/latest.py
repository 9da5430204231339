"""The latest value by other means: DuckDB's ASOF JOIN, polars' join_asof."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from benchmarks.cases import TTL_DAYS, VIEWS
from benchmarks.data import feature_names

# A spine this much smaller than the history reads only the rows of its own keys.
_FEW = 10


def prepare(contender: str, files: Path, scratch: Path) -> Callable[[], pa.Table]:
    """What a contender does from Parquet files to an Arrow table; nothing of it is done yet but set-up."""
    if contender == "duckdb-asof":
        return lambda: _duckdb(files)
    if contender == "polars":
        import polars as pl  # noqa: F401  (importing isn't part of the work)

        return lambda: _polars(files)
    from benchmarks.feast_projects import latest_through_feast

    return latest_through_feast({"storekeeper": "storekeeper", "feast-duckdb": "duckdb"}[contender], files, scratch)


def _duckdb(files: Path) -> pa.Table:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        connection.read_parquet(str(files / "spine.parquet")).create("spine")
        spine_rows, low, high = connection.execute(
            f"SELECT count(*), min(event_timestamp) - INTERVAL {TTL_DAYS} DAY, max(event_timestamp) FROM spine"
        ).fetchall()[0]
        query = asof_sql(files, few=_is_few(spine_rows, files))
        return connection.sql(query, params=[low, high] * len(VIEWS)).to_arrow_table()


def asof_sql(files: Path, *, few: bool) -> str:
    """One ASOF join per view; a parameter pair per view bounds the times that are read."""
    keys = "AND user_id IN (SELECT user_id FROM spine)" if few else ""
    columns = ", ".join(
        f"CASE WHEN {view}.event_timestamp >= spine.event_timestamp - ttl THEN {view}.{name} END AS {name}"
        for view in VIEWS
        for name in feature_names(view)
    ).replace("ttl", f"INTERVAL {TTL_DAYS} DAY")
    joins = "\n".join(
        f"""ASOF LEFT JOIN (
            SELECT * FROM '{files / view}.parquet' WHERE event_timestamp BETWEEN ? AND ? {keys}
        ) AS {view} ON spine.user_id = {view}.user_id AND spine.event_timestamp >= {view}.event_timestamp"""
        for view in VIEWS
    )
    return f"SELECT spine.*, {columns} FROM spine {joins}"


def _polars(files: Path) -> pa.Table:
    import polars as pl

    spine = pl.read_parquet(files / "spine.parquet").sort("event_timestamp")
    ttl = timedelta(days=TTL_DAYS)
    low, high = spine["event_timestamp"][0] - ttl, spine["event_timestamp"][-1]
    keys = spine.select("user_id").unique().lazy()
    few = _is_few(len(spine), files)
    result = spine.lazy()
    for view in VIEWS:
        rows = pl.scan_parquet(files / f"{view}.parquet").filter(pl.col("event_timestamp").is_between(low, high))
        if few:
            rows = rows.join(keys, on="user_id", how="semi")
        result = result.join_asof(
            rows.sort("event_timestamp"),
            on="event_timestamp",
            by="user_id",
            strategy="backward",
            tolerance=ttl,
            check_sortedness=False,
        )
    return result.collect().to_arrow()


def _is_few(spine_rows: int, files: Path) -> bool:
    import pyarrow.parquet as pq

    rows: int = pq.read_metadata(files / f"{VIEWS[0]}.parquet").num_rows
    return spine_rows * _FEW <= rows
