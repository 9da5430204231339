"""Rows made to fit where they are to be written: exact columns, exact types, and no value changed on the way."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError, listing
from storekeeper.history.columns import column_kind

_UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
_CALENDAR = [pa.scalar(bound.replace(tzinfo=UTC), _UTC_MICROSECONDS) for bound in (datetime.min, datetime.max)]  # noqa: DTZ901
_NUMBERS = {"int", "float"}
_GIVE_ALL = "Give every column once, with nulls where there is no value."
#: Advice for rows whose columns were free until the first were written.
DECLARE_ANOTHER = "Columns that have changed need a new place: declare another."


def fit_rows(rows: pa.Table, schema: pa.Schema, target: str, advice: str = _GIVE_ALL) -> pa.Table:
    """The same rows with exactly the schema's columns, in its order and of its types.

    Parameters
    ----------
    rows
        Columns in any order. Timestamps may be naive (UTC), of any zone or unit, or ISO 8601 text.
    target
        What the schema is of, for error messages.
    advice
        What to do where columns differ.

    Returns
    -------
    pyarrow.Table
        Nulls stay null. Timestamps are UTC; what they have below a microsecond is cut off.

    Raises
    ------
    DataError
        Missing, unknown or repeated columns (both sides are listed); a value that would change (column, row and value
        are named).
    """
    _check_columns(rows.column_names, schema.names, target, advice)
    columns = [_fit(rows.column(field.name), field.name, _plain_type(field.type), target) for field in schema]
    return pa.table(columns, names=schema.names)


def _check_columns(received: Sequence[str], expected: Sequence[str], target: str, advice: str) -> None:
    if sorted(received) == sorted(expected):
        return
    missing, unknown = set(expected) - set(received), set(received) - set(expected)
    repeated = {name for name in received if received.count(name) > 1}
    raise DataError(
        f"{target[:1].upper()}{target[1:]} has the columns {listing(expected)}. Received: {listing(received)}. "
        f"Missing: {listing(missing)}; unknown: {listing(unknown)}; given twice: {listing(repeated)}. "
        f"{advice}"
    )


def _plain_type(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _fit(column: pa.ChunkedArray, name: str, type_: pa.DataType, target: str) -> pa.ChunkedArray:
    given = column.cast(_plain_type(column.type))
    try:
        return _converted(given, type_)
    except (ValueError, TypeError, NotImplementedError):
        row = _first_misfit(given, lambda part: _converted(part, type_))
        raise DataError(
            f"Column '{name}' of {target} is {type_}, and row {row} has {_shown(given[row])} ({given.type}), which "
            f"it can't hold unchanged. Correct the value, or give the column as {type_}. Nothing was written."
        ) from None


def _shown(value: pa.Scalar) -> str:
    try:
        return repr(value.as_py())
    except (ValueError, OverflowError):
        return "an instant outside the years 1 to 9999"


def _first_misfit(column: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], Any]) -> int:
    """The first row that can't be converted, given that not all can."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(column.slice(low, middle - low))
            low = middle
        except (ValueError, TypeError, NotImplementedError):
            high = middle
    return low


def _converted(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    """The column in another type; ValueError, TypeError or NotImplementedError where a value would change."""
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), type_)])
    if pa.types.is_null(type_):
        # Nothing is known of what the column holds, so it holds anything.
        return column
    if column_kind(type_) == "timestamp":
        return _as_time(column, type_)
    given, wanted = _family(column.type), _family(type_)
    if given != wanted and "null" not in given:
        raise TypeError(f"{given} is no {wanted}")
    if pa.types.is_decimal(type_) and pa.types.is_integer(column.type):
        # Arrow refuses by what any integer might need, not by what these do.
        column = column.cast(pa.decimal128(38, type_.scale))
    cast = column.cast(type_)
    _check_same(column, cast)
    return cast


def _family(type_: pa.DataType) -> str:
    """Types within one family may hold each other's values; text is never read as numbers."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return f"list of {_family(type_.value_type)}"
    kind = column_kind(type_)
    return "number" if kind in _NUMBERS else kind


def _check_same(before: pa.ChunkedArray, after: pa.ChunkedArray) -> None:
    """Arrow's safe cast rounds floats and decimals without a word: they must come back as they were."""
    while pa.types.is_list(before.type) and pa.types.is_list(after.type):
        before, after = pc.list_flatten(before), pc.list_flatten(after)
    if column_kind(before.type) != "float" or before.type == after.type:
        return
    same = pc.equal(after.cast(before.type), before)
    if pa.types.is_floating(before.type):
        same = pc.or_(same, pc.is_nan(before))
    if not pc.all(same).as_py():
        raise ValueError("a value would change")


def _as_time(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    instants = _instants(column)
    if pa.types.is_date(type_):
        dates = instants.cast(pa.timestamp("us")).cast(type_, safe=False)
        if not pc.all(pc.equal(dates.cast(pa.timestamp("us")), instants.cast(pa.timestamp("us")))).as_py():
            raise ValueError("a date holds no time of day")
        return dates
    return instants.cast(pa.timestamp(type_.unit, tz="UTC")).cast(type_)


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """UTC microseconds; naive timestamps mean UTC (rule 1)."""
    kind = column_kind(column.type)
    if kind == "string":
        return pa.chunked_array([pa.array([_read(text) for text in column.to_pylist()], _UTC_MICROSECONDS)])
    if kind != "timestamp":
        raise TypeError(f"{column.type} is no timestamp")
    zone, unit = getattr(column.type, "tz", None), getattr(column.type, "unit", None)
    finest = column.cast(pa.timestamp("us", tz=zone), safe=unit != "ns")
    instants = finest.cast(_UTC_MICROSECONDS) if zone else pc.assume_timezone(finest, "UTC")
    first, last = _CALENDAR
    if not pc.all(pc.and_(pc.greater_equal(instants, first), pc.less_equal(instants, last))).as_py():
        raise ValueError("outside the calendar")
    return instants


def _read(text: str | None) -> datetime | None:
    if text is None:
        return None
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
