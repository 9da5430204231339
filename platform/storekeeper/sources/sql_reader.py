"""Reading any SQL database into Arrow, through SQLAlchemy."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from storekeeper.errors import DataError, SourceError, listing
from storekeeper.sources.postgres_copy import copy_rows
from storekeeper.sources.postgres_types import described_schema, settle, shown_as_text
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.sql_relation import SQLRelation, select_rows
from storekeeper.sources.sql_types import arrow_type, value_types
from storekeeper.sources.sql_values import to_arrow

_BATCH_ROWS = 50_000
# So few that they are gone before Python's collector looks at them, which would take most of the time.
_FETCHED_ROWS = 500
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def sql_schema(connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    """Names and Arrow types of a table's or query's columns.

    PostgreSQL tells the types of both; elsewhere a query's types are read off its first rows.

    Raises
    ------
    SourceError
        If there is no such table; the message lists those that exist.
    """
    if connection.dialect.name == "postgresql":
        settle(connection, relation)
        if relation.table is not None and not sa.inspect(connection).has_table(relation.place[1], relation.place[0]):
            raise _no_table(connection, relation)
        return described_schema(connection, relation)
    return _query_schema(connection, relation) if relation.table is None else _table_schema(connection, relation)


def _table_schema(connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    """Types as they are declared; of a column that has none, such as a view's computed one, those of its values."""
    schema, name = relation.place
    try:
        columns = sa.inspect(connection).get_columns(name, schema=schema)
    except NoSuchTableError:
        raise _no_table(connection, relation) from None
    types = {column["name"]: arrow_type(column["type"]) for column in columns}
    undeclared = [column["name"] for column in columns if isinstance(column["type"], sa.types.NullType)]
    return _timed(types | value_types(connection, relation, undeclared), connection, relation)


def _timed(types: dict[str, pa.DataType], connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    """The columns, of which those that are declared to hold times hold such: SQLite keeps them as text."""
    textual = [pa.string(), pa.null()] if connection.dialect.name == "sqlite" or relation.table is None else []
    return pa.schema(
        [(name, _TIMESTAMP if name in relation.times and type_ in textual else type_) for name, type_ in types.items()]
    )


def _no_table(connection: sa.Connection, relation: SQLRelation) -> SourceError:
    inspector, (schema, _) = sa.inspect(connection), relation.place
    existing = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    where = f"schema '{schema}'" if schema else "the database"
    return SourceError(
        f"Source '{relation.source}': there is no table '{relation.table}' in the database. In {where} there is: "
        f"{listing(existing)}. Correct the declaration in the feature repo, or load the shop."
    )


def _query_schema(connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    names = dict.fromkeys(connection.execute(relation.everything().limit(0)).keys())
    return _timed(value_types(connection, relation, list(names)), connection, relation)


def read_sql(
    connection: sa.Connection, relation: SQLRelation, request: ReadRequest, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Read a part of a table or query, streaming: never more than one batch is held as Python objects.

    Raises
    ------
    DataError
        If a value isn't of its column's type.
    """
    if (connection.dialect.name, connection.dialect.driver) == ("postgresql", "psycopg"):
        return copy_rows(connection, relation, request, schema)
    return fetch_rows(connection, relation, request, schema)


def fetch_rows(
    connection: sa.Connection, relation: SQLRelation, request: ReadRequest, schema: pa.Schema
) -> Iterator[pa.Table]:
    """As `read_sql`, through whatever driver there is."""
    dialect = connection.dialect.name
    read = _with_time(request) if dialect == "sqlite" else request
    shown = shown_as_text if dialect == "postgresql" else (lambda column, _: column)
    statement = select_rows(relation, read, schema, connection, shown)
    wanted = pa.schema([schema.field(column) for column in read.columns])
    try:
        result = connection.execution_options(stream_results=True).execute(statement)
        for columns in _columns(result, len(wanted)):
            table = pa.Table.from_batches([to_arrow(columns, wanted, relation.source)])
            yield (_exactly(table, request) if dialect == "sqlite" else table).select(list(request.columns))
    except sa.exc.DataError as error:
        raise DataError(
            f"Source '{relation.source}': the driver can't read a value of {listing(wanted.names)} ({error.orig}). "
            f"Correct the data, or cast the column in the source's query."
        ) from error


def _columns(result: sa.CursorResult[Any], count: int) -> Iterator[list[list[Any]]]:
    """The values of a result column by column, a batch of rows at a time."""
    columns: list[list[Any]] = [[] for _ in range(count)]
    for rows in result.partitions(_FETCHED_ROWS):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
        if len(columns[0]) >= _BATCH_ROWS:
            yield columns
            columns = [[] for _ in range(count)]
    if columns[0]:
        yield columns


def _with_time(request: ReadRequest) -> ReadRequest:
    """The request with the column that its bounds are about."""
    extra = (request.timestamp,) if request.bounds else ()
    columns = tuple(dict.fromkeys((*request.columns, *extra)))
    return replace(request, columns=columns)


def _exactly(table: pa.Table, request: ReadRequest) -> pa.Table:
    """The rows within the bounds to the microsecond, and those without a time."""
    for operator, instant in request.bounds:
        limit = pa.scalar(instant.replace(tzinfo=UTC), _TIMESTAMP)
        column = table.column(request.timestamp).cast(_TIMESTAMP)
        within = pc.greater_equal(column, limit) if operator == ">=" else pc.less_equal(column, limit)
        table = table.filter(pc.fill_null(within, True))
    return table
