"""One column of values, in whatever form a caller holds it, to Arrow: the only place that guesses about types."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.errors import DataError, listing

Values = Any
"""A column of n values: NumPy array (object arrays may hold None), Arrow array or chunked array, or a list."""

Columns = Mapping[str, Values]
"""Columns by name, all of one length."""


def as_arrow(values: Values, name: str) -> pa.Array:
    """The column as one Arrow array; None, NaN and NaT of object arrays become null.

    Raises
    ------
    DataError
        If the values don't share a type.
    """
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(values, pa.Array):
        return values
    if not isinstance(values, np.ndarray | list | tuple) and not hasattr(values, "__array__"):
        raise DataError(f"Column '{name}' must be a NumPy array, an Arrow array or a list. Received: {type(values)}.")
    try:
        return pa.array(values if isinstance(values, list | tuple) else np.asarray(values), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(f"Column '{name}' mixes types or has one that can't be read: {error}.") from error


def as_floats(values: Values, name: str) -> npt.NDArray[np.float64]:
    """The column as `(n,) float64`; nulls, NaN and infinities become NaN, booleans 0 and 1.

    Raises
    ------
    DataError
        If the values aren't numbers or booleans: text is never parsed.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        floats = values.astype(np.float64)
    else:
        array = as_arrow(values, name)
        kind = array.type
        if not (is_numeric(kind) or pa.types.is_null(kind)):
            raise DataError(f"Column '{name}' must hold numbers. Received: {kind}. Cast it where it is made.")
        floats = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    finite = np.isfinite(floats)
    return floats if finite.all() else np.where(finite, floats, np.nan)


def as_strings(values: Values, name: str) -> pa.Array:
    """The column as an Arrow string array; integers and booleans become their text, nulls stay null.

    Raises
    ------
    DataError
        If the values are floats, lists or times: they name no categories.
    """
    array = as_arrow(values, name)
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    allowed = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_integer)
    if not (any(check(kind) for check in allowed) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise DataError(f"Column '{name}' must hold categories (text or integers). Received: {kind}.")
    return array.cast(pa.string())


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type is taken as a number: integers, floats, decimals, booleans."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))


def is_category(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type is taken as a category: text, plain or dictionary-encoded."""
    types = pa.types
    if types.is_dictionary(kind):
        return is_category(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def require_columns(columns: Columns, names: Sequence[str]) -> int:
    """Check that every named column is there and that all are of one length; return that length.

    Raises
    ------
    DataError
        Naming the missing columns and those that came, or the columns of another length.
    """
    if missing := [name for name in names if name not in columns]:
        raise DataError(
            f"The model needs the columns {listing(missing)}, which did not come. "
            f"Received: {listing(columns)}. Read them through the model's feature service."
        )
    lengths = {name: len(columns[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise DataError(f"Columns must be of one length. Received: {lengths}.")
    return next(iter(lengths.values()), 0)
