"""A table or query of a SQL database, and the statement that asks for a part of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from storekeeper.sources.query_text import statement
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.sql_keys import key_conditions

# A colon that SQLAlchemy would take for a parameter; `::type` and `a:b` it leaves alone.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")

#: What a column is selected as, given its Arrow type.
Shown = Callable[[sa.ColumnElement[Any], pa.DataType], sa.ColumnElement[Any]]


class _InOrder(sa.TableClause):
    """A table whose rows come in its own order, on which rule 4 relies, as far as a word in the statement can ask."""

    inherit_cache = True


@compiles(_InOrder, "sqlite")
def _without_indexes(table: _InOrder, compiler: Any, **options: Any) -> str:
    """SQLite takes an index that has all the wanted columns for a smaller table, in the index's order."""
    text: str = compiler.visit_table(table, **options)
    return f"{text} NOT INDEXED" if options.get("asfrom") else text


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

    @property
    def place(self) -> tuple[str | None, str]:
        """The table's schema, None for the database's own choice, and its name."""
        schema, _, name = str(self.table).rpartition(".")
        return schema or None, name

    def selectable(self, names: list[str]) -> sa.FromClause:
        """What stands after FROM. Columns are untyped: values come as the driver gives them."""
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        if self.table is not None:
            schema, name = self.place
            return _InOrder(name, *columns, schema=schema)
        return self.subquery().columns(*columns).subquery("source")

    def everything(self) -> sa.Select[Any]:
        """All columns of all rows."""
        return sa.select(sa.text("*")).select_from(self.selectable([]))

    def subquery(self) -> sa.TextClause:
        """The declared query, as it stands; a comment at its end doesn't swallow what follows."""
        return sa.text(_PARAMETER.sub(r"\\:", statement(str(self.query))) + "\n")


def select_rows(
    relation: SQLRelation, request: ReadRequest, schema: pa.Schema, connection: sa.Connection, shown: Shown
) -> sa.Select[Any]:
    """The statement for a part of a relation: its columns, its time range, and its keys if they are few."""
    selectable = relation.selectable(schema.names)
    columns = [shown(selectable.c[name], schema.field(name).type) for name in request.columns]
    within = _within(connection.dialect.name, selectable, request)
    rows = sa.select(*columns).where(*within, *key_conditions(request.keys, schema, selectable, connection))
    return rows if request.limit is None else rows.limit(request.limit)


def _within(dialect: str, selectable: sa.FromClause, request: ReadRequest) -> list[sa.ColumnElement[bool]]:
    """The time range, as one condition; rows without a time pass, so that they are noticed.

    SQLite keeps times as text of any ISO form, which don't sort as instants do: its own function reads them, to the
    second, and what isn't text passes too.
    """
    if not request.bounds:
        return []
    column = selectable.c[request.timestamp]
    if dialect == "sqlite":
        read = sa.func.datetime(column)
        seconds = [(operator, instant.replace(microsecond=0).isoformat(" ")) for operator, instant in request.bounds]
        return [sa.or_(_between(read, seconds), read.is_(None), sa.func.typeof(column) != "text")]
    return [sa.or_(_between(sa.type_coerce(column, sa.DateTime()), request.bounds), column.is_(None))]


def _between(column: Any, bounds: list[tuple[str, str]] | list[tuple[str, datetime]]) -> sa.ColumnElement[bool]:
    return sa.and_(*[column >= limit if operator == ">=" else column <= limit for operator, limit in bounds])
