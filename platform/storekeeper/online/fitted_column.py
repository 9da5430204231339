"""One pushed column in the type that it is kept in: as a whole where all is well, else value by value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.history.columns import TIMESTAMP, column_kind

#: A column as it came: Arrow's, or Python objects, which may be of several types.
Given: TypeAlias = pa.ChunkedArray | Sequence[object]
#: Which rows can't be kept, (n,) bool, and what is wrong with them.
Fault: TypeAlias = tuple[np.ndarray, str]

_EXACT_IN_FLOAT, _BEYOND_INT64 = 2.0**53, 2.0**63
_LARGEST_INT = pa.scalar(2**63 - 1, pa.uint64())
_CALENDAR = [pa.scalar(bound.replace(tzinfo=UTC), TIMESTAMP) for bound in (datetime.min, datetime.max)]  # noqa: DTZ901
_UNFIT = (ValueError, TypeError, NotImplementedError, OverflowError)
_SHOWN_CHARACTERS = 40
_TOO_BIG, _UNREADABLE = "is beyond the 64-bit signed range", "can't be read as that"


@dataclass(frozen=True)
class FittedColumn:
    """A column's values, and why some of them can't be kept.

    Attributes
    ----------
    values
        (n,) of the wanted type; null where null or refused. NaN is null.
    refused
        Row -> reason.
    """

    values: pa.Array
    refused: dict[int, str]


def fit_column(name: str, given: Given, wanted: pa.DataType) -> FittedColumn:
    """The column in the wanted type; text is never read as numbers, nor numbers as text or times.

    Whole numbers may come as floats, as pandas has them where one is missing, up to 2^53. Times may be naive (UTC), of
    any zone or unit, dates, or ISO 8601 text.

    Parameters
    ----------
    wanted
        A type of the kernel's kinds, bytes, or a list of them.
    """
    if isinstance(given, pa.ChunkedArray):
        plain = given.combine_chunks()
        return _fit(name, pa.concat_arrays(plain.chunks) if isinstance(plain, pa.ChunkedArray) else plain, wanted)
    return _fit_objects(name, given, wanted)


def _fit_objects(name: str, values: Sequence[object], wanted: pa.DataType) -> FittedColumn:
    """Values type by type: Arrow would read a date's neighbour as a date, and refuse all for one."""
    rows: dict[type, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(type(value), []).append(row)
    if len(rows) == 1:
        return _fit_alike(name, values, wanted)
    parts = [_fit_alike(name, [values[row] for row in some], wanted) for some in rows.values()]
    places = np.empty(len(values), np.int64)
    places[list(chain.from_iterable(rows.values()))] = np.arange(len(values))
    joined = pa.concat_arrays([part.values for part in parts]) if parts else pa.nulls(0, wanted)
    refused = {
        some[row]: why for some, part in zip(rows.values(), parts, strict=True) for row, why in part.refused.items()
    }
    return FittedColumn(joined.take(pa.array(places)), refused)


def _fit_alike(name: str, values: Sequence[object], wanted: pa.DataType) -> FittedColumn:
    """Values of one Python type."""
    try:
        given = pa.array(values, from_pandas=True)
    except _UNFIT as error:
        if len(values) == 1:
            return _refuse_all(name, values, wanted, _UNREADABLE if not isinstance(error, OverflowError) else _TOO_BIG)
        return _each(_fit_alike(name, [value], wanted) for value in values)
    return _fit(name, given, wanted)


def _fit(name: str, given: pa.Array, wanted: pa.DataType) -> FittedColumn:
    plain = given.dictionary_decode() if pa.types.is_dictionary(given.type) else given
    if plain.null_count == len(plain):
        return FittedColumn(pa.nulls(len(plain), wanted), {})
    try:
        values, faults = _fitter(wanted)(plain, wanted)
    except _UNFIT:
        if len(plain) == 1:
            return _refuse_all(name, plain, wanted, _UNREADABLE)
        return _each(_fit(name, plain.slice(row, 1), wanted) for row in range(len(plain)))
    return _without(name, plain, wanted, values, faults)


def _without(name: str, given: pa.Array, wanted: pa.DataType, values: pa.Array, faults: list[Fault]) -> FittedColumn:
    refused: dict[int, str] = {}
    for mask, problem in faults:
        for row in np.flatnonzero(mask).tolist():
            refused.setdefault(row, reason(name, wanted, _shown(given[row]), problem))
    if not refused:
        return FittedColumn(values, {})
    bad = np.zeros(len(values), bool)
    bad[list(refused)] = True
    return FittedColumn(pc.if_else(pa.array(bad), pa.scalar(None, values.type), values), refused)


def _each(parts: Iterable[FittedColumn]) -> FittedColumn:
    """Columns of one value each, as one."""
    found = list(parts)
    refused = {row: part.refused[0] for row, part in enumerate(found) if part.refused}
    return FittedColumn(pa.concat_arrays([part.values for part in found]), refused)


def _refuse_all(name: str, given: Sequence[object], wanted: pa.DataType, problem: str) -> FittedColumn:
    refused = {row: reason(name, wanted, _shown(value), problem) for row, value in enumerate(given)}
    return FittedColumn(pa.nulls(len(given), wanted), refused)


def reason(name: str, wanted: pa.DataType, shown: str, problem: str) -> str:
    """Why a value of a column was refused."""
    return f"Column '{name}' must be {wanted}: {shown} {problem}."


def _shown(value: object) -> str:
    kind = str(value.type) if isinstance(value, pa.Scalar) else type(value).__name__
    try:
        text = repr(value.as_py() if isinstance(value, pa.Scalar) else value)
    except _UNFIT:
        return f"a {kind}"
    return f"{text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '...'} ({kind})"


def _fitter(wanted: pa.DataType) -> Callable[[pa.Array, pa.DataType], tuple[pa.Array, list[Fault]]]:
    fitters = {"int": _whole, "float": _number, "timestamp": _instant}
    return _decimal if pa.types.is_decimal(wanted) else fitters.get(column_kind(wanted), _same_kind)


def _whole(given: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[Fault]]:
    if pa.types.is_floating(given.type):
        numbers, faults = _whole_floats(given)
    elif pa.types.is_decimal(given.type):
        numbers, faults = given.cast(pa.int64()), []
    elif pa.types.is_integer(given.type):
        over = pc.greater(given, _LARGEST_INT) if pa.types.is_uint64(given.type) else None
        numbers = given.cast(pa.int64(), safe=False)
        faults = [] if over is None else [(mask_of(over), _TOO_BIG)]
    else:
        return _refuse_type(given, wanted)
    if wanted == pa.int64():
        return numbers, faults
    narrow = numbers.cast(wanted, safe=False)
    return narrow, [*faults, (mask_of(pc.not_equal(narrow.cast(pa.int64(), safe=False), numbers)), "is out of range")]


def _whole_floats(given: pa.Array) -> tuple[pa.Array, list[Fault]]:
    values = np.asarray(pc.fill_null(given.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False))
    null = np.isnan(values)
    fraction = ~null & (np.floor(values) != values)
    # Below, a float is the number it was written as; above, it may be that of a neighbour.
    inexact = np.abs(values) > _EXACT_IN_FLOAT
    numbers = np.where(null | inexact, 0.0, values).astype(np.int64)
    faults = [
        (np.isinf(values), "is infinite"),
        (np.abs(values) >= _BEYOND_INT64, _TOO_BIG),
        (inexact, "is beyond 2^53, from where floats skip whole numbers; give it as an integer"),
        (fraction, "is no whole number"),
    ]
    return pa.array(numbers, mask=null), faults


def _number(given: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[Fault]]:
    if column_kind(given.type) not in {"int", "float"}:
        return _refuse_type(given, wanted)
    # Arrow's way from decimals to floats isn't exact; the one from their digits is.
    plain = given.cast(pa.string()) if pa.types.is_decimal(given.type) else given
    numbers = plain.cast(pa.float64(), safe=False).cast(wanted, safe=False)
    values = np.asarray(pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False))
    return pa.array(values, wanted, mask=np.isnan(values)), [(np.isinf(values), "is infinite, or out of range")]


