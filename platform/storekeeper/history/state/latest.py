"""The state of a latest-value view: one row's times and typed values."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError, DefinitionError
from storekeeper.history.columns import column_kind, times_us, to_column
from storekeeper.history.state.words import Section, pack, section, unpack

_SCALARS = frozenset({"int", "float", "bool", "timestamp"})
_NULL = -1


@dataclass(frozen=True)
class LatestLayout:
    """Features of a latest-value view with their declared Arrow types, in order.

    A blob is one row: event time, knowledge time, one word of null bits per 64 features, one word a feature (the
    value, or the number of bytes), then the bytes of strings and lists in order.
    """

    types: dict[str, pa.DataType]

    @property
    def fingerprint(self) -> int:
        """32 bits that differ between layouts."""
        text = json.dumps([[name, str(type_)] for name, type_ in self.types.items()])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF

    @property
    def width(self) -> int:
        """Words of the row."""
        return 2 + 2 * len(self.types)


def plan_latest(types: Mapping[str, pa.DataType]) -> LatestLayout:
    """The layout for declared types.

    Raises
    ------
    DefinitionError
        If a type can't be kept.
    """
    for name, type_ in types.items():
        item = type_.value_type if pa.types.is_list(type_) else type_
        if not (pa.types.is_binary(item) or column_kind(item) in _SCALARS | {"string"}):
            raise DefinitionError(
                f"Feature '{name}' is {type_}: the online store keeps int, float, bool, timestamp, string, bytes, and "
                f"lists of them."
            )
    return LatestLayout(dict(types))


def encode_latest(table: pa.Table, layout: LatestLayout, *, event_time: str, known_time: str | None) -> list[bytes]:
    """One blob a row of `table`, whose columns have the declared types."""
    time = times_us(event_time, table.column(event_time))
    known = times_us(known_time, table.column(known_time), fallback=time) if known_time else time
    columns, payloads = [time, known], []
    for name, type_ in layout.types.items():
        source = table.column(name).cast(type_)
        valid = np.asarray(source.is_valid().to_numpy())
        if column_kind(type_) in _SCALARS:
            words = to_column(name, source).values
        else:
            items = [_to_bytes(value, type_) for value in source.to_pylist()]
            words = np.array([len(item) for item in items], np.int64)
            payloads.append(items)
        columns += [valid.astype(np.int64), np.where(valid, words, words.dtype.type(0))]
    first = np.arange(table.num_rows + 1)
    tails = [b"".join(parts) for parts in zip(*payloads, strict=True)] if payloads else None
    return pack([section(columns, first)], layout.fingerprint, 0, tails)


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
        If a row happened, or was known, later than `now_us`; or it was written by another release, or for another
        definition.
    """
    found = [blob for blob in blobs if blob is not None]
    unpacked = unpack(found, [layout.width], layout.fingerprint)
    rows = unpacked.sections[0]
    place = np.full(len(blobs), _NULL)
    place[[i for i, blob in enumerate(blobs) if blob is not None]] = np.arange(len(found))
    seen = place >= 0
    time, known = rows.column(0), rows.column(1)
    if now_us is not None and np.any(np.maximum(time, known) > now_us):
        raise DataError(
            "Online state holds rows of a later time than the clock shows now. Set the clock to the time of the "
            "materialisation or later, or materialise again."
        )
    if ttl_us > 0 and now_us is not None and len(found):
        seen &= np.where(seen, now_us - time[place] <= ttl_us, False)
    taken = pa.array(np.where(seen, place, 0), pa.int64(), mask=~seen)
    arrays = [array.take(taken) for array in _arrays(rows, unpacked.tails, layout)]
    features = pa.table(arrays, names=list(layout.types))
    if not len(found):
        nothing = np.zeros(len(blobs), np.int64)
        return LatestRows(nothing, nothing, seen, features)
    return LatestRows(time[place], known[place], seen, features)


def _arrays(rows: Section, tails: Sequence[bytes], layout: LatestLayout) -> list[pa.Array]:
    used = np.zeros(len(tails), np.int64)
    arrays = []
    for number, (name, type_) in enumerate(layout.types.items()):
        null = rows.column(2 + 2 * number) == 0
        if column_kind(type_) in _SCALARS:
            plain = to_column(name, pa.chunked_array([], type_))
            words = rows.floats(3 + 2 * number) if plain.is_float else rows.column(3 + 2 * number)
            arrays.append(plain.restore(words, null if null.any() else None))
            continue
        ends = used + rows.column(3 + 2 * number)
        items = [t[u:e] for t, u, e in zip(tails, used.tolist(), ends.tolist(), strict=True)]
        used = ends
        values = [None if is_null else _from_bytes(i, type_) for i, is_null in zip(items, null.tolist(), strict=True)]
        arrays.append(pa.array(values, type_))
    return arrays


def _to_bytes(value: object, type_: pa.DataType) -> bytes:
    """Text as UTF-8, bytes as they are, lists as an Arrow IPC stream of one column."""
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.array(value, type_.value_type)], names=["item"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _from_bytes(item: bytes, type_: pa.DataType) -> object:
    if pa.types.is_binary(type_):
        return item
    if not pa.types.is_list(type_):
        return item.decode()
    with pa.ipc.open_stream(item) as reader:
        return reader.read_all().column(0).to_pylist()
