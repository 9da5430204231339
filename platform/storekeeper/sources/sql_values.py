"""Values as database drivers give them, in Arrow's types; what doesn't fit is an error that names the column."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from storekeeper.errors import DataError

# Python types that Arrow reads just as the converters below do.
_FITTING: list[tuple[Callable[[pa.DataType], bool], set[type]]] = [
    (pa.types.is_integer, {int}),
    (pa.types.is_floating, {float}),
    (pa.types.is_string, {str}),
    (pa.types.is_boolean, {bool}),
    (pa.types.is_timestamp, {datetime}),
    (pa.types.is_date, {date}),
]


def to_arrow(columns: Sequence[Sequence[Any]], schema: pa.Schema, source: str) -> pa.RecordBatch:
    """Columns of a result as a batch of the schema's types.

    Raises
    ------
    DataError
        Naming source, column, and a value that isn't of its type.
    """
    arrays = [_column(values, field, source) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(values: Sequence[Any], field: pa.Field, source: str) -> pa.Array:
    convert = _converter(field.type)
    try:
        as_they_are = _fitting(values, field.type)
        if as_they_are is not None:
            return as_they_are
        return pa.array([None if value is None else convert(value) for value in values], field.type)
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise DataError(
            f"Source '{source}': column '{field.name}' is {field.type}, and holds "
            f"{_culprit(values, convert, field.type)}. Correct the data, or cast the column in the source's query."
        ) from error


def _fitting(values: Sequence[Any], type_: pa.DataType) -> pa.Array | None:
    """The column, if its values need no look at each; None if they do."""
    kinds = set(map(type, values)) - {type(None)}
    test = next((test for test, fit in _FITTING if kinds <= fit and test(type_)), None)
    if test is not None:
        return pa.array(values, type_)
    if kinds == {str} and pa.types.is_timestamp(type_):
        try:
            return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(type_)
        except pa.ArrowInvalid:
            return None
    return None


def _culprit(values: Sequence[Any], convert: Callable[[Any], Any], type_: pa.DataType) -> str:
    """The first value that doesn't fit."""
    for value in values:
        try:
            pa.array([None if value is None else convert(value)], type_)
        except (ValueError, TypeError, OverflowError, pa.ArrowException):
            return repr(value)
    return "a value that doesn't fit"


def _converter(type_: pa.DataType) -> Callable[[Any], Any]:
    tests: list[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]]] = [
        (pa.types.is_timestamp, _instant),
        (pa.types.is_date, _date),
        (pa.types.is_boolean, _flag),
        (pa.types.is_floating, _number),
        (pa.types.is_integer, _integer),
        (pa.types.is_string, _text),
    ]
    return next((convert for test, convert in tests if test(type_)), lambda value: value)


def _instant(value: Any) -> datetime:
    """Naive datetimes mean UTC; text is ISO 8601."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise TypeError("no timestamp")


def _date(value: Any) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _flag(value: Any) -> bool:
    if value in (0, 1):
        return bool(value)
    raise TypeError("no boolean")


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError("no number")
    return float(value)


def _integer(value: Any) -> int:
    if isinstance(value, (str, bytes)) or value != int(value):
        raise TypeError("no integer")
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return value if isinstance(value, str) else str(value)
