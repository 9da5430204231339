"""Join keys as dense integer codes, shared by a spine and a history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError

_LARGEST = 2**62


@dataclass(frozen=True)
class KeyCodes:
    """Which entity each row is about.

    Attributes
    ----------
    spine
        (n_rows,) int64 in [0, count), or -1 where a key is null.
    events
        (n_events,) int64 in [0, count), or -1 where the spine has no such entity or a key is null.
    count
        Number of distinct entities in the spine.
    """

    spine: np.ndarray
    events: np.ndarray
    count: int


def encode_keys(spine: pa.Table, events: pa.Table, keys: Sequence[str]) -> KeyCodes:
    """Give every entity of the spine a code, and the events theirs. Composite keys never collide.

    Raises
    ------
    DataError
        If a key is an integer on one side and a string (or else) on the other.
    """
    if not keys:
        return KeyCodes(np.zeros(spine.num_rows, np.int64), np.zeros(events.num_rows, np.int64), 1)
    spine_codes, event_codes, count = _encode_column(spine, events, keys[0])
    for key in keys[1:]:
        left, right, size = _encode_column(spine, events, key)
        if count * max(size, 1) > _LARGEST:
            spine_codes, event_codes, count = _compact(spine_codes, event_codes)
        spine_codes = np.where((spine_codes < 0) | (left < 0), -1, spine_codes * size + left)
        event_codes = np.where((event_codes < 0) | (right < 0), -1, event_codes * size + right)
        count *= size
    if len(keys) > 1:
        spine_codes, event_codes, count = _compact(spine_codes, event_codes)
    return KeyCodes(spine_codes, event_codes, count)


def _encode_column(spine: pa.Table, events: pa.Table, key: str) -> tuple[np.ndarray, np.ndarray, int]:
    left, right = _comparable(spine.column(key), events.column(key), key)
    entities = pc.drop_null(pc.unique(left))
    if isinstance(entities, pa.ChunkedArray):
        entities = entities.combine_chunks()
    return _positions(left, entities), _positions(right, entities), len(entities)


def _positions(column: pa.ChunkedArray, entities: pa.Array) -> np.ndarray:
    found = pc.index_in(column, value_set=entities, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy()).astype(np.int64)


def _comparable(left: pa.ChunkedArray, right: pa.ChunkedArray, key: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Both columns in one type, or an error that names the two (rule 14)."""
    kinds = [key_kind(column.type) for column in (left, right)]
    if pa.types.is_null(left.type) or pa.types.is_null(right.type):
        target = right.type if pa.types.is_null(left.type) else left.type
        return left.cast(target), right.cast(target)
    if kinds[0] != kinds[1]:
        raise DataError(
            f"Join key '{key}' is {left.type} in the spine and {right.type} in the source. "
            f"Cast one of them, so that both are of one kind."
        )
    target = {"integer": pa.int64(), "string": pa.large_string()}.get(kinds[0], left.type)
    return _cast(left, target, key), _cast(right, target, key)


def _cast(column: pa.ChunkedArray, target: pa.DataType, key: str) -> pa.ChunkedArray:
    try:
        return column.cast(target)
    except pa.ArrowInvalid as error:
        raise DataError(f"Join key '{key}' can't be read as {target}: {error}") from error


def key_kind(type_: pa.DataType) -> str:
    """`integer`, `string`, or the type's own name: join keys match only within a kind."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_integer(type_):
        return "integer"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "string"
    return str(type_)


def _compact(spine: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Codes renumbered 0..n-1 over the combinations that the spine has."""
    combinations = np.unique(spine[spine >= 0])
    return _rank(spine, combinations), _rank(events, combinations), len(combinations)


def _rank(codes: np.ndarray, combinations: np.ndarray) -> np.ndarray:
    if not len(combinations):
        return np.full(len(codes), -1, np.int64)
    place = np.searchsorted(combinations, codes)
    place[place == len(combinations)] = 0
    return np.where((codes >= 0) & (combinations[place] == codes), place, -1)
