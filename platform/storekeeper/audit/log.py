"""The served log: every vector that a model was given, in Parquet, written in the background.

`<folder>/<service>/<definition hash, 16 digits>/<first served_at>-<run>-<number>.parquet`. A file appears whole or
not at all. What could not be kept is counted in `<folder>/<run>.losses.json`.
"""

import json
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.errors import DataError, UsageError

SERVED_AT = "served_at"
REQUEST_ID = "served_request_id"
TASK, MODEL, VERSION = "served_task", "served_model", "served_version"
PROBABILITY = "served_probability"
"""Columns that serving adds: none is a feature, a key or context, which follow in between."""

TIMESTAMP = pa.timestamp("us", tz="UTC")

_SERVICE, _HASH = b"storekeeper.service", b"storekeeper.definition_hash"
_LOSSES = ".losses.json"
_HASH_DIGITS = 16


class ServedGroup(NamedTuple):
    """What was served under one definition of one feature service.

    Attributes
    ----------
    service
        Name of the feature service.
    definition_hash
        What it meant, in full.
    table
        One row a vector: `served_at` (timestamp[us, tz=UTC]), then the columns as they were appended; oldest first.
    """

    service: str
    definition_hash: str
    table: pa.Table


class ServedLog:
    """Keeps served vectors without ever making a request wait.

    Parameters
    ----------
    folder
        Where the files go; made when something is first written.
    max_pending_rows
        How many vectors may wait to be written; more are dropped and counted.
    flush_seconds
        How long a vector waits at most. What waits is lost if the process is killed.
    file_rows
        From how many waiting vectors on the writer starts at once.

    Attributes
    ----------
    run
        Random digits that tell this log's files from other processes'.
    written, pending
        How many vectors are on disk, and how many wait.
    dropped
        How many were lost: the queue was full, or the disk refused them.
    problem
        Why the last write failed; None if it did not.
    """

    def __init__(
        self, folder: Path, *, max_pending_rows: int = 100_000, flush_seconds: float = 5.0, file_rows: int = 20_000
    ) -> None:
        if max_pending_rows < 1 or file_rows < 1 or not flush_seconds > 0:
            raise UsageError(
                f"max_pending_rows, file_rows and flush_seconds must be positive. "
                f"Received: {max_pending_rows}, {file_rows}, {flush_seconds}."
            )
        self.folder = folder
        self.run = secrets.token_hex(4)
        self.written = self.pending = self.dropped = 0
        self.problem: str | None = None
        self._max_pending_rows, self._flush_seconds, self._file_rows = max_pending_rows, flush_seconds, file_rows
        self._groups: dict[tuple[str, str], list[pa.Table]] = {}
        self._files = self._recorded_losses = self._flushes_asked = self._flushes_done = 0
        self._closed = self._stopped = False
        self._changed = threading.Condition()
        self._writer = threading.Thread(target=self._run, name="served-log", daemon=True)
        self._writer.start()

    def append(self, service: str, definition_hash: str, served_at: datetime, table: pa.Table) -> bool:
        """Hand over vectors; returns at once.

        Parameters
        ----------
        service, definition_hash
            The feature service and what it meant.
        served_at
            The `now` at which the features were read.
        table
            One row a vector: entity keys, context, features, and whatever else is to be kept.

        Returns
        -------
        bool
            Whether they will be written; False if they were dropped, for the queue is full or the log closed.

        Raises
        ------
        DataError
            If two columns share a name, or one is called `served_at`.
        """
        names = [SERVED_AT, *table.column_names]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"Columns of served vectors must differ in name. These are there twice: {twice}.")
        if not (rows := table.num_rows):
            return True
        moment = served_at if served_at.tzinfo else served_at.replace(tzinfo=UTC)
        stamped = table.add_column(0, SERVED_AT, pa.repeat(pa.scalar(moment, TIMESTAMP), rows))
        with self._changed:
            if self._closed or self.pending + rows > self._max_pending_rows:
                self.dropped += rows
                return False
            self._groups.setdefault((service, definition_hash), []).append(stamped)
            self.pending += rows
            if self.pending >= self._file_rows:
                self._changed.notify_all()
        return True

    def flush(self) -> None:
        """Return when everything appended before is on disk, or counted as dropped."""
        with self._changed:
            self._flushes_asked += 1
            mine = self._flushes_asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._flushes_done >= mine or self._stopped)

    def close(self) -> None:
        """Write what waits and stop; later vectors are dropped. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._writer.join()
        self._record_losses()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """The writer's life."""
        try:
            while self._write_round():
                pass
        finally:
            with self._changed:
                self._closed = self._stopped = True
                self._changed.notify_all()

    def _write_round(self) -> bool:
        """Wait until something is due, take everything and write it; False after the last time."""
        with self._changed:
            self._changed.wait_for(self._is_due, timeout=self._flush_seconds)
            groups, self._groups = self._groups, {}
            flush, closing = self._flushes_asked, self._closed
        for (service, definition_hash), tables in groups.items():
            self._write_group(service, definition_hash, tables)
        self._record_losses()
        with self._changed:
            self._flushes_done = flush
            self._changed.notify_all()
        return not closing

    def _is_due(self) -> bool:
        return self._closed or self._flushes_asked > self._flushes_done or self.pending >= self._file_rows

    def _write_group(self, service: str, definition_hash: str, tables: Sequence[pa.Table]) -> None:
        """Write one group; a disk that refuses costs the vectors, never the thread."""
        rows, problem = sum(table.num_rows for table in tables), None
        self._files += 1
        try:
            # Models of one service may be given further columns of their own.
            table = pa.concat_tables(tables, promote_options="default")
            first = table.column(SERVED_AT)[0].as_py()
            name = f"{first:%Y%m%dT%H%M%S.%fZ}-{self.run}-{self._files:06d}.parquet"
            folder = self.folder / quote(service, safe="") / definition_hash[:_HASH_DIGITS]
            _write_table(folder / name, table, service, definition_hash)
        except (OSError, pa.ArrowException) as error:
            problem = f"{type(error).__name__}: {error}"
        with self._changed:
            self.pending -= rows
            self.problem = problem
            if problem is None:
                self.written += rows
            else:
                self.dropped += rows

    def _record_losses(self) -> None:
        """Keep the count of losses beside the files, so that an audit in another process sees it."""
        dropped = self.dropped
        if dropped == self._recorded_losses:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.run}{_LOSSES}"
            _replace(path, json.dumps({"dropped": dropped, "problem": self.problem}).encode())
        except OSError as error:
            self.problem = f"{type(error).__name__}: {error}"
        else:
            self._recorded_losses = dropped


