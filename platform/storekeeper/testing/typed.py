"""Values as tests write them, as typed Arrow columns; what doesn't fit is refused, never rounded."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError

TIMESTAMP = pa.timestamp("us", tz="UTC")


def instant(what: str, value: object) -> datetime:
    """A time in UTC, from a datetime or ISO 8601 text; naive means UTC.

    Raises
    ------
    DataError
        If it is neither; the message names `what`.
    """
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    except ValueError:
        pass
    if not isinstance(value, datetime):
        raise DataError(f"{what} must be a datetime or ISO 8601 text such as '2017-05-01T10:00'. Received: {value!r}.")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def typed(what: str, values: Sequence[object], type_: pa.DataType) -> pa.Array:
    """Values as a column of a type.

    Raises
    ------
    DataError
        If a value isn't of the type; the message names `what`.
    """
    return pa.array([_plain(what, value, type_) for value in values], type_)


def inferred_type(what: str, values: Sequence[object]) -> pa.DataType | None:
    """The type that values have by themselves; None where all are null.

    Raises
    ------
    DataError
        If they are of several kinds.
    """
    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {"int", "float"}:
        return pa.float64()
    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string(), "time": TIMESTAMP}
    if len(kinds) > 1 or kinds - set(types):
        raise DataError(f"{what} must hold values of one type. Received: {list(values)!r}.")
    return types[kinds.pop()] if kinds else None


def _kind(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | np.integer):
        return "int"
    if isinstance(value, float | np.floating):
        return "float"
    if isinstance(value, str):
        return "str"
    return "time" if isinstance(value, date) else type(value).__name__


def _plain(what: str, value: object, type_: pa.DataType) -> Any:
    """One value, checked."""
    if value is None:
        return None
    if pa.types.is_list(type_):
        if not isinstance(value, list | tuple):
            raise _misfit(what, value, type_)
        return [_plain(what, item, type_.value_type) for item in value]
    if pa.types.is_timestamp(type_):
        return instant(what, value)
    tests = {
        "bool": pa.types.is_boolean(type_) or pa.types.is_null(type_),
        "int": pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_),
        "float": pa.types.is_floating(type_),
        "str": pa.types.is_string(type_) or pa.types.is_large_string(type_),
        "bytes": pa.types.is_binary(type_),
    }
    if not tests.get(_kind(value), False):
        raise _misfit(what, value, type_)
    return value


def _misfit(what: str, value: object, type_: pa.DataType) -> DataError:
    return DataError(f"{what} is {type_}. Received: {value!r} ({type(value).__name__}).")
