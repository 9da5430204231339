"""Whether values differ by their type alone: equal once one is cast to the other, or rounded as the other was."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.audit.compare import differing_rows
from storekeeper.history.columns import column_kind

_MOST_DECIMALS = 6
_LEAST_ROUNDED = 3


def kind_of(type_: pa.DataType) -> str:
    """What kind of values a type holds: widths don't matter, whole numbers and floats do."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list of {kind_of(type_.value_type)}"
    return column_kind(type_)


def of_other_kind(served: pa.ChunkedArray, declared: pa.DataType) -> np.ndarray:
    """Rows that were served as another kind of value than declared, (k,) int64; a null is of any kind."""
    if kind_of(served.type) == kind_of(declared):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.asarray(pc.is_valid(served).to_numpy()))


def equal_after_cast(served: pa.ChunkedArray, computed: pa.ChunkedArray) -> np.ndarray:
    """Rows in which `served` is what a cast or rounding makes of `computed`, (n_rows,) bool.

    A rounding within one type is believed only if the whole of `served` looks rounded.
    """
    equal = np.zeros(len(served), bool)
    for made in _casts(served, computed):
        agreeing = np.ones(len(served), bool)
        agreeing[differing_rows(served, made)] = False
        equal |= agreeing
    read_back = _cast(served, computed.type)
    if read_back is not None and read_back.type != served.type:
        agreeing = np.ones(len(served), bool)
        agreeing[differing_rows(read_back, computed)] = False
        equal |= agreeing
    return equal


def _casts(served: pa.ChunkedArray, computed: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """What serving may have made of the computed values."""
    if served.type == computed.type:
        if pa.types.is_floating(served.type):
            yield from _roundings(served, computed)
        return
    made = [_cast(computed, served.type)]
    if pa.types.is_integer(served.type) and pa.types.is_floating(computed.type):
        made += [_cast(step(computed), served.type) for step in (pc.round, pc.floor, pc.ceil)]
    if pa.types.is_string(served.type):
        texts = [None if value is None else str(value) for value in computed.to_pylist()]
        made += [pa.chunked_array([pa.array(texts, served.type)])]
    if pa.types.is_floating(served.type) and pa.types.is_floating(computed.type):
        yield computed.cast(pa.float32()).cast(pa.float64())
    yield from (column for column in made if column is not None)


def _roundings(served: pa.ChunkedArray, computed: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """The computed floats, in each rounding under which all that was served stays as it is."""
    single = _single(served)
    if _is_fixed(served, single):
        yield _single(computed)
    if pc.count_distinct(served).as_py() < _LEAST_ROUNDED:
        return
    for decimals in range(_MOST_DECIMALS + 1):
        rounding = _to_decimals(decimals)
        if _is_fixed(served, rounding(served)):
            yield rounding(computed)
            return


def _single(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.float32()).cast(pa.float64())


def _to_decimals(decimals: int) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    return lambda column: pc.round(column, decimals)


def _is_fixed(column: pa.ChunkedArray, rounded: pa.ChunkedArray) -> bool:
    """Whether a rounding changes nothing, to the last bit."""
    left, right = (np.asarray(one.to_numpy()) for one in (column.cast(pa.float64()), rounded.cast(pa.float64())))
    return bool(np.array_equal(left, right, equal_nan=True))


def _cast(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray | None:
    """The column in another type, losing what doesn't fit; None where there is no way."""
    try:
        return column.cast(target, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
