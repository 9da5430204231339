"""Events on disk, in parts by their entity: each entity's events are in one part, in the source's order."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

_PARTS = 64
_CODE = "__code__"


class Spill:
    """A context that writes events to files; afterwards they are read part by part."""

    parts = _PARTS

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._paths = [folder / f"{part:02d}.arrow" for part in range(_PARTS)]
        self._schema = schema.append(pa.field(_CODE, pa.int32()))
        self._bytes = np.zeros(_PARTS, np.int64)
        self._writers: list[pa.ipc.RecordBatchStreamWriter] = []

    def __enter__(self) -> Self:
        self._writers = [pa.ipc.new_stream(str(path), self._schema) for path in self._paths]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for writer in self._writers:
            writer.close()

    def add(self, codes: np.ndarray, batch: pa.RecordBatch) -> None:
        """Write events, each to its entity's part; those of no entity are left out."""
        part = np.where(codes >= 0, codes % _PARTS, _PARTS).astype(np.uint8)
        order = np.argsort(part, kind="stable")
        whole = batch.append_column(_CODE, pa.array(codes)).take(pa.array(order))
        ends = np.cumsum(np.bincount(part, minlength=_PARTS + 1))
        for number, writer in enumerate(self._writers):
            start = int(ends[number - 1]) if number else 0
            piece = whole.slice(start, int(ends[number]) - start)
            if piece.num_rows:
                writer.write_batch(piece)
                self._bytes[number] += piece.nbytes

    def groups(self, most_bytes: int) -> Iterator[tuple[int, int]]:
        """Ranges of parts that together are no larger than asked, or one part that is."""
        first, size = 0, 0
        for part in range(_PARTS):
            if size and size + self._bytes[part] > most_bytes:
                yield first, part
                first, size = part, 0
            size += int(self._bytes[part])
        yield first, _PARTS

    def read(self, first: int, end: int) -> tuple[np.ndarray, pa.Table]:
        """Codes and events of parts [first, end)."""
        tables = []
        for path in self._paths[first:end]:
            with pa.ipc.open_stream(str(path)) as stream:
                tables.append(stream.read_all())
        table = pa.concat_tables(tables)
        return table.column(_CODE).to_numpy(), table.drop_columns([_CODE])
