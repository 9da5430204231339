"""Reading DuckDB files, and Parquet or CSV files through DuckDB, into Arrow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from storekeeper.errors import SourceError
from storekeeper.sources.request import ReadRequest


@contextmanager
def open_duckdb(database: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection in UTC; None opens an empty database in memory.

    Raises
    ------
    SourceError
        If the file is missing, truncated, locked, or no DuckDB file.
    """
    if database is not None and not database.is_file():
        raise SourceError(
            f"There is no DuckDB file '{database}'. Load a shop first (storekeeper load --help), or correct the "
            f"source's database path."
        )
    try:
        connection = duckdb.connect(":memory:" if database is None else str(database), read_only=database is not None)
    except duckdb.Error as error:
        raise SourceError(
            f"'{database}' can't be opened as a DuckDB file ({_first_line(error)}). If it was cut off, load the shop "
            f"again with --force; if another process writes to it, wait for that."
        ) from error
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def read_relation(connection: duckdb.DuckDBPyConnection, relation: str, request: ReadRequest) -> pa.Table:
    """Read a part of `relation` (what stands after FROM), in the source's own row order."""
    columns = ", ".join(quote(column) for column in request.columns)
    bounds = request.bounds
    where = " AND ".join(f"{quote(request.timestamp)} {operator} ?" for operator, _ in bounds)
    sql = f"SELECT {columns} FROM {relation} AS source" + (f" WHERE {where}" if where else "")  # noqa: S608  (quoted)
    return fetch(connection, sql, [instant for _, instant in bounds])


def fetch(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object]) -> pa.Table:
    """Run a query and return its result as an Arrow table.

    Raises
    ------
    SourceError
        With DuckDB's own message.
    """
    try:
        return connection.sql(sql, params=parameters).to_arrow_table()
    except duckdb.Error as error:
        raise SourceError(f"DuckDB can't answer a query: {_first_line(error)}") from error


def relation_schema(connection: duckdb.DuckDBPyConnection, relation: str) -> pa.Schema:
    """Names and Arrow types of a relation's columns."""
    return fetch(connection, f"SELECT * FROM {relation} AS source LIMIT 0", []).schema  # noqa: S608  (quoted)


def file_relation(path: str) -> str:
    """What stands after FROM for a Parquet or CSV file or folder."""
    reader = "read_csv" if path.endswith((".csv", ".csv.gz")) else "read_parquet"
    if Path(path).is_dir():
        path = f"{path}/**/*.parquet"
        return f"{reader}({literal(path)}, hive_partitioning = true)"
    return f"{reader}({literal(path)})"


def quote(identifier: str) -> str:
    """A SQL identifier in quotes.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A SQL string in quotes."""
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
