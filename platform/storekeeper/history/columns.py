"""Arrow columns as NumPy arrays that compare and add, and back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError, DefinitionError, listing

TIMESTAMP = pa.timestamp("us", tz="UTC")

_DAY_ONE, _DAYS_END = -719_162, 2_932_897
#: From the first moment of the year 1 to that of the year 10000, since the epoch, in each unit. Nanoseconds don't reach
#: as far; the last of them that there are stand for infinity.
_CALENDAR = {
    "day": (_DAY_ONE, _DAYS_END),
    "s": (_DAY_ONE * 86_400, _DAYS_END * 86_400),
    "ms": (_DAY_ONE * 86_400_000, _DAYS_END * 86_400_000),
    "us": (_DAY_ONE * 86_400_000_000, _DAYS_END * 86_400_000_000),
    "ns": (-(2**63) + 2, 2**63 - 1),
}


@dataclass(frozen=True)
class Column:
    """One column of a history.

    Attributes
    ----------
    kind
        `int`, `float`, `bool`, `string` or `timestamp`.
    type
        Arrow type of the source column.
    values
        (n,) int64 or float64 whose order is the column's own; strings are ranks in their sorted dictionary.
        Undefined where invalid.
    valid
        (n,) bool, or None when nothing is null.
    restore
        Turns values and a null mask (or None) back into an Arrow array of the source's type.
    """

    kind: str
    type: pa.DataType
    values: np.ndarray
    valid: np.ndarray | None
    restore: Callable[[np.ndarray, np.ndarray | None], pa.Array]

    def take(self, rows: np.ndarray) -> "Column":
        """The column at some rows, (k,) int64."""
        valid = None if self.valid is None else self.valid[rows]
        return Column(self.kind, self.type, self.values[rows], valid, self.restore)

    @property
    def is_float(self) -> bool:
        """Whether sums are floating-point."""
        return self.kind == "float"


def column_kind(type_: pa.DataType) -> str:
    """The kind of a type, or its own name where the kernel can't aggregate it."""
    tests: list[tuple[Callable[[pa.DataType], bool], str]] = [
        (pa.types.is_boolean, "bool"),
        (pa.types.is_integer, "int"),
        (pa.types.is_floating, "float"),
        (pa.types.is_decimal, "float"),
        (pa.types.is_string, "string"),
        (pa.types.is_large_string, "string"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_date, "timestamp"),
    ]
    if pa.types.is_dictionary(type_):
        return column_kind(type_.value_type)
    return next((kind for test, kind in tests if test(type_)), str(type_))


def to_column(name: str, source: pa.ChunkedArray) -> Column:
    """Read a source column; NaN counts as null, and a column of nothing but nulls as one of integers.

    Raises
    ------
    DataError
        If the column's type can't be aggregated, or a float is infinite.
    """
    if pa.types.is_null(source.type):
        source = source.cast(pa.int64())
    kind = column_kind(source.type)
    array = source.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], source.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind == "string":
        return _string_column(array)
    if kind == "float":
        return _float_column(name, array)
    if kind not in {"int", "bool", "timestamp"}:
        raise DataError(f"Column '{name}' is {source.type}: int, float, bool, string or timestamp was expected.")
    as_int = array.cast(pa.int8()) if kind == "bool" else array
    if kind == "timestamp":
        as_int = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None)), safe=False).cast(pa.int64())
    values = _numbers(name, as_int.cast(pa.int64()) if _fits(as_int) else as_int)
    return Column(kind, array.type, values, _validity(array), _restorer(kind, array.type))


def _fits(array: pa.Array) -> bool:
    return not pa.types.is_uint64(array.type)


def _numbers(name: str, array: pa.Array) -> np.ndarray:
    try:
        plain = array.cast(pa.int64())
        filled = pc.fill_null(plain, 0) if plain.null_count else plain
    except pa.ArrowInvalid as error:
        raise DataError(f"Column '{name}' holds integers beyond the 64-bit signed range: {error}") from error
    return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)


def _validity(array: pa.Array) -> np.ndarray | None:
    return np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False)) if array.null_count else None


def _restorer(kind: str, type_: pa.DataType) -> Callable[[np.ndarray, np.ndarray | None], pa.Array]:
    def restore(values: np.ndarray, null: np.ndarray | None) -> pa.Array:
        if kind == "bool":
            return pa.array(values.astype(bool), mask=null)
        numbers = pa.array(values, pa.int64(), mask=null)
        if kind == "timestamp":
            return numbers.cast(pa.timestamp("us", tz=getattr(type_, "tz", None))).cast(type_, safe=False)
        return numbers.cast(type_)

    return restore


