"""Values without a word of their own, as bytes: text is UTF-8, bytes are themselves, lists are words again.

A list is `count << 1 | whether any item is null`, where there are nulls one word of null bits per 64 items, one word
an item (the value, or how many bytes it has), then the items' bytes.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.history.columns import column_kind, to_column
from storekeeper.history.state.latest_layout import DTYPES

_WORD = 8


def to_bytes(name: str, source: pa.ChunkedArray) -> list[bytes]:
    """Each row's bytes; those of a null are empty."""
    if pa.types.is_list(source.type):
        return _from_lists(name, source)
    return [
        b"" if value is None else value.encode() if isinstance(value, str) else value for value in source.to_pylist()
    ]


def from_bytes(items: Sequence[bytes], null: np.ndarray, type_: pa.DataType) -> np.ndarray:
    """Rows read back, (n_rows,) object: str, bytes or list, None where null."""
    values: list[object]
    if pa.types.is_list(type_):
        # A null has no bytes, where even an empty list has some.
        values = [_to_list(item, type_) if item else None for item in items]
    else:
        values = [*items] if pa.types.is_binary(type_) else [item.decode() for item in items]
    found = np.fromiter(values, object, len(values))
    found[null] = None
    return found


def _from_lists(name: str, source: pa.ChunkedArray) -> list[bytes]:
    lists = pa.concat_arrays(source.chunks) if source.num_chunks else pa.array([], source.type)
    items = lists.flatten()
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    null = items.is_null().to_numpy(zero_copy_only=False)
    if column_kind(items.type) in DTYPES:
        words, texts = _words(name, items), []
    else:
        texts = to_bytes(name, pa.chunked_array([items]))
        words = np.array([len(text) for text in texts], "<i8")
    edges = itertools.pairwise(np.concatenate([[0], np.cumsum(sizes)]).tolist())
    present = lists.is_valid().to_numpy(zero_copy_only=False).tolist()
    return [
        _one_list(words[low:high], null[low:high], b"".join(texts[low:high])) if is_present else b""
        for (low, high), is_present in zip(edges, present, strict=True)
    ]


def _words(name: str, items: pa.Array) -> np.ndarray:
    """One word an item; floats may be anything in a list, infinite too."""
    if column_kind(items.type) != "float":
        return to_column(name, pa.chunked_array([items])).values
    return np.array(pc.fill_null(items.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)).view(np.int64)


def _one_list(words: np.ndarray, null: np.ndarray, texts: bytes) -> bytes:
    has_nulls = bool(null.any())
    head = (len(words) << 1 | has_nulls).to_bytes(_WORD, "little")
    bits = np.packbits(null, bitorder="little").tobytes() if has_nulls else b""
    return b"".join([head, bits, bytes(-len(bits) % _WORD), words.tobytes(), texts])


def _to_list(item: bytes, type_: pa.DataType) -> list[object]:
    head = int.from_bytes(item[:_WORD], "little")
    count, begin, null = head >> 1, _WORD, None
    if head & 1:
        bits = np.frombuffer(item, np.uint8, -(-count // 8), begin)
        null = np.unpackbits(bits, count=count, bitorder="little").astype(bool)
        begin += -(-count // 64) * _WORD
    words = np.frombuffer(item, "<i8", count, begin)
    values = _items(words, item[begin + count * _WORD :], type_.value_type, null)
    return values if null is None else [None if n else value for value, n in zip(values, null.tolist(), strict=True)]


def _items(words: np.ndarray, texts: bytes, type_: pa.DataType, null: np.ndarray | None) -> list[object]:
    kind = column_kind(type_)
    if kind == "timestamp" or pa.types.is_decimal(type_):
        plain = to_column("", pa.chunked_array([], type_))
        found: list[object] = plain.restore(words.view(np.float64) if plain.is_float else words, null).to_pylist()
        return found
    if kind in DTYPES:
        values: list[object] = (words.view(np.float64) if kind == "float" else words).tolist()
        return [bool(value) for value in values] if kind == "bool" else values
    ends = np.concatenate([[0], np.cumsum(words)]).tolist()
    parts = [texts[low:high] for low, high in itertools.pairwise(ends)]
    return [*parts] if pa.types.is_binary(type_) else [part.decode() for part in parts]