def read_served(folder: Path) -> Iterator[ServedGroup]:
    """Everything that was served and kept, one definition of one service at a time, so that only that is in memory.

    Nothing where nothing was served. Files that are being written are not seen.

    Raises
    ------
    DataError
        If a file is damaged or was not written by a `ServedLog`; the message names it.
    """
    groups: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.glob("*/*/*.parquet")):
        metadata = _read_metadata(path)
        groups.setdefault((metadata[_SERVICE].decode(), metadata[_HASH].decode()), []).append(path)
    for (service, definition_hash), paths in sorted(groups.items()):
        tables = [_read_table(path) for path in paths]
        try:
            table = pa.concat_tables(tables, promote_options="default")
        except pa.ArrowException as error:
            raise DataError(f"Files in '{paths[0].parent}' differ in the types of their columns: {error}.") from error
        yield ServedGroup(service, definition_hash, table.sort_by(SERVED_AT))


def count_dropped(folder: Path) -> int:
    """How many served vectors all runs together could not keep.

    Raises
    ------
    DataError
        If a count can't be read; the message names its file.
    """
    total = 0
    for path in sorted(folder.glob(f"*{_LOSSES}")):
        try:
            total += int(json.loads(path.read_bytes())["dropped"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"'{path}' is not a count of lost vectors: {error}. Remove it if it is damaged.") from error
    return total


def _write_table(path: Path, table: pa.Table, service: str, definition_hash: str) -> None:
    metadata = {_SERVICE: service.encode(), _HASH: definition_hash.encode()}
    buffer = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, buffer.getvalue())


def _replace(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file so that it is there whole, on the disk, or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_metadata(path: Path) -> dict[bytes, bytes]:
    try:
        metadata: dict[bytes, bytes] = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise DataError(_damaged(path, str(error))) from error
    if _SERVICE not in metadata or _HASH not in metadata:
        raise DataError(_damaged(path, "it does not name its feature service and definition hash"))
    return metadata


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.ParquetFile(path).read().replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(_damaged(path, str(error))) from error


def _damaged(path: Path, problem: str) -> str:
    return f"'{path}' is not a whole file of a served log: {problem}. Move it away if it is damaged."
