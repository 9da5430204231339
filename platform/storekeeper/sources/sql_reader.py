"""Reading any SQL database into Arrow, through SQLAlchemy."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from storekeeper.errors import SourceError
from storekeeper.sources.request import ReadRequest

_BATCH_ROWS = 50_000

_ARROW_TYPES: list[tuple[type[sa.types.TypeEngine[Any]], pa.DataType]] = [
    (sa.Boolean, pa.bool_()),
    (sa.Integer, pa.int64()),
    (sa.Numeric, pa.float64()),
    (sa.DateTime, pa.timestamp("us", tz="UTC")),
    (sa.Date, pa.date32()),
    (sa.LargeBinary, pa.binary()),
    (sa.String, pa.string()),
]


@contextmanager
def connect(url: str, source: str) -> Iterator[sa.Connection]:
    """A connection for one read.

    Raises
    ------
    SourceError
        If the database can't be reached or refuses a statement; the message shows no password.
    """
    shown = sa.make_url(url).render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        raise SourceError(f"Source '{source}': no driver for {shown} ({error}).") from error
    try:
        _refuse_missing_file(engine, source)
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise SourceError(
            f"Source '{source}': the database {shown} can't be read ({reason}). Check that it runs, that the URL is "
            f"right, and that the shop was loaded."
        ) from error
    finally:
        engine.dispose()


def _refuse_missing_file(engine: sa.Engine, source: str) -> None:
    """SQLite would make an empty file where one is missing."""
    from pathlib import Path

    path = engine.url.database
    if engine.dialect.name == "sqlite" and path and path != ":memory:" and not Path(path).is_file():
        raise SourceError(
            f"Source '{source}': there is no SQLite file '{path}'. Load a shop first (storekeeper load --help), or "
            f"correct the source's URL."
        )


def sql_schema(connection: sa.Connection, table: str | None, query: str | None) -> pa.Schema:
    """Names and Arrow types of a table's or query's columns; a query's types are read off its first row."""
    if table is not None:
        inspector = sa.inspect(connection)
        columns = inspector.get_columns(table.split(".")[-1], schema=table.split(".")[0] if "." in table else None)
        return pa.schema([(column["name"], arrow_type(column["type"])) for column in columns])
    result = connection.execute(sa.text(f"SELECT * FROM ({query}) AS source LIMIT 100"))  # noqa: S608  (declared)
    names = list(result.keys())
    rows = result.fetchall()
    return pa.table([pa.array([row[i] for row in rows]) for i in range(len(names))], names=names).schema


def arrow_type(type_: sa.types.TypeEngine[Any]) -> pa.DataType:
    """The Arrow type for a SQL column type; text where there is none."""
    return next((arrow for sql, arrow in _ARROW_TYPES if isinstance(type_, sql)), pa.string())


def read_sql(
    connection: sa.Connection, table: str | None, query: str | None, request: ReadRequest, schema: pa.Schema
) -> pa.Table:
    """Read a part of a table or query, streaming."""
    selectable = _selectable(table, query, schema)
    statement = sa.select(*[selectable.c[column] for column in request.columns])
    for operator, instant in request.bounds:
        column = selectable.c[request.timestamp]
        statement = statement.where(column >= instant if operator == ">=" else column <= instant)
    wanted = pa.schema([schema.field(column) for column in request.columns])
    result = connection.execution_options(stream_results=True).execute(statement)
    batches = [_to_batch(rows, wanted) for rows in result.partitions(_BATCH_ROWS)]
    return pa.Table.from_batches(batches, schema=wanted)


def _selectable(table: str | None, query: str | None, schema: pa.Schema) -> sa.FromClause:
    typed = [sa.column(name, _sql_type(schema.field(name).type)) for name in schema.names]
    if table is not None:
        parts = table.split(".")
        return sa.table(parts[-1], *typed, schema=parts[0] if len(parts) > 1 else None)
    return sa.text(str(query)).columns(*typed).subquery("source")


def _sql_type(type_: pa.DataType) -> sa.types.TypeEngine[Any]:
    if pa.types.is_timestamp(type_):
        return sa.DateTime()
    if pa.types.is_date(type_):
        return sa.Date()
    return sa.Boolean() if pa.types.is_boolean(type_) else sa.types.NullType()


def _to_batch(rows: Any, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for position, field in enumerate(schema):
        values = [row[position] for row in rows]
        if pa.types.is_timestamp(field.type):
            values = [_utc(value) for value in values]
        elif pa.types.is_floating(field.type):
            values = [None if value is None else float(value) for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _utc(value: Any) -> Any:
    """Naive datetimes mean UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value
