"""PostgreSQL's types as Arrow's, and a session in which its values mean the same everywhere."""

from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from storekeeper.sources.sql_relation import SQLRelation

_TIMESTAMP = pa.timestamp("us", tz="UTC")

# By the numbers that PostgreSQL gives its own types, the same in every database.
_ARROW_TYPES: dict[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),  # int8
    21: pa.int64(),  # int2
    23: pa.int64(),  # int4
    700: pa.float32(),
    701: pa.float64(),
    1700: pa.float64(),  # numeric
    1082: pa.date32(),
    1114: _TIMESTAMP,  # without time zone
    1184: _TIMESTAMP,  # with
}
_LISTS: dict[int, pa.DataType] = {
    1000: pa.bool_(),
    1005: pa.int64(),
    1007: pa.int64(),
    1016: pa.int64(),
    1021: pa.float64(),
    1022: pa.float64(),
    1231: pa.float64(),
    1009: pa.string(),  # text
    1014: pa.string(),  # char(n)
    1015: pa.string(),  # varchar
    2951: pa.string(),  # uuid
}

# UTC, ISO dates and all digits; and rows in the order of the table, on which rule 4 relies: not where another scan
# happens to be, nor as parallel workers deliver them.
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "extra_float_digits": "1",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
}
# A bitmap of an index gives rows in the table's order, an index itself in its own.
_TABLE_SESSION = {"enable_indexscan": "off", "enable_indexonlyscan": "off"}


def settle(connection: sa.Connection, relation: SQLRelation) -> None:
    """Make the rest of the transaction read the same whatever the server's settings are, and change nothing."""
    connection.execute(sa.text("SET TRANSACTION READ ONLY"))
    settings = _SESSION | (_TABLE_SESSION if relation.table is not None else {})
    connection.execute(sa.select(*[sa.func.set_config(name, value, True) for name, value in settings.items()]))


def described_schema(connection: sa.Connection, relation: SQLRelation) -> pa.Schema:
    """Names and Arrow types of a relation's columns; no row is read."""
    cursor: Any = connection.execute(relation.everything().limit(0)).cursor
    return pa.schema([(column[0], arrow_of(column[1])) for column in cursor.description])


def arrow_of(number: int) -> pa.DataType:
    """The Arrow type for a type of PostgreSQL; text where there is none."""
    if number in _LISTS:
        return pa.list_(_LISTS[number])
    return _ARROW_TYPES.get(number, pa.string())


def shown_as_text(column: sa.ColumnElement[Any], type_: pa.DataType) -> sa.ColumnElement[Any]:
    """A column as it is selected: what has no Arrow type as PostgreSQL's own text of it, char(n) without padding."""
    return sa.cast(column, sa.Text) if pa.types.is_string(type_) else column
