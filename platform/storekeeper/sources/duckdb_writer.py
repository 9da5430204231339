"""Adding rows to a table in a DuckDB file, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from storekeeper.errors import DataError, SourceError
from storekeeper.sources.duckdb_reader import quote, relation_schema
from storekeeper.sources.fitting import DECLARE_ANOTHER, fit_rows

_ROWS = "__storekeeper_rows__"
_REFUSED_VALUES = (duckdb.ConstraintException, duckdb.ConversionException, duckdb.OutOfRangeException)


def insert_duckdb(target: str, database: Path, table: str, rows: pa.Table, *, create: bool = False) -> None:
    """Insert rows into a table by the names of their columns; all of them or none.

    Parameters
    ----------
    target
        What is written to, for error messages.
    table
        Its name, with its schema where it has one: `schema.table`.
    create
        Whether file and table are made where they are missing; where the table is there, rows must fit it.

    Raises
    ------
    SourceError
        If the file is held by another process, or DuckDB can't write to the table.
    DataError
        If the table refuses a value.
    """
    relation = ".".join(map(quote, table.split(".")))
    with _writable(database, target) as connection:
        try:
            connection.begin()
            if create:
                connection.register(_ROWS, rows)
                connection.execute(f"CREATE TABLE IF NOT EXISTS {relation} AS SELECT * FROM {_ROWS} LIMIT 0")  # noqa: S608
                rows = fit_rows(rows, relation_schema(connection, relation), target, DECLARE_ANOTHER)
            connection.register(_ROWS, rows)
            columns = ", ".join(map(quote, rows.column_names))
            connection.execute(f"INSERT INTO {relation} ({columns}) SELECT {columns} FROM {_ROWS}")  # noqa: S608
            connection.commit()
        except _REFUSED_VALUES as error:
            raise DataError(f"The table of {target} refuses a row: {_told(error)}. Nothing was written.") from error
        except duckdb.Error as error:
            raise SourceError(f"DuckDB can't append to {target}: {_told(error)}. Nothing was written.") from error


@contextmanager
def _writable(database: Path, target: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that may write; closing it takes back what wasn't committed."""
    try:
        connection = duckdb.connect(str(database))
    except duckdb.Error as error:
        raise SourceError(
            f"{target[:1].upper()}{target[1:]}: '{database}' can't be opened for writing: {_told(error)}. DuckDB lets "
            f"one process write, while no other has the file open: try again when it is closed. Nothing was written."
        ) from error
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _told(error: Exception) -> str:
    """DuckDB's message on one line, without the statement and the web page that it quotes."""
    text = str(error).partition("\nLINE ")[0].partition(" See also http")[0]
    return " ".join(text.split()).removesuffix(".")