def _float_column(name: str, array: pa.Array) -> Column:
    plain = array.cast(pa.float64())
    filled = pc.fill_null(plain, np.nan) if plain.null_count else plain
    values = np.asarray(filled.to_numpy(zero_copy_only=False))
    with np.errstate(over="ignore", invalid="ignore"):
        valid = None if np.isfinite(values.sum()) else _finite(name, values)

    def restore(numbers: np.ndarray, null: np.ndarray | None) -> pa.Array:
        return pa.array(numbers, pa.float64(), mask=null).cast(array.type)

    return Column("float", array.type, values, valid, restore)


def _finite(name: str, values: np.ndarray) -> np.ndarray | None:
    """Which values are numbers, (n,) bool; None where all are. Infinite ones are an error."""
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"Column '{name}' holds an infinite value at row {int(np.argmax(infinite))}; finite numbers or null "
            f"were expected. Clean the source."
        )
    missing = np.isnan(values)
    return ~missing if missing.any() else None


def _string_column(array: pa.Array) -> Column:
    encoded = array.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy(zero_copy_only=False)
    words = encoded.dictionary.take(pa.array(order))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    codes = np.asarray(pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)).astype(np.int64)
    values = rank[codes] if len(rank) else np.zeros(len(codes), np.int64)

    def restore(ranks: np.ndarray, null: np.ndarray | None) -> pa.Array:
        if not len(words):
            return pa.nulls(len(ranks), array.type)
        return words.take(pa.array(ranks, pa.int64(), mask=null))

    return Column("string", array.type, values, _validity(array), restore)


def times_us(name: str, source: pa.ChunkedArray, fallback: np.ndarray | None = None) -> np.ndarray:
    """A timestamp column as (n,) int64 microseconds since the epoch, UTC; naive timestamps mean UTC.

    Nulls take the values of `fallback`; without one they are an error. What is below a microsecond is cut off.

    Raises
    ------
    DataError
        Naming the column, and the row of a null, or of a time outside the years 1 to 9999, as infinite ones are.
    """
    if pa.types.is_null(source.type):
        source = source.cast(TIMESTAMP)
    if column_kind(source.type) != "timestamp":
        raise DataError(f"Column '{name}' must hold timestamps. Received: {source.type}.")
    if pa.types.is_dictionary(source.type):
        source = source.cast(source.type.value_type)
    _refuse_far(name, source)
    us = source.cast(pa.timestamp("us", tz=getattr(source.type, "tz", None)), safe=False).cast(pa.int64())
    if not source.null_count:
        return np.asarray(us.to_numpy()).astype(np.int64, copy=False)
    numbers = np.asarray(pc.fill_null(us, 0).to_numpy()).astype(np.int64, copy=False)
    null = np.asarray(pc.is_null(us).to_numpy())
    if fallback is None:
        raise DataError(f"Column '{name}' has no timestamp at row {int(np.argmax(null))}; every row needs one.")
    return np.where(null, fallback, numbers)


def _refuse_far(name: str, source: pa.ChunkedArray) -> None:
    """Refuse times outside the calendar; looked at in the column's own unit, for microseconds may wrap around."""
    unit = "day" if pa.types.is_date32(source.type) else getattr(source.type, "unit", "ms")
    first, end = _CALENDAR[unit]
    counts = source.cast(pa.int32() if unit == "day" else pa.int64())
    found = pc.min_max(counts).as_py()
    if found["min"] is None or (first <= found["min"] and found["max"] < end):
        return
    far = pc.or_(pc.less(counts, first), pc.greater_equal(counts, end))
    row = pc.index(pc.fill_null(far, False), True).as_py()
    raise DataError(
        f"Column '{name}' holds a time outside the years 1 to 9999 at row {row}, as infinite ones are. Correct the "
        f"data, or leave such rows out with a query as the source."
    )


def require_columns(table: pa.Table, names: Iterable[str | None], where: str) -> None:
    """Refuse names that a table doesn't have.

    Raises
    ------
    DefinitionError
        Naming them, and the columns that exist.
    """
    missing = [name for name in names if name and name not in table.column_names]
    if missing:
        raise DefinitionError(f"The {where} has no column {listing(missing)}. It has: {listing(table.column_names)}.")
