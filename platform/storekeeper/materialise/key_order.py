"""Encoded rows in the order of their keys: in memory, or merged from sorted runs on disk."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError
from storekeeper.offline.memory import MemoryBudget
from storekeeper.online.backends import StateRow
from storekeeper.online.layers import EncodedRows

_ROWS_AT_ONCE = 4_096
_WORD = 8
_SCHEMA = pa.schema(
    [("key", pa.binary()), ("event_us", pa.int64()), ("known_us", pa.int64()), ("value", pa.large_binary())]
)


class KeyOrder:
    """A context that takes rows in parts, whose keys are distinct, and gives all of them in key order.

    One part stays in memory; of several each is written to disk, sorted.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget, self._stack = budget, ExitStack()
        self._whole: EncodedRows | None = None
        self._folder: Path | None = None
        self._runs: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def add(self, rows: EncodedRows) -> None:
        """Take a part.

        Raises
        ------
        DataError
            If a key is null.
        """
        if self._whole is None and not self._runs:
            self._whole = rows
            return
        first, self._whole = self._whole, None
        for part in (first, rows):
            if part is not None:
                self._write(part)

    def rows(self) -> Iterator[StateRow]:
        """All rows, by key."""
        if self._whole is not None:
            return in_key_order(self._whole)
        # Keys are distinct: no two rows are compared by more.
        return merge(*map(_read, self._runs))

    def times_of(self, keys: Collection[bytes]) -> dict[bytes, tuple[int, int]]:
        """Event time and knowledge time of each of the keys that has a row."""
        parts = [self._whole] if self._whole is not None else map(_read_times, self._runs)
        return {
            key: (int(part.event_us[place]), int(part.known_us[place]))
            for part in (parts if keys else ())
            for place, key in enumerate(part.keys)
            if key is not None and key in keys
        }

    def _write(self, rows: EncodedRows) -> None:
        if self._folder is None:
            self._folder = self._stack.enter_context(self._budget.scratch())
        path = self._folder / f"{len(self._runs):04d}.arrow"
        order = _order(rows)
        columns = [
            pa.array(rows.keys, pa.binary()), pa.array(rows.event_us), pa.array(rows.known_us),
            pa.array(rows.blobs, pa.large_binary()),
        ]  # fmt: skip
        with pa.ipc.new_file(str(path), _SCHEMA) as file:
            for low in range(0, len(order), _ROWS_AT_ONCE):
                some = pa.array(order[low : low + _ROWS_AT_ONCE])
                file.write_batch(pa.record_batch([column.take(some) for column in columns], schema=_SCHEMA))
        self._runs.append(path)


def in_key_order(rows: EncodedRows) -> Iterator[StateRow]:
    """State rows by key, made as they are asked for."""
    order = _order(rows)
    places = order.tolist()
    keys = map(cast(Sequence[bytes], rows.keys).__getitem__, places)
    times = rows.event_us[order].tolist(), rows.known_us[order].tolist()
    return map(StateRow, keys, *times, map(rows.blobs.__getitem__, places))


def _order(rows: EncodedRows) -> np.ndarray:
    keys = pa.array(rows.keys, pa.binary())
    if keys.null_count:
        raise DataError("An entity with a null join key reached the online store.")
    numbers = _as_numbers(keys)
    return np.asarray(pc.sort_indices(keys).to_numpy()).astype(np.int64) if numbers is None else np.argsort(numbers)


def _as_numbers(keys: pa.Array | pa.ChunkedArray) -> np.ndarray | None:
    """(n_rows,) uint64 that sort as keys of one length do which differ in eight places at most; None for others.

    Such are integers, also several of them: what all keys share doesn't order them.
    """
    if isinstance(keys, pa.ChunkedArray) or not len(keys):
        return None
    _, ends, content = keys.buffers()
    offsets = np.frombuffer(ends, np.int32, len(keys) + 1)
    lengths = np.diff(offsets)
    if lengths.min() != lengths.max() or not lengths[0]:
        return None
    places = np.frombuffer(content, np.uint8, offsets[-1]).reshape(len(keys), -1)
    differing = np.flatnonzero(places.min(axis=0) != places.max(axis=0))
    if len(differing) > _WORD:
        return None
    words = np.zeros((len(keys), _WORD), np.uint8)
    words[:, _WORD - len(differing) :] = places[:, differing]
    return words.view(">u8").ravel().astype(np.uint64)


def _read(path: Path) -> Iterator[StateRow]:
    with pa.ipc.open_file(str(path)) as file:
        for number in range(file.num_record_batches):
            yield from map(StateRow, *(column.to_pylist() for column in file.get_batch(number).columns))


def _read_times(path: Path) -> EncodedRows:
    """The rows without their blobs."""
    with pa.ipc.open_file(str(path), options=pa.ipc.IpcReadOptions(included_fields=[0, 1, 2])) as file:
        rows = file.read_all()
    return EncodedRows(rows["key"].to_pylist(), rows["event_us"].to_numpy(), rows["known_us"].to_numpy(), ())
