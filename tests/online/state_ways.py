"""All ways in which windowed state is read: as a table, as columns of all entities at once, and one by one."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.history import WindowFeature
from storekeeper.history.state import StateColumns, StateLayout, StateReader, decode_events, read_state

WAYS = ("table", "all at once", "one by one")


def read_by(
    way: str,
    blobs: Sequence[bytes | None],
    layout: StateLayout,
    features: Sequence[WindowFeature],
    now_us: int,
    owners: Sequence[int] = (),
    pushed: Sequence[bytes] = (),
) -> pa.Table:
    """What one of the ways answers."""
    if way == "table":
        return read_state(blobs, layout, features, now_us, decode_events(owners, pushed, layout))
    reader, schema = StateReader(layout, features), read_state([], layout, features, now_us).schema
    read = reader.all_at_once if way == "all at once" else reader.one_by_one
    return as_table(read(blobs, now_us, owners, pushed), schema)


def as_table(columns: StateColumns, schema: pa.Schema) -> pa.Table:
    """Columns as a table, whose types show what the columns are; nulls stand where the masks say."""
    assert list(columns.values) == schema.names
    assert set(columns.nulls) <= set(schema.names)
    assert all(null.dtype == bool for null in columns.nulls.values())
    arrays = [_array(values, columns.nulls.get(n), schema.field(n).type) for n, values in columns.values.items()]
    return pa.table(arrays, names=schema.names)


def _array(values: np.ndarray, null: np.ndarray | None, type_: pa.DataType) -> pa.Array:
    if null is not None:
        hidden = values[null].tolist()
        assert all(value is None or value != value or value in (0, False) for value in hidden), hidden
    if values.dtype == object:
        assert [value is None for value in values] == ([False] * len(values) if null is None else null.tolist())
        return pa.array(values.tolist(), type_)
    if values.dtype.kind == "M":
        assert values.dtype == np.dtype("M8[us]")
        return pa.array(np.ascontiguousarray(values).view(np.int64), mask=null).cast(type_)
    return pa.array(np.ascontiguousarray(values), mask=null)
