"""Reading any SQL database into Arrow, through SQLAlchemy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

from storekeeper.errors import SourceError, listing
from storekeeper.settings import DATABASE_VARIABLE
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.sql_values import to_arrow

_BATCH_ROWS = 50_000
_SAMPLE_ROWS = 10_000
_TIMESTAMP = pa.timestamp("us", tz="UTC")
# A colon that SQLAlchemy would take for a parameter; `::type` and `a:b` it leaves alone.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")

_ARROW_TYPES: list[tuple[type[sa.types.TypeEngine[Any]], pa.DataType]] = [
    (sa.Boolean, pa.bool_()),
    (sa.Integer, pa.int64()),
    (sa.Numeric, pa.float64()),
    (sa.Float, pa.float64()),  # no kind of Numeric since SQLAlchemy 2.1
    (sa.DateTime, _TIMESTAMP),
    (sa.Date, pa.date32()),
    (sa.LargeBinary, pa.binary()),
    (sa.String, pa.string()),
]


@dataclass(frozen=True)
class SQLRelation:
    """A table or query of a database.

    Attributes
    ----------
    source
        The source's name, for error messages.
    table, query
        One of them.
    times
        Columns that the declaration says hold timestamps; SQLite has no type for them, so a query tells them as text.
    """

    source: str
    table: str | None
    query: str | None
    times: frozenset[str]

    def selectable(self, names: list[str]) -> sa.FromClause:
        """What stands after FROM. Columns are untyped: values come as the driver gives them."""
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        if self.table is not None:
            schema, _, name = self.table.rpartition(".")
            return sa.table(name, *columns, schema=schema or None)
        return self.subquery().columns(*columns).subquery("source")

    def subquery(self) -> sa.TextClause:
        """The declared query, as it stands; a comment at its end doesn't swallow what follows."""
        text = str(self.query).strip().removesuffix(";")
        return sa.text(_PARAMETER.sub(r"\\:", text) + "\n")


@contextmanager
def connect(url: str, source: str) -> Iterator[sa.Connection]:
    """A connection for one read.

    Raises
    ------
    SourceError
        If the database can't be reached or refuses a statement; the message shows no password.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # The text isn't repeated: it may hold a password.
        raise SourceError(
            f"Source '{source}': its database URL can't be read. Expected one such as 'sqlite:///data/shop.db'. "
            f"Correct the declaration, or the variable that it refers to, such as {DATABASE_VARIABLE}."
        ) from None
    shown = parsed.set(query={}).render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        raise SourceError(f"Source '{source}': no driver for {shown} ({error}).") from None
    try:
        _refuse_missing_file(engine, source)
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        for secret in (parsed.password, *parsed.normalized_query.get("password", ())):
            reason = reason.replace(str(secret), "***") if secret else reason
        # Not chained: the driver's own message may repeat the password.
        raise SourceError(
            f"Source '{source}': the database {shown} can't be read ({reason}). Check that it runs, that the URL is "
            f"right, and that the shop was loaded."
        ) from None
    finally:
        engine.dispose()


def _refuse_missing_file(engine: sa.Engine, source: str) -> None:
    """SQLite would make an empty file where one is missing."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path and path != ":memory:" and not Path(path).is_file():
        raise SourceError(
            f"Source '{source}': there is no SQLite file '{path}'. Load a shop first (storekeeper load --help), or "
            f"correct the source's URL."
        )


def sql_schema(connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    """Names and Arrow types of a table's or query's columns; a query's types are read off its first rows."""
    if relation.table is None:
        return _query_schema(connection, relation)
    schema, _, name = relation.table.rpartition(".")
    inspector = sa.inspect(connection)
    try:
        columns = inspector.get_columns(name, schema=schema or None)
    except NoSuchTableError:
        existing = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
        raise SourceError(
            f"Source '{relation.source}': there is no table '{relation.table}' in the database. It has: "
            f"{listing(existing)}. Correct the declaration in the feature repo, or load the shop."
        ) from None
    return pa.schema([(column["name"], arrow_type(column["type"])) for column in columns])


def _query_schema(connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    query = relation.subquery().columns().subquery("source")
    result = connection.execute(sa.select(sa.text("*")).select_from(query).limit(_SAMPLE_ROWS))
    names, rows = list(result.keys()), result.fetchall()
    types = [_sample_type([row[position] for row in rows]) for position in range(len(names))]
    return pa.schema(
        [
            (name, _TIMESTAMP if name in relation.times and pa.types.is_string(type_) else type_)
            for name, type_ in zip(names, types, strict=True)
        ]
    )


def _sample_type(values: list[Any]) -> pa.DataType:
    try:
        type_ = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    if pa.types.is_decimal(type_):
        return pa.float64()
    return _TIMESTAMP if pa.types.is_timestamp(type_) else type_


def arrow_type(type_: sa.types.TypeEngine[Any]) -> pa.DataType:
    """The Arrow type for a SQL column type; text where there is none."""
    return next((arrow for sql, arrow in _ARROW_TYPES if isinstance(type_, sql)), pa.string())


def read_sql(connection: sa.Connection, relation: SQLRelation, request: ReadRequest, schema: pa.Schema) -> pa.Table:
    """Read a part of a table or query, streaming.

    Raises
    ------
    DataError
        If a value isn't of its column's type.
    """
    selectable = relation.selectable(schema.names)
    statement = sa.select(*[selectable.c[column] for column in request.columns])
    extra = [request.timestamp] if request.bounds and request.timestamp not in request.columns else []
    statement = statement.add_columns(*[selectable.c[name] for name in extra])
    for operator, instant in request.bounds:
        column = selectable.c[request.timestamp]
        statement = statement.where(_bound(connection.dialect.name, column, operator, instant))
    wanted = pa.schema([schema.field(column) for column in (*request.columns, *extra)])
    result = connection.execution_options(stream_results=True).execute(statement)
    batches = [to_arrow(rows, wanted, relation.source) for rows in result.partitions(_BATCH_ROWS)]
    table = pa.Table.from_batches(batches, schema=wanted)
    if connection.dialect.name == "sqlite":
        table = _exactly(table, request)
    return table.select(list(request.columns))


def _bound(dialect: str, column: Any, operator: str, instant: datetime) -> Any:
    """A time bound; rows without a time pass, so that they are noticed.

    SQLite keeps times as text of any ISO form, which don't sort as instants do: its own function reads them, to the
    second, and what isn't text passes too.
    """
    if dialect == "sqlite":
        read = sa.func.datetime(column)
        limit = instant.replace(microsecond=0).isoformat(" ")
        compared = read >= limit if operator == ">=" else read <= limit
        return sa.or_(compared, read.is_(None), sa.func.typeof(column) != "text")
    typed = sa.type_coerce(column, sa.DateTime())
    return sa.or_(typed >= instant if operator == ">=" else typed <= instant, column.is_(None))


def _exactly(table: pa.Table, request: ReadRequest) -> pa.Table:
    """The rows within the bounds to the microsecond, and those without a time."""
    for operator, instant in request.bounds:
        limit = pa.scalar(instant.replace(tzinfo=UTC), _TIMESTAMP)
        column = table.column(request.timestamp).cast(_TIMESTAMP)
        within = pc.greater_equal(column, limit) if operator == ">=" else pc.less_equal(column, limit)
        table = table.filter(pc.fill_null(within, True))
    return table
