"""Windowed aggregates through Feast with Storekeeper, and by SQL alone."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.cases import WINDOWS
from benchmarks.window_sql import LONGEST, PLANS, inputs


def prepare(contender: str, files: Path, scratch: Path) -> Callable[[], pa.Table]:
    """What a contender does from Parquet files to an Arrow table; nothing of it is done yet but set-up."""
    if contender in PLANS:
        import duckdb  # noqa: F401  (importing isn't part of the work)

        return lambda: _sql(PLANS[contender](), files)
    from benchmarks.feast_projects import windows_streamed, windows_through_feast

    if contender == "streamed":
        return windows_streamed(tuple(WINDOWS), files, scratch)
    windows = {"storekeeper": tuple(WINDOWS), "one-window": (LONGEST,)}[contender]
    return windows_through_feast(windows, files, scratch)


def _sql(plan: str, files: Path) -> pa.Table:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        connection.execute(inputs(str(files)))
        return connection.sql(plan).to_arrow_table()
