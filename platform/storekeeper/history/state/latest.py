"""Latest-value state as an Arrow table; `latest_decode` has it as NumPy columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.history.state.latest_decode import LatestColumns, decode_latest_columns
from storekeeper.history.state.latest_layout import LatestLayout


@dataclass(frozen=True)
class LatestRows:
    """Decoded rows.

    Attributes
    ----------
    event_time, known_time
        (n_rows,) int64 microseconds; undefined for unseen entities.
    seen
        (n_rows,) bool: whether the entity has a row.
    features
        One column a feature, null for unseen entities.
    """

    event_time: np.ndarray
    known_time: np.ndarray
    seen: np.ndarray
    features: pa.Table


def decode_latest(
    blobs: Sequence[bytes | None], layout: LatestLayout, *, ttl_us: int = 0, now_us: int | None = None
) -> LatestRows:
    """Read rows back; one older than `ttl_us` at `now_us` counts as unseen (rule 5, enforced at read).

    Raises
    ------
    DataError
        As `decode_latest_columns`.
    """
    found = decode_latest_columns(blobs, layout, ttl_us=ttl_us, now_us=now_us)
    arrays = [_array(name, found, layout) for name in layout.types]
    features = pa.table(arrays, names=list(layout.types))
    return LatestRows(found.event_us, found.known_us, found.seen, features)


def _array(name: str, found: LatestColumns, layout: LatestLayout) -> pa.Array:
    values = found.values[name]
    if layout.kinds[name] == "bytes":
        return pa.array(values.tolist(), layout.types[name])
    numbers = values.view(np.int64) if layout.kinds[name] == "timestamp" else values
    return layout.plain[name].restore(np.ascontiguousarray(numbers), found.null(name))
