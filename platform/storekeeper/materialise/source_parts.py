"""A source as it is read for state: in parts that fit into memory, each with all rows of its entities."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.definitions import ViewPlan
from storekeeper.history.keys import EntityIndex, key_kind
from storekeeper.offline.memory import MemoryBudget
from storekeeper.offline.progress import tell
from storekeeper.offline.spill import Spill
from storekeeper.sources import OpenSource, ReadRequest

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Reader:
    """Reads a view's source and counts the rows.

    Attributes
    ----------
    rows
        How many were read so far.
    """

    def __init__(self, source: OpenSource, plan: ViewPlan) -> None:
        self.rows = 0
        self._source, self._plan = source, plan

    def batches(
        self, requests: Sequence[ReadRequest], total: int | None, of: EntityIndex | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        """The answers to several requests, one after another; at least one batch.

        Parameters
        ----------
        total
            How many rows there may be, for whoever watches.
        of
            Only rows of these entities are handed on.
        """
        for request in requests:
            with closing(self._source.batches(request)) as batches:
                for batch in batches:
                    self.rows += batch.num_rows
                    tell(self._plan.name, self.rows, total)
                    timed = _timed(batch, self._plan.known_time) if request.timeless else batch
                    yield timed if of is None else _of(timed, of)

    def parts(
        self,
        requests: Sequence[ReadRequest],
        budget: MemoryBudget,
        of: EntityIndex | None = None,
    ) -> Generator[pa.Table, None, None]:
        """Rows in the source's order; one part where they fit the budget, else as many as it takes.

        Each entity is in one part. Closing it closes the source, and clears the disk.
        """
        total = self._source.row_count() if of is None and len(requests) == 1 else None
        held: list[pa.RecordBatch] = []
        size = 0
        with closing(self.batches(requests, total, of)) as batches:
            for batch in batches:
                held.append(batch)
                size += batch.nbytes
                if size > budget.events_bytes:
                    with budget.scratch() as folder:
                        yield from _on_disk(held, batches, self._plan.keys, folder, budget.events_bytes)
                    return
        yield pa.Table.from_batches(held)


def _timed(batch: pa.RecordBatch, known_time: str | None) -> pa.RecordBatch:
    """Rows that have a knowledge time: the others are known as they happen."""
    return batch if known_time is None else batch.filter(batch.column(known_time).is_valid())


def _of(batch: pa.RecordBatch, entities: EntityIndex) -> pa.RecordBatch:
    wanted = entities.codes_of(pa.Table.from_batches([batch])) >= 0
    return batch if wanted.all() else batch.filter(pa.array(wanted))


def _on_disk(
    held: list[pa.RecordBatch],
    rest: Iterator[pa.RecordBatch],
    keys: Sequence[str],
    folder: Path,
    most_bytes: int,
) -> Iterator[pa.Table]:
    with Spill(folder, held[0].schema) as spill:
        while held:
            batch = held.pop(0)
            spill.add(_hashes(batch, keys), batch)
        for batch in rest:
            spill.add(_hashes(batch, keys), batch)
    for first, end in spill.groups(most_bytes):
        yield spill.read(first, end)[1]


def _hashes(batch: pa.RecordBatch, keys: Sequence[str]) -> np.ndarray:
    """(n_rows,) int32, equal for equal keys; -1 where one is null."""
    mixed, null = np.zeros(batch.num_rows, np.uint64), np.zeros(batch.num_rows, bool)
    for key in keys:
        column = batch.column(key)
        mixed = (mixed ^ _words(column)) * _GOLDEN
        mixed ^= mixed >> np.uint64(32)
        null |= column.is_null().to_numpy(zero_copy_only=False)
    return np.where(null, -1, (mixed >> np.uint64(1)).astype(np.int64) & 0x7FFFFFFF).astype(np.int32)


def _words(column: pa.Array) -> np.ndarray:
    """A number for each key; each different text is hashed once."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if key_kind(plain.type) == "integer":
        numbers = plain.fill_null(0).cast(pa.int64(), safe=False)
        return np.asarray(numbers.to_numpy(zero_copy_only=False)).view(np.uint64)
    encoded = pc.dictionary_encode(plain.cast(pa.large_string()))
    hashed = [crc32(text.encode()) for text in encoded.dictionary.to_pylist()]
    codes = np.asarray(pc.fill_null(encoded.indices, len(hashed)).to_numpy(zero_copy_only=False))
    return np.asarray(np.array([*hashed, 0], np.uint64)[codes])
