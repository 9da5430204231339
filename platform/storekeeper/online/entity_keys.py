"""Entity keys as bytes: equal keys give equal bytes, different keys never do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto

from storekeeper.errors import DataError, UsageError, listing
from storekeeper.history.keys import key_kind

_INTEGER, _TEXT = b"i", b"s"
_PACKED = np.dtype([("tag", "S1"), ("number", ">u8")])
_INT64 = np.iinfo(np.int64)
_OFFSET = np.uint64(1 << 63)


def key_bytes(keys: pa.Table) -> list[bytes | None]:
    """One key a row of join-key columns, in column order; None where a part is null.

    An integer is 8 bytes, big-endian, offset so that bytes sort as numbers do; a text is its length and its UTF-8.
    """
    return joined_keys([_column_bytes(name, keys.column(name)) for name in keys.column_names], keys.num_rows)


def joined_keys(parts: Sequence[list[bytes | None]], rows: int) -> list[bytes | None]:
    """One key a row of its encoded parts; None where one is None. Without parts all rows have the empty key."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return [b""] * rows
    joined = []
    for row in zip(*parts, strict=True):
        present = [part for part in row if part is not None]
        joined.append(b"".join(present) if len(present) == len(row) else None)
    return joined


def _column_bytes(name: str, column: pa.ChunkedArray) -> list[bytes | None]:
    if pa.types.is_null(column.type):
        # What a source without rows, or without any key, may say of its column.
        return [None] * len(column)
    kind = key_kind(column.type)
    if kind == "string":
        texts = [None if value is None else value.encode() for value in column.to_pylist()]
        return [None if t is None else _TEXT + len(t).to_bytes(4, "big") + t for t in texts]
    if kind != "integer":
        raise DataError(f"Join key '{name}' is {column.type}: the online store takes integer and string keys.")
    try:
        numbers = np.asarray(column.cast(pa.int64()).fill_null(0).to_numpy()).astype(np.int64)
    except pa.ArrowInvalid as error:
        raise DataError(f"Join key '{name}' holds integers beyond the 64-bit signed range: {error}.") from error
    keys = _packed(numbers)
    if column.null_count:
        for row in np.flatnonzero(np.asarray(column.is_null().to_numpy())):
            keys[row] = None
    return keys


def _packed(numbers: np.ndarray) -> list[bytes | None]:
    """Keys of (n,) int64."""
    packed = np.empty(len(numbers), _PACKED)
    packed["tag"] = _INTEGER
    packed["number"] = numbers.view(np.uint64) ^ _OFFSET
    keys: list[bytes | None] = packed.view(f"V{_PACKED.itemsize}").tolist()
    return keys


@dataclass(frozen=True, slots=True)
class KeyEncoder:
    """Encodes values of one join key as `key_bytes` does, of plain numbers and texts without Arrow.

    Attributes
    ----------
    name, type
        The key.
    bounds
        The least and the greatest integer of its type; None for text.
    """

    name: str
    type: pa.DataType
    bounds: tuple[int, int] | None

    @classmethod
    def of(cls, name: str, type_: pa.DataType) -> "KeyEncoder":
        """The encoder of a key of some type."""
        if key_kind(type_) != "integer":
            return cls(name, type_, None)
        own = np.iinfo(type_.to_pandas_dtype())
        return cls(name, type_, (max(own.min, _INT64.min), min(own.max, _INT64.max)))

    def encode(self, values: Sequence[object]) -> list[bytes | None]:
        """One key a value; None where it is null.

        Raises
        ------
        DataError
            If a value isn't of the declared type (rule 14); the message names both.
        """
        plain = _texts(values) if self.bounds is None else _integers(values, self.bounds)
        return (
            _column_bytes(self.name, pa.chunked_array([_typed(self.name, values, self.type)]))
            if plain is None
            else plain
        )


def _texts(values: Sequence[object]) -> list[bytes | None] | None:
    """Keys of texts; None where there is anything else."""
    if set(map(type, values)) != {str}:
        return None
    try:
        return [_TEXT + len(text).to_bytes(4, "big") + text for text in map(str.encode, cast(Sequence[str], values))]
    except UnicodeEncodeError:
        return None


def _integers(values: Sequence[object], bounds: tuple[int, int]) -> list[bytes | None] | None:
    """Keys of integers within bounds; None where there is anything else."""
    if isinstance(values, np.ndarray):
        numbers = values.astype(np.int64) if values.dtype.kind == "i" and values.ndim == 1 else None
    elif set(map(type, values)) != {int}:
        return None
    elif len(values) == 1 and type(values) is list:
        number = values[0]
        return [_INTEGER + (number + (1 << 63)).to_bytes(8, "big")] if bounds[0] <= number <= bounds[1] else None
    else:
        numbers = _as_int64(cast(Sequence[int], values))
    if numbers is None or (len(numbers) and (numbers.min() < bounds[0] or numbers.max() > bounds[1])):
        return None
    return _packed(numbers)


def _as_int64(values: Sequence[int]) -> np.ndarray | None:
    try:
        return np.fromiter(values, np.int64, len(values))
    except OverflowError:
        return None


def keys_from_values(values: Mapping[str, Sequence[object]], types: Mapping[str, pa.DataType]) -> pa.Table:
    """Join-key values as typed columns.

    Raises
    ------
    UsageError
        If a key is missing.
    DataError
        If a value isn't of the declared type (rule 14); the message names both.
    """
    missing = [name for name in types if name not in values]
    if missing:
        raise UsageError(f"Entity key {listing(missing)} is missing. Received: {listing(values)}.")
    return pa.table({name: _typed(name, values[name], type_) for name, type_ in types.items()})


def _typed(name: str, values: Sequence[object], type_: pa.DataType) -> pa.Array:
    expected: tuple[type, ...] = (int, np.integer) if key_kind(type_) == "integer" else (str,)
    for row, value in enumerate(values):
        if value is not None and (not isinstance(value, expected) or isinstance(value, bool)):
            raise DataError(
                f"Entity key '{name}' must be {type_}. Received at row {row}: {value!r} ({type(value).__name__})."
            )
    try:
        return pa.array(list(values), type_)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError) as error:
        raise DataError(f"Entity key '{name}' must be {type_}: {error}.") from error


def keys_from_protos(entity_keys: Sequence[EntityKeyProto], types: Mapping[str, pa.DataType]) -> pa.Table:
    """Feast's entity keys as typed columns; of a view about everyone no columns, but as many rows."""
    if not types:
        return pa.table({"row": pa.nulls(len(entity_keys))}).select([])
    columns: dict[str, list[object]] = {name: [] for name in types}
    for key in entity_keys:
        values = dict(zip(key.join_keys, key.entity_values, strict=True))
        for name, column in columns.items():
            case = values[name].WhichOneof("val") if name in values else None
            column.append(getattr(values[name], case) if case else None)
    return keys_from_values(columns, types)


def keys_from_bytes(encoded: Sequence[bytes], types: Mapping[str, pa.DataType]) -> pa.Table:
    """What `key_bytes` encoded, as typed columns."""
    columns: dict[str, list[object]] = {name: [] for name in types}
    for key in encoded:
        place = 0
        for column in columns.values():
            tag, place = key[place : place + 1], place + 1
            if tag == _INTEGER:
                column.append(int.from_bytes(key[place : place + 8], "big") - (1 << 63))
                place += 8
                continue
            size = int.from_bytes(key[place : place + 4], "big")
            column.append(key[place + 4 : place + 4 + size].decode())
            place += 4 + size
    return pa.table({name: pa.array(columns[name], type_) for name, type_ in types.items()})
