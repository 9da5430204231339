"""Values as the kernel has them, made into columns for NumPy and for Arrow."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.history.state.latest_layout import DTYPES
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.plan import Output
from storekeeper.history.state.stored import Stored
from storekeeper.history.state.tiles import Found

_NULLS: dict[str, Any] = {"int": 0, "bool": False, "timestamp": np.datetime64("NaT", "us")}
_TYPES = {"float": pa.float64(), "int": pa.int64()}


@dataclass(frozen=True, slots=True)
class StateColumns:
    """Features of some entities as NumPy columns.

    Attributes
    ----------
    values
        Per feature (n_entities,) float64, int64, bool, datetime64[us] (UTC) or object (str, list). Where null: NaN, 0,
        False, NaT or None.
    nulls
        Of each feature that is null somewhere, where: (n_entities,) bool.
    """

    values: dict[str, np.ndarray]
    nulls: Mapping[str, np.ndarray]


def to_columns(answers: Iterable[tuple[Output, Found]], state: Stored) -> StateColumns:
    """All features that were found."""
    values, nulls = {}, {}
    for output, found in answers:
        values[output.name] = to_numpy(output, found, state)
        if found.null is not None:
            nulls[output.name] = found.null
    return StateColumns(values, nulls)


def to_numpy(output: Output, found: Found, state: Stored) -> np.ndarray:
    """One feature's values."""
    if found.offsets is not None:
        items, edges = _items(output, found, state), itertools.pairwise(found.offsets.tolist())
        return np.fromiter((items[low:high] for low, high in edges), object, len(found.offsets) - 1)
    if output.kind == "string":
        return np.fromiter(_texts(output, found, state), object, len(found.values))
    values = found.values
    if output.column is not None and output.kind in {"bool", "timestamp"}:
        values = values != 0 if output.kind == "bool" else values.view(DTYPES["timestamp"])
    if found.null is None or output.kind == "float":
        return values
    return np.where(found.null, _NULLS[output.kind], values)


def to_arrow(output: Output, found: Found, state: Stored) -> pa.Array:
    """Values as an array of the feature's type."""
    if output.column is None:
        return pa.array(np.ascontiguousarray(found.values), _TYPES[output.kind], mask=found.null)
    type_ = state.layout.types[output.column]
    if output.kind == "string":
        array = pa.array(_texts(output, found, state), type_)
    else:
        # What stands in the place of a null may be beyond the column's type.
        values = found.values if found.null is None else np.where(found.null, 0, found.values)
        array = state.layout.plain[output.column].restore(np.ascontiguousarray(values), found.null)
    if found.offsets is None:
        return array
    return pa.ListArray.from_arrays(pa.array(found.offsets, pa.int32()), array)


def _texts(output: Output, found: Found, state: Stored) -> list[str | None]:
    texts = state.texts(output.column or "")
    if found.null is None:
        return [*texts.take(found.values)]
    present = iter(texts.take(found.values[~found.null]))
    return [None if null else next(present) for null in found.null.tolist()]


def _items(output: Output, found: Found, state: Stored) -> list[object]:
    """All items of lists: str, int, float, bool or datetime."""
    if output.kind == "string":
        return [*_texts(output, found, state)]
    return number_items(output, found.values.tolist(), state.layout)


def number_items(output: Output, numbers: list[Any], layout: StateLayout) -> list[object]:
    """Items of lists, of any kind but texts, out of the kernel's numbers."""
    if output.kind == "timestamp":
        items: list[object] = layout.plain[output.column or ""].restore(np.array(numbers, np.int64), None).to_pylist()
        return items
    return [bool(number) for number in numbers] if output.kind == "bool" else numbers
