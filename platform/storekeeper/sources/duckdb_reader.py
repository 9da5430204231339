"""Reading DuckDB files, and Parquet or CSV files through DuckDB, into Arrow."""

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from storekeeper.errors import SourceError
from storekeeper.sources.query_text import statement

# A DuckDB file starts with three headers of this size each; whole blocks follow.
_HEADERS_BYTES = 3 * 4096
_OPENING = threading.Lock()


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
        # Of two threads that open one file at once, the second may get it before Arrow tables can be read in it.
        with _OPENING:
            connection = duckdb.connect(
                ":memory:" if database is None else str(database), read_only=database is not None
            )
    except duckdb.Error as error:
        raise SourceError(
            f"'{database}' can't be opened as a DuckDB file ({_first_line(error)}). If it was cut off, load the shop "
            f"again with --force; if another process writes to it, wait for that."
        ) from error
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if database is not None:
            _check_length(connection, database)
        yield connection
    finally:
        connection.close()


def _check_length(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Refuse a file shorter than its blocks: DuckDB notices only when a query meets the missing part.

    Free blocks don't count: DuckDB itself cuts them off the file's end.
    """
    sizes = connection.execute("SELECT used_blocks, block_size FROM pragma_database_size()").fetchall()
    blocks, block_bytes = sizes[0]
    expected, found = _HEADERS_BYTES + blocks * block_bytes, database.stat().st_size
    if found < expected:
        raise SourceError(
            f"The DuckDB file '{database}' is cut off: expected at least {expected} bytes, found {found}. Load the "
            f"shop again with --force."
        )


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
        raise SourceError(f"DuckDB can't answer a query: {_reason(error)}") from error


def fetch_batches(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object], rows: int
) -> Generator[pa.RecordBatch, None, None]:
    """Run a query and stream its result; an empty one is one batch without rows.

    Who doesn't take it to its end, for an error perhaps, closes it: nothing else can be asked of the connection before.

    Raises
    ------
    SourceError
        With DuckDB's own message.
    """
    try:
        # A result left open would outlive its connection, and whoever wants to write to the file would wait forever.
        with closing(connection.sql(sql, params=parameters).to_arrow_reader(rows)) as reader:
            given = False
            for batch in reader:
                given = True
                yield batch
            if not given:
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise SourceError(f"DuckDB can't answer a query: {_reason(error)}") from error


def query_relation(query: str | None) -> str:
    """What stands after FROM for a query; a comment at its end doesn't swallow what follows."""
    return f"({statement(str(query))}\n)"


def relation_schema(connection: duckdb.DuckDBPyConnection, relation: str) -> pa.Schema:
    """Names and Arrow types of a relation's columns."""
    return fetch(connection, f"SELECT * FROM {relation} AS source LIMIT 0", []).schema  # noqa: S608  (quoted)


def quote(identifier: str) -> str:
    """A SQL identifier in quotes.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A SQL string in quotes."""
    return "'" + text.replace("'", "''") + "'"


def _reason(error: Exception) -> str:
    """DuckDB's message with what it says exists, without the query that it quotes."""
    told = str(error).partition("\nLINE ")[0].split()
    return " ".join(told) or type(error).__name__


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
