"""What tells events apart: equal events have equal ids, whether they were pushed or read from their source."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.definitions import ViewPlan
from storekeeper.definitions.event_id import event_id_column
from storekeeper.errors import DataError
from storekeeper.history.columns import column_kind, require_columns, times_us

__all__ = ["content_of", "event_id_column", "event_ids"]

_ID_BYTES, _CONTENT_BYTES = 16, 8
_ABSENT, _WHOLE, _FRACTION = 0, 1, 2
_LARGEST_WHOLE = 2.0**63


def event_ids(events: pa.Table, plan: ViewPlan, id_column: str | None, others: Sequence[str] = ()) -> list[bytes]:
    """One id an event; the same event has the same id in every process, in whatever types it comes.

    An event is what its source's column of ids says. Without one, and where that is null, it is its content: its keys,
    its event time and the values that the view aggregates, half of the id. What else views over its source read of it
    is the other half: of two customers who buy the same at the same time, a view of products has two events. The
    knowledge time is no part of it: who tells an event again, be it a retry or a nightly load, tells it later. Two
    events that are equal in all of that need a column of ids.

    Numbers are compared as numbers (`1` is `1.0`, and true), NaN is null, timestamps are microseconds in UTC.

    Parameters
    ----------
    events
        Columns under their mapped names: what the view reads of its source, or `id_column` where no id is null.
    id_column
        As of `event_id_column`.
    others
        Further columns that tell events apart, where all of them are known: when events are pushed.

    Returns
    -------
    list of bytes
        16 bytes each, in the order of the events.

    Raises
    ------
    DefinitionError
        If a column is missing.
    DataError
        A null event time, or an integer beyond 64 bits.
    """
    if id_column is None:
        return _content_ids(events, plan, others)
    require_columns(events, [id_column], "events")
    ids = events.column(id_column)
    found = _digests(plan.source.name, [_words(id_column, ids)])
    nulls = np.flatnonzero(_is_null(ids))
    if len(nulls):
        for row, own in zip(nulls.tolist(), _content_ids(events.take(pa.array(nulls)), plan, others), strict=True):
            found[row] = own
    return found


def content_of(event_id: bytes) -> bytes:
    """The part of an id that is of the event's content, or of its declared id: what events in a source are known by."""
    return event_id[:_CONTENT_BYTES]


def _content_ids(events: pa.Table, plan: ViewPlan, others: Sequence[str]) -> list[bytes]:
    columns = [name for name in plan.source_columns(list(plan.types)) if name != plan.known_time]
    contents = _digests_of(events, plan, columns)
    rest = sorted(set(others) - set(columns))
    if not rest:
        return contents
    parts = zip(contents, _digests_of(events, plan, rest), strict=True)
    return [content[:_CONTENT_BYTES] + other[_CONTENT_BYTES:] for content, other in parts]


def _digests_of(events: pa.Table, plan: ViewPlan, columns: Sequence[str]) -> list[bytes]:
    require_columns(events, columns, "events")
    return _digests(plan.source.name, [_words(name, events.column(name)) for name in columns])


def _digests(source: str, columns: Iterable[np.ndarray]) -> list[bytes]:
    """A hash a row of the columns' words, told apart from other sources' and from another number of columns."""
    parts = list(columns)
    words = np.empty((len(parts[0]), 2 * len(parts) + 2), "<i8")
    words[:, :2] = np.frombuffer(_digest(f"{len(parts)} {source}".encode()), "<i8")
    for place, part in enumerate(parts, start=1):
        words[:, 2 * place : 2 * place + 2] = part
    return list(map(_digest, words.view(f"V{words.shape[1] * words.itemsize}").ravel().tolist()))


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_ID_BYTES).digest()


def _words(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """(n, 2) int64: what a value is and the value, or a text's hash; zeros where it is null."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    kind = column_kind(type_)
    if pa.types.is_null(type_):
        return np.zeros((len(column), 2), np.int64)
    if kind == "string" or pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return _text_words(column)
    if kind == "timestamp":
        words = _tagged(_WHOLE, times_us(name, column, fallback=np.zeros(len(column), np.int64)))
    elif kind == "float":
        words = _float_words(column)
    elif kind in {"int", "bool"}:
        words = _tagged(_WHOLE, _integers(name, column))
    else:
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return _text_words(pa.chunked_array([pa.array(texts, pa.string())]))
    words[_is_null(column)] = 0
    return words


def _tagged(tag: int, values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.full(len(values), tag, np.int64), values])


def _integers(name: str, column: pa.ChunkedArray) -> np.ndarray:
    try:
        return np.asarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy()).astype(np.int64, copy=False)
    except pa.ArrowInvalid as error:
        raise DataError(f"Column '{name}' holds integers beyond the 64-bit signed range: {error}") from error


def _float_words(column: pa.ChunkedArray) -> np.ndarray:
    """Whole numbers as ints are: what is one column's float is another's int, such as JSON's `3`."""
    # Arrow's way from decimals to floats isn't exact; the one from their digits is.
    plain = column.cast(pa.string()) if pa.types.is_decimal(column.type) else column
    values = np.asarray(pc.fill_null(plain.cast(pa.float64()), np.nan).to_numpy())
    is_whole = (np.floor(values) == values) & (values >= -_LARGEST_WHOLE) & (values < _LARGEST_WHOLE)
    whole = np.where(is_whole, values, 0.0).astype(np.int64)
    words = _tagged(_FRACTION, np.where(is_whole, whole, values.view(np.int64)))
    words[is_whole, 0] = _WHOLE
    words[np.isnan(values)] = _ABSENT
    return words


def _text_words(column: pa.ChunkedArray) -> np.ndarray:
    """Each different text is hashed once."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else encoded
    texts = [text if isinstance(text, bytes) else text.encode() for text in encoded.dictionary.to_pylist()]
    hashes = np.frombuffer(b"".join(map(_digest, texts)) + bytes(_ID_BYTES), "<i8").reshape(-1, 2)
    codes = np.asarray(pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False))
    return np.asarray(hashes[codes])


def _is_null(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.is_null(nan_is_null=pa.types.is_floating(column.type)).to_numpy())
