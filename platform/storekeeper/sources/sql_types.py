"""Arrow's types for the columns of a SQL database: as they are declared, or as their values are."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from storekeeper.sources.sql_relation import SQLRelation

_SAMPLE_ROWS = 10_000
_TIMESTAMP = pa.timestamp("us", tz="UTC")

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


def arrow_type(type_: sa.types.TypeEngine[Any]) -> pa.DataType:
    """The Arrow type for a SQL column type; text where there is none."""
    return next((arrow for sql, arrow in _ARROW_TYPES if isinstance(type_, sql)), pa.string())


def value_types(connection: sa.Connection, relation: SQLRelation, names: Sequence[str]) -> dict[str, pa.DataType]:
    """The type that fits the first values of each of some columns; null where there is no value in all the rows."""
    if not names:
        return {}
    columns = relation.selectable(list(names)).c
    rows = connection.execute(sa.select(*columns).limit(_SAMPLE_ROWS)).fetchall()
    samples = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    if len(rows) == _SAMPLE_ROWS:
        for column in columns:
            if all(value is None for value in samples[column.name]):
                further = sa.select(column).where(column.is_not(None)).limit(_SAMPLE_ROWS)
                samples[column.name] = tuple(connection.execute(further).scalars())
    return {name: _fitting(sample) for name, sample in samples.items()}


def _fitting(values: Sequence[Any]) -> pa.DataType:
    """Text where nothing else fits them all."""
    try:
        type_ = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    if pa.types.is_decimal(type_):
        return pa.float64()
    return _TIMESTAMP if pa.types.is_timestamp(type_) else type_
