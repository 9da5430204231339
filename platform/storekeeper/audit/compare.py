"""Two tables of feature values, cell by cell."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import CheckFailedError, listing

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
    null only; so does NaN, which counts as null. The same holds inside lists.

    Raises
    ------
    CheckFailedError
        If the columns are not equally long.
    """
    if len(online) != len(offline):
        raise CheckFailedError(f"{len(online):,} values online and {len(offline):,} offline can't be compared.")
    if pa.types.is_floating(offline.type) and pa.types.is_floating(online.type):
        left, right = _floats(online), _floats(offline)
        finite = np.isfinite(left) & np.isfinite(right)
        a, b = np.where(finite, left, 0.0), np.where(finite, right, 0.0)
        near = np.abs(a - b) <= RELATIVE_TOLERANCE * np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
        return np.flatnonzero(~((finite & near) | (left == right) | (np.isnan(left) & np.isnan(right))))
    if online.type != offline.type or pa.types.is_nested(online.type):
        pairs = zip(online.to_pylist(), offline.to_pylist(), strict=True)
        return np.array([row for row, (a, b) in enumerate(pairs) if not _same(a, b)], np.int64)
    same = pc.equal(online, offline)
    both_null = pc.and_(pc.is_null(online), pc.is_null(offline))
    return np.flatnonzero(~np.asarray(pc.or_(pc.fill_null(same, False), both_null).to_numpy()))


def differences(online: pa.Table, offline: pa.Table, *, at_most: int = 20) -> tuple[int, list[Difference]]:
    """How many cells of the columns of `online` differ from `offline`, and the first few of them.

    Raises
    ------
    CheckFailedError
        If `offline` lacks a column, or has another number of rows.
    """
    if missing := set(online.column_names) - set(offline.column_names):
        raise CheckFailedError(f"Offline lacks {listing(missing)}. It has: {listing(offline.column_names)}.")
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


def _same(a: object, b: object) -> bool:
    """Whether two values of Python count as the same."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    a, b = (None if isinstance(value, float) and math.isnan(value) else value for value in (a, b))
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, float) and isinstance(b, float) and math.isfinite(a) and math.isfinite(b):
        return abs(a - b) <= RELATIVE_TOLERANCE * max(1.0, abs(a), abs(b))
    return a == b


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy())
