"""Events in tables: Arrow streams and files, and Parquet."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.errors import DataError, UsageError
from storekeeper.ingest.batch import Batch

_ARROW_FILE = b"ARROW1"


def arrow_batches(file: BinaryIO, name: str, size: int) -> Iterator[Batch]:
    """Batches of an Arrow stream, or of an Arrow (Feather) file; places are row numbers from 1.

    Raises
    ------
    DataError
        If it is none, or breaks off; the rows before were given.
    """
    with _told(name, "an Arrow stream"):
        yield from _numbered(_record_batches(file), size)


def parquet_batches(file: BinaryIO, name: str, size: int) -> Iterator[Batch]:
    """Batches of a Parquet file; places are row numbers from 1.

    Raises
    ------
    UsageError
        If it is a pipe, which can't be read from its end.
    DataError
        If it is none.
    """
    if not file.seekable():
        raise UsageError("Parquet is read from its end, which a pipe doesn't have. Name a file.")
    with _told(name, "a Parquet file"):
        yield from _numbered(pq.ParquetFile(file).iter_batches(batch_size=size), size)


def _record_batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    start = file.peek(len(_ARROW_FILE))[: len(_ARROW_FILE)] if hasattr(file, "peek") else b""
    if start != _ARROW_FILE:
        yield from pa.ipc.open_stream(file)
        return
    reader = pa.ipc.open_file(file)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _numbered(parts: Iterator[pa.RecordBatch], size: int) -> Iterator[Batch]:
    before = 0
    for part in parts:
        for start in range(0, part.num_rows, size):
            rows = pa.Table.from_batches([part.slice(start, size)])
            yield Batch(rows, range(before + start + 1, before + start + rows.num_rows + 1), row_texts(rows))
        before += part.num_rows


def row_texts(rows: pa.Table) -> Callable[[int], str]:
    """Gives a row as JSON by its number."""

    def text(row: int) -> str:
        values: dict[str, Any] = rows.slice(row, 1).to_pylist()[0]
        return json.dumps(values, ensure_ascii=False, default=str)

    return text


@contextmanager
def _told(name: str, expected: str) -> Iterator[None]:
    """What Arrow can't read becomes a DataError; what is raised by whoever takes the batches is not ours."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, EOFError, OSError) as error:
        raise DataError(
            f"'{name}' can't be read as {expected}: {error}. What came before was pushed, and counts as duplicates "
            f"when it is pushed again."
        ) from error
