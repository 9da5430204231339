"""Writing latest-value blobs: a table becomes words column by column, and one buffer is cut into rows."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import times_us, to_column
from storekeeper.history.state.latest_layout import HEADER_WORDS, LatestLayout, null_word
from storekeeper.history.state.payload import to_bytes

# So many rows' words stay in the processor's cache while columns are written into them.
_ROWS_AT_ONCE = 16_384
_WORD = 8


def encode_latest(table: pa.Table, layout: LatestLayout, *, event_time: str, known_time: str | None) -> list[bytes]:
    """One blob a row of `table`, whose columns have the declared types.

    Raises
    ------
    DataError
        A null event time, an infinite float, or an integer beyond 64 bits.
    """
    time = times_us(event_time, table.column(event_time))
    known = times_us(known_time, table.column(known_time), fallback=time) if known_time else time
    columns, nulls, texts = [time, known], [], []
    for name, type_ in layout.types.items():
        source = table.column(name).cast(type_)
        null = np.asarray(source.is_null().to_numpy()) if source.null_count else None
        kind = layout.kinds[name]
        if kind == "bytes":
            items = to_bytes(name, source)
            texts.append(items)
            words = np.fromiter(map(len, items), np.int64, len(items))
        else:
            words = to_column(name, source).values.view(np.int64)
        columns.append(words if null is None else np.where(null, null_word(kind), words))
        nulls.append(null)
    rows = _rows(columns, nulls, layout)
    return list(rows) if not texts else [_padded(parts) for parts in zip(rows, *texts, strict=True)]


def _rows(columns: list[np.ndarray], nulls: list[np.ndarray | None], layout: LatestLayout) -> Iterator[bytes]:
    """Each row's words as bytes."""
    bits = _null_bits(nulls, len(columns[0]), layout.null_words)
    for low in range(0, len(columns[0]), _ROWS_AT_ONCE):
        part = slice(low, low + _ROWS_AT_ONCE)
        words = np.empty((len(columns[0][part]), layout.width), "<i8")
        words[:, 0] = layout.tag
        words[:, HEADER_WORDS : HEADER_WORDS + layout.null_words] = bits[part] if len(bits) else 0
        for place, column in enumerate(columns):
            words[:, place + 1 if place < 2 else place + 1 + layout.null_words] = column[part]
        yield from words.view(f"V{layout.width * _WORD}").ravel().tolist()


def _null_bits(nulls: list[np.ndarray | None], count: int, words: int) -> np.ndarray:
    """(n_rows, words) int64 with a bit for each null; without rows where nothing is null."""
    if all(null is None for null in nulls):
        return np.zeros((0, words), np.int64)
    bits = np.zeros((count, words), np.int64)
    for place, null in enumerate(nulls):
        if null is not None:
            bits[:, place // 64] |= np.left_shift(null.astype(np.int64), place % 64)
    return bits


def _padded(parts: tuple[bytes, ...]) -> bytes:
    blob = b"".join(parts)
    return blob + bytes(-len(blob) % _WORD)
