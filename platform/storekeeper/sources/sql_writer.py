"""Adding rows to a table of any SQL database, in one transaction, through SQLAlchemy."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError, StatementError

from storekeeper.database import connect, refuse_missing_file, without_secrets
from storekeeper.errors import DataError, SourceError

_BATCH_ROWS = 10_000


def insert_sql(target: str, url: str, table: str, rows: pa.Table) -> None:
    """Insert rows into a table by the names of their columns, in batches; all of them or none.

    Parameters
    ----------
    target
        What is written to, for error messages.
    table
        Its name, with its schema where it has one: `schema.table`.

    Raises
    ------
    SourceError
        If the database can't be reached or has no such table; no password is shown.
    DataError
        If the table refuses a value.
    """
    refuse_missing_file(url)
    schema, _, name = table.rpartition(".")
    try:
        with connect(url) as connection:
            into = _reflected(connection, name, schema or None)
            for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
                connection.execute(sa.insert(into), _records(batch, into))
    except NoSuchTableError:
        raise SourceError(f"There is no table '{table}' to write {target} to. Nothing was written.") from None
    except StatementError as error:
        reason = without_secrets(url, str(error.orig or error))
        # Not chained: SQLAlchemy's message repeats the statement with every value.
        raise DataError(f"The table of {target} refuses a row: {reason}. Nothing was written.") from None


def _reflected(connection: sa.Connection, name: str, schema: str | None) -> sa.Table:
    table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection)
    for column in table.columns:
        if isinstance(column.type, sa.JSON):
            # Otherwise a null would be written as the JSON value `null`.
            column.type.none_as_null = True
    return table


def _records(batch: pa.RecordBatch, into: sa.Table) -> list[dict[str, Any]]:
    names = batch.schema.names
    columns = [_values(batch.column(name), into.c[name].type) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.Array, type_: sa.types.TypeEngine[Any]) -> list[Any]:
    """Values as the column's type takes them; nulls stay None."""
    convert = _converter(type_)
    values = column.to_pylist()
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _converter(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any] | None:
    if isinstance(type_, sa.DateTime):
        return _aware if type_.timezone else _naive
    if isinstance(type_, (sa.String, sa.types.NullType)):
        return _text
    return json.loads if isinstance(type_, sa.JSON) else None


def _text(value: Any) -> Any:
    """A time in a column that is text to SQLite, as SQLAlchemy writes those that aren't."""
    return _naive(value).isoformat(" ", "microseconds") if isinstance(value, datetime) else value


def _aware(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _naive(instant: datetime) -> datetime:
    """Columns without a zone hold UTC (rule 1)."""
    return instant.astimezone(UTC).replace(tzinfo=None)
