"""Reading only the rows of the entities that matter, where those are few enough to name them to the database.

Each key column is a condition of its own, so rows of other combinations of known values may come as well. A condition
never leaves a row out that the kernel would match: it compares what the reader returns, not what the database stores.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

MOST_VALUES = 10_000
# What a statement of any database takes as parameters, and SQLite of any release.
_ANY_DATABASE, _ANY_SQLITE = 500, 900
# Left for all else in a statement of SQLite's.
_SPARE = 10

Condition = Callable[[sa.ColumnElement[Any], list[Any]], sa.ColumnElement[bool]]


def key_conditions(
    keys: pa.Table | None, schema: pa.Schema, selectable: sa.FromClause, connection: sa.Connection
) -> list[sa.ColumnElement[bool]]:
    """Conditions that every row of the wanted entities fulfils.

    Parameters
    ----------
    keys
        As in `ReadRequest`; rows with a null match nothing. None for no condition.
    schema
        The source's columns, for their types: only integers and text are compared, each with their like.
    """
    if keys is None:
        return []
    left = _most_values(connection)
    conditions = []
    for name, values in sorted(_distinct(keys, schema).items(), key=lambda item: len(item[1])):
        compare = _comparison(connection.dialect.name, schema.field(name).type, values)
        if compare is not None and len(values) <= left:
            conditions.append(compare(selectable.c[name], values.to_pylist()))
            left -= len(values)
    return conditions


def _distinct(keys: pa.Table, schema: pa.Schema) -> dict[str, pa.Array]:
    """The different values of each key column that the source has in the same kind of type."""
    plain = keys.select([name for name in keys.column_names if name in schema.names]).drop_null()
    found = {name: pc.unique(plain.column(name).combine_chunks()) for name in plain.column_names}
    cast = {name: _as_kept(values, schema.field(name).type) for name, values in found.items()}
    return {name: values for name, values in cast.items() if values is not None}


def _as_kept(values: Any, kept: pa.DataType) -> pa.Array | None:
    """The values as int64 or text, if the source's column holds such; None if it doesn't."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pa.types.is_integer(kept) and pa.types.is_integer(values.type):
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid:  # beyond 63 bits, as no column is
            return None
    if pa.types.is_string(kept) and (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return values.cast(pa.string())
    return None


def _most_values(connection: sa.Connection) -> int:
    if connection.dialect.name == "postgresql":
        return MOST_VALUES
    if connection.dialect.name != "sqlite":
        return _ANY_DATABASE
    import sqlite3

    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return _ANY_SQLITE
    return min(MOST_VALUES, driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) - _SPARE)


def _comparison(dialect: str, type_: pa.DataType, values: pa.Array) -> Condition | None:
    """How a database compares a column with values just as Python would compare what is read; None if it can't."""
    if dialect == "postgresql":
        return _in_array(type_, values)
    if dialect == "sqlite":
        return _in_sqlite
    # Elsewhere a column that comes as text may be none there, and compare in a way of its own.
    return (lambda column, listed: column.in_(listed)) if pa.types.is_integer(type_) else None


def _in_array(type_: pa.DataType, values: pa.Array) -> Condition | None:
    if pa.types.is_integer(type_):
        return lambda column, listed: column == sa.any_(sa.literal(listed, sa.ARRAY(sa.BigInteger)))
    if pc.any(pc.match_substring(values, "\0")).as_py():
        # PostgreSQL refuses such text even as a parameter.
        return None
    return lambda column, listed: sa.cast(column, sa.Text) == sa.any_(sa.literal(listed, sa.ARRAY(sa.Text)))


def _in_sqlite(column: sa.ColumnElement[Any], listed: list[Any]) -> sa.ColumnElement[bool]:
    """SQLite keeps anything in any column; what isn't text there is turned into text only when it is read."""
    # The sign keeps SQLite from an index, which has an order of its own: rule 4 asks for the table's.
    plain: sa.ColumnElement[Any] = UnaryExpression(column, operator=custom_op("+"))
    found = plain.in_(listed)
    return sa.or_(found, sa.func.typeof(column) != "text") if isinstance(next(iter(listed), 0), str) else found
