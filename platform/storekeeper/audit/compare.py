"""Two tables of feature values, cell by cell."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """One cell that differs.

    Attributes
    ----------
    feature
        The column.
    row
        Its row, from 0.
    online, offline
        The two values.
    """

    feature: str
    row: int
    online: object
    offline: object


def differing_rows(online: pa.ChunkedArray, offline: pa.ChunkedArray) -> np.ndarray:
    """Rows in which two columns differ, (k,) int64.

    Floats may differ by 1e-9 relative to the greater magnitude (or to 1); everything else must be equal. Null equals
    null only; so does NaN, which counts as null.
    """
    if pa.types.is_floating(offline.type) and pa.types.is_floating(online.type):
        left, right = _floats(online), _floats(offline)
        scale = np.maximum(1.0, np.maximum(np.abs(np.nan_to_num(left)), np.abs(np.nan_to_num(right))))
        near = np.abs(left - right) <= RELATIVE_TOLERANCE * scale
        return np.flatnonzero(~(near | (np.isnan(left) & np.isnan(right))))
    if online.type != offline.type or pa.types.is_nested(online.type):
        pairs = zip(online.to_pylist(), offline.to_pylist(), strict=True)
        return np.array([row for row, (a, b) in enumerate(pairs) if a != b], np.int64)
    same = pc.equal(online, offline)
    both_null = pc.and_(pc.is_null(online), pc.is_null(offline))
    return np.flatnonzero(~np.asarray(pc.or_(pc.fill_null(same, False), both_null).to_numpy()))


def differences(online: pa.Table, offline: pa.Table, *, at_most: int = 20) -> tuple[int, list[Difference]]:
    """How many cells of the columns of `online` differ from `offline`, and the first few of them."""
    count = 0
    examples: list[Difference] = []
    for name in online.column_names:
        left, right = online.column(name), offline.column(name)
        rows = differing_rows(left, right)
        count += len(rows)
        examples += [
            Difference(name, int(row), left[int(row)].as_py(), right[int(row)].as_py())
            for row in rows[: max(at_most - len(examples), 0)]
        ]
    return count, examples


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy())
