"""Columns of a request, as callers have them: lists, or columns of NumPy, Arrow or pandas."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError, UsageError

Columns = Mapping[str, Sequence[object]]

#: Arrow would make 1 of 1.5, 1.0 of true, and an instant in 1970 of a number.
_EXPECTED: tuple[tuple[frozenset[str], tuple[type, ...]], ...] = (
    (frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}), (int, np.integer)),
    (frozenset({"halffloat", "float", "double"}), (int, float, np.integer, np.floating)),
    (frozenset({"timestamp[us, tz=UTC]"}), (datetime, np.datetime64)),
)


def given_columns(columns: Columns, needed: Collection[str]) -> Columns:
    """The columns that are needed, or all where none is, each of a kind that has a value a row.

    Raises
    ------
    UsageError
        For a single value instead of a column, a text among them; and for what has no order.
    """
    named = [name for name in columns if not needed or name in needed]
    if all(type(columns[name]) is list for name in named):
        return columns
    return {name: _column(name, columns[name]) for name in named}


def _column(name: str, values: Sequence[object]) -> Sequence[object]:
    if isinstance(values, np.ma.MaskedArray):
        # What is masked is null; its data are anything.
        masked: list[object] = values.tolist()
        return masked if values.ndim == 1 else _refuse(name, values)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        plain: list[object] = values.to_pylist()
        return plain
    if isinstance(values, str | bytes | set | frozenset | Mapping):
        return _refuse(name, values)
    try:
        len(values)
    except TypeError:
        return _refuse(name, values)
    return values


def _refuse(name: str, values: object) -> Sequence[object]:
    raise UsageError(
        f"'{name}' must be a list, or another column, with one value a row. Received: {str(values)[:60]!r} "
        f"({type(values).__name__}). For one row give a list of one value."
    )


def request_column(name: str, values: Sequence[object], type_: pa.DataType, rows: int) -> pa.Array:
    """A request-time value in its declared type; integers are floats too, and nothing else is of two types.

    Raises
    ------
    UsageError
        If there are not as many values as rows.
    DataError
        If a value is of another type than declared.
    """
    if len(values) != rows:
        raise UsageError(f"Context '{name}' has {len(values)} values for {rows} rows of entities.")
    plain = list(values)
    expected = next((classes for names, classes in _EXPECTED if str(type_) in names), (object,))
    kinds = set(map(type, plain)) - {type(None)}
    odd = {kind for kind in kinds if not issubclass(kind, expected) or (kind is bool and int in expected)}
    try:
        if not odd:
            return pa.array(plain, type_)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _unfit(name, type_, plain[:3]) from error
    row, value = next((row, value) for row, value in enumerate(plain) if type(value) in odd)
    raise _unfit(name, type_, value, f" at row {row}")


def _unfit(name: str, type_: pa.DataType, came: object, where: str = "") -> DataError:
    return DataError(f"Context '{name}' must be {type_}. Received{where}: {came!r} ({type(came).__name__}).")