def _decimal(given: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[Fault]]:
    if column_kind(given.type) not in {"int", "float"}:
        return _refuse_type(given, wanted)
    if pa.types.is_integer(given.type):
        # Arrow refuses by what any integer might need, not by what these do.
        return given.cast(pa.decimal128(38, wanted.scale)).cast(wanted), []
    digits = given.cast(wanted)
    return digits, [(mask_of(pc.not_equal(digits.cast(given.type), given)), "can't be that unchanged")]


def _instant(given: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[Fault]]:
    if column_kind(given.type) == "string":
        given = _parsed(given)
    if column_kind(given.type) != "timestamp":
        return _refuse_type(given, wanted)
    zone, unit = getattr(given.type, "tz", None), getattr(given.type, "unit", None)
    finest = given.cast(pa.timestamp("us", tz=zone), safe=unit != "ns")
    instants = finest.cast(TIMESTAMP) if zone else pc.assume_timezone(finest, "UTC")
    outside = pc.or_(pc.less(instants, _CALENDAR[0]), pc.greater(instants, _CALENDAR[1]))
    return instants.cast(wanted), [(mask_of(outside), "is outside the years 1 to 9999")]


def _parsed(texts: pa.Array) -> pa.Array:
    """Instants of ISO 8601 texts; ValueError if one is none."""
    try:
        return texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        instants = [None if text is None else datetime.fromisoformat(text) for text in texts.to_pylist()]
    aware = [at if at is None or at.tzinfo else at.replace(tzinfo=UTC) for at in instants]
    return pa.array(aware, TIMESTAMP)


def _same_kind(given: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[Fault]]:
    if not _may_hold(wanted, given.type):
        return _refuse_type(given, wanted)
    return given.cast(wanted), []


def _may_hold(wanted: pa.DataType, given: pa.DataType) -> bool:
    """Whether values of a type are of the wanted one's kind, which a cast doesn't ask."""
    if _is_list(wanted) or _is_list(given):
        return _is_list(wanted) and _is_list(given) and _may_hold(wanted.value_type, given.value_type)
    kinds = _kind(wanted), _kind(given)
    return kinds[0] == kinds[1] or kinds[1] == "null" or set(kinds) == {"int", "float"}


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _kind(type_: pa.DataType) -> str:
    return "bytes" if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) else column_kind(type_)


def _refuse_type(given: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[Fault]]:
    return pa.nulls(len(given), wanted), [(mask_of(given.is_valid()), "is of another kind")]


def mask_of(condition: pa.Array) -> np.ndarray:
    """A condition as (n,) bool; null is false."""
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False))
