"""List columns as they come from a feature service, as flat items and offsets."""

from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper_training.next_item.catalogue import Items
from storekeeper_training.next_item.ragged import Numbers, offsets_of

ListColumn = Any
"""A column of lists of item ids: Arrow, or a sequence of one list, array or None a row."""


def flatten(column: ListColumn, name: str) -> tuple[Items, Numbers]:
    """The items `(n_values,) int64` and where each row starts `(n_rows + 1,) int64`; a null list is an empty one.

    Raises
    ------
    DataError
        If it is no column of lists of whole numbers, or a list has a null in it.
    """
    array = _as_arrow(column, name)
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        raise DataError(f"'{name}' must be a column of lists of item ids, list<int64>. It is {array.type}.")
    items = array.flatten()
    if not (pa.types.is_integer(items.type) or pa.types.is_null(items.type)):
        raise DataError(f"'{name}' must hold whole numbers, item ids as int64. It holds {items.type}.")
    if items.null_count:
        raise DataError(
            f"'{name}' has {items.null_count} nulls inside its lists. Leave them out: each place is an item."
        )
    lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return items.cast(pa.int64()).to_numpy(zero_copy_only=False), offsets_of(lengths)


def _as_arrow(column: Any, name: str) -> Any:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    if isinstance(column, pa.Array):
        return column
    rows = [None if row is None else np.asarray(row).tolist() for row in column]
    try:
        return pa.array(rows) if any(rows) else pa.array(rows, pa.list_(pa.int64()))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"'{name}' must be a column of lists of item ids, list<int64>: {error}.") from error
