"""What an on-demand view's function made, in the types that the view declares."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import pyarrow as pa
from feast.field import Field
from feast.types import Array, FeastType, Set, Struct, from_feast_to_pyarrow_type

from storekeeper.definitions.views import arrow_type
from storekeeper.errors import DataError

# What Arrow, numpy and Python raise for a value that is none of the asked type.
_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)
_NUMBERS = frozenset({"bool", "integer", "float", "decimal"})
_FITS = {
    "bool": frozenset({"bool", "integer", "float"}),
    "integer": _NUMBERS,
    "float": _NUMBERS,
    "string": frozenset({"string", "decimal", "uuid"}),
    "time": frozenset({"time"}),
    "binary": frozenset({"binary"}),
}


@cache
def declared_type(dtype: FeastType) -> pa.DataType | None:
    """The Arrow type of a declared Feast type.

    None for those that say too little: the registry forgets what structs and nested lists are made of.
    """
    if isinstance(dtype, Struct) or isinstance(getattr(dtype, "base_type", None), Struct | Array | Set):
        return None
    try:
        return arrow_type(dtype)
    except KeyError:
        pass  # Feast's two tables differ: only the other one has sets of numbers.
    try:
        return from_feast_to_pyarrow_type(dtype)
    except ValueError:
        return None


def made_column(view: str, field: Field, values: Any) -> Any:
    """Values that a function made for a feature, as an Arrow column of the declared type; NaN is null.

    Numbers are cast where nothing is lost: 2.0 is an integer, 2.5 is none, and a float may be rounded to fewer digits.
    Times are cut to microseconds, naive ones mean UTC. Text is never read as a number, nor a number as a time.

    Parameters
    ----------
    values
        A pandas Series, numpy array, Arrow column or sequence of Python values.

    Raises
    ------
    DataError
        If a value doesn't fit; the message names view, feature, declared type and what came.
    """
    declared = declared_type(field.dtype)
    try:
        return fitted(_inferred(values, declared), declared)
    except _MISFITS as error:
        came = _first_misfit(values, declared)
        raise DataError(
            f"Feature '{field.name}' of on-demand view '{view}' is declared {field.dtype} ({declared}), but its "
            f"function returned {came}: {error}. Return values of that type, null where there is none, or correct "
            f"the field's dtype."
        ) from error


def fitted(column: Any, declared: pa.DataType | None) -> Any:
    """An Arrow column in another type of its kind.

    Raises
    ------
    TypeError, pyarrow.ArrowInvalid
        If it is of another kind, or a value would be changed.
    """
    if declared is None or column.type == declared:
        return column
    if column.null_count == len(column):
        # To pandas, a column of nulls alone is one of floats.
        return pa.nulls(len(column), declared)
    if not _suits(column.type, declared):
        raise TypeError(f"{column.type} doesn't become {declared}")
    if _kind(column.type) == "uuid":
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], declared)
    leaf = _kind(_leaf(declared))
    cast = column.cast(declared, safe=leaf not in {"float", "time"})
    if leaf == "bool" and not pa.types.is_null(_leaf(column.type)) and not cast.cast(column.type).equals(column):
        raise TypeError("a number other than 0 and 1 is no bool")
    return cast


def as_given(column: pa.ChunkedArray, dtype: FeastType) -> pa.ChunkedArray:
    """An input of a function in its declared type, as it is online; as it came where it doesn't fit."""
    try:
        return fitted(column, declared_type(dtype))
    except _MISFITS:
        return column


def _inferred(values: Any, declared: pa.DataType | None) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, str | bytes):
        raise TypeError("one value a row is needed")
    # Asked for a type at once, Arrow cuts fractions off, and reads integers as times; but it takes dicts for structs.
    if declared is not None and pa.types.is_map(_leaf(declared)):
        return pa.array(list(values), declared, from_pandas=True)
    return pa.array(values, from_pandas=True)


def _first_misfit(values: Any, declared: pa.DataType | None) -> str:
    kind = str(getattr(values, "dtype", getattr(values, "type", type(values).__name__)))
    if isinstance(values, str) or not isinstance(values, Iterable):
        return f"{kind}, {values!r:.80}"
    for value in values:
        try:
            fitted(_inferred([value], declared), declared)
        except _MISFITS:
            return f"{kind}, with {value!r:.80} in it"
    return kind


def _suits(came: pa.DataType, declared: pa.DataType) -> bool:
    if pa.types.is_null(came):
        return True
    if _is_list(came) or _is_list(declared):
        return _is_list(came) and _is_list(declared) and _suits(came.value_type, declared.value_type)
    return _kind(came) in _FITS.get(_kind(declared), {_kind(declared)})


def _leaf(type_: pa.DataType) -> pa.DataType:
    return _leaf(type_.value_type) if _is_list(type_) else type_


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _kind(type_: pa.DataType) -> str:
    """The family of a type, within which values may be cast; the type's own name where it has none."""
    types = pa.types
    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    families = {
        "bool": types.is_boolean(type_),
        "integer": types.is_integer(type_),
        "float": types.is_floating(type_),
        "decimal": types.is_decimal(type_),
        "string": types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_),
        "time": types.is_timestamp(type_) or types.is_date(type_),
        "binary": types.is_binary(type_) or types.is_large_binary(type_) or types.is_fixed_size_binary(type_),
        "uuid": isinstance(type_, pa.UuidType),
    }
    return next((family for family, holds in families.items() if holds), str(type_))
