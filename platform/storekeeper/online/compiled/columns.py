"""A feature's values as NumPy has them, and as Arrow does."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import TIMESTAMP

_DATETIME = np.dtype("datetime64[us]")


@dataclass(frozen=True, slots=True)
class Values:
    """One feature of some rows.

    Attributes
    ----------
    values
        (n_rows,) float64, int64, bool or datetime64[us] (UTC); object (str, bytes, list) for the others. Where null:
        NaN, NaT, 0, False or None.
    null
        (n_rows,) bool, or None where nothing is null.
    """

    values: np.ndarray
    null: np.ndarray | None

    def numpy(self) -> np.ndarray:
        """For callers: a masked array where the values themselves can't say that they are null."""
        if self.null is None or self.values.dtype.kind in "fO":
            return self.values
        return np.ma.MaskedArray(self.values, self.null)

    def arrow(self, declared: pa.DataType) -> pa.Array:
        """In the declared type, into which every value fits."""
        if self.values.dtype == object:
            return pa.array(self.values.tolist(), declared)
        if self.values.dtype.kind == "M":
            instants = pa.array(self.values.view(np.int64), mask=self.null).cast(TIMESTAMP)
            return instants if declared == TIMESTAMP else instants.cast(declared, safe=False)
        plain = pa.array(np.ascontiguousarray(self.values), mask=self.null)
        return plain if plain.type == declared else plain.cast(declared)


def values_of(column: pa.Array | pa.ChunkedArray) -> Values:
    """An Arrow column as NumPy has it."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    null = np.asarray(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    kind = array.type
    if pa.types.is_floating(kind):
        return Values(np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False)), null)
    if pa.types.is_timestamp(kind):
        instants = array.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())
        numbers = np.asarray(instants.fill_null(np.iinfo(np.int64).min).to_numpy())
        return Values(numbers.view(_DATETIME), null)
    if pa.types.is_boolean(kind):
        return Values(np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False)), null)
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return Values(np.asarray(array.cast(pa.int64()).fill_null(0).to_numpy()), null)
    return Values(objects(array.to_pylist()), null)


def objects(items: list[object]) -> np.ndarray:
    """Python objects as an array of them, lists too."""
    return np.fromiter(items, object, len(items))
