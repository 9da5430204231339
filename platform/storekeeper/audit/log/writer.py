"""The writer: vectors are handed over at once and written in the background."""

import secrets
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from storekeeper.audit.log.columns import SERVED_AT, check_names, merged, stamped
from storekeeper.audit.log.evidence import Evidence
from storekeeper.audit.log.files import definition_file, folder_of, replace_file, write_vectors
from storekeeper.audit.log.losses import write_losses
from storekeeper.audit.log.tally import SUFFIX, Tally
from storekeeper.errors import UsageError


class ServedLog:
    """Keeps served vectors without ever making a request wait.

    Parameters
    ----------
    folder
        Where the files go; made when something is first appended.
    max_pending_rows
        How many vectors may wait to be written; more are dropped and counted.
    flush_seconds
        How long a vector waits at most. What waits is lost if the process is killed, and `read_losses` tells how much.
    file_rows
        From how many waiting vectors on the writer starts at once.

    Attributes
    ----------
    run
        Random digits that tell this log's files from other processes'.
    appended, written, pending
        How many vectors were handed over, are on disk, and wait.
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
        self.appended = self.written = self.pending = self.dropped = 0
        self.problem: str | None = None
        self._max_pending_rows, self._flush_seconds, self._file_rows = max_pending_rows, flush_seconds, file_rows
        self._groups: dict[tuple[str, str], list[pa.Table]] = {}
        self._definitions: dict[tuple[str, str], str] = {}
        self._tally = Tally(folder / f"{self.run}{SUFFIX}")
        self._files = self._recorded_losses = self._flushes_asked = self._flushes_done = 0
        self._closed = self._stopped = False
        self._changed = threading.Condition()
        self._writer = threading.Thread(target=self._run, name="served-log", daemon=True)
        self._writer.start()

    def append(
        self, service: str, definition_hash: str, served_at: datetime, table: pa.Table, evidence: Evidence | None = None
    ) -> bool:
        """Hand over vectors; returns at once.

        Parameters
        ----------
        service, definition_hash
            The feature service and what it meant.
        served_at
            The `now` at which the features were read.
        table
            One row a vector: entity keys, context, features, and whatever else is to be kept.
        evidence
            What else was true at that moment (`Witness.testify`); without it an audit can't say why values differ.

        Returns
        -------
        bool
            Whether they will be written; False if they were dropped, for the queue is full or the log closed.

        Raises
        ------
        DataError
            If two columns share a name, or one is called as the log calls its own.
        """
        check_names(table)
        if not (rows := table.num_rows):
            return True
        text = evidence.as_text() if evidence else None
        with self._changed:
            first, self.appended = self.appended, self.appended + rows
            if self._closed or self.pending + rows > self._max_pending_rows:
                self.dropped += rows
                self._count()
                return False
            self._groups.setdefault((service, definition_hash), []).append(stamped(table, served_at, first, text))
            self.pending += rows
            if evidence and evidence.definition:
                self._definitions.setdefault((service, definition_hash), evidence.definition)
            self._count()
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
        with self._changed:
            self._tally.close(remove=self._recorded_losses == self.dropped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _count(self) -> None:
        """Tell the tally, unless the run is over; what it can't write is no reason to refuse a vector."""
        if self._closed:
            return
        try:
            self._tally.write(self.appended)
        except OSError as error:
            self.problem = f"{type(error).__name__}: {error}"

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
        rest, problem = sum(table.num_rows for table in tables), None
        try:
            self._write_definition(service, definition_hash)
            for table in merged(tables):
                self._write_file(service, definition_hash, table)
                rest -= table.num_rows
                self._settle(table.num_rows, 0, None)
        except (OSError, pa.ArrowException) as error:
            problem = f"{type(error).__name__}: {error}"
        self._settle(0, rest, problem)

    def _write_definition(self, service: str, definition_hash: str) -> None:
        path = definition_file(self.folder, service, definition_hash)
        told = self._definitions.get((service, definition_hash))
        if told and not path.is_file():
            replace_file(path, told.encode())

    def _write_file(self, service: str, definition_hash: str, table: pa.Table) -> None:
        self._files += 1
        first = table.column(SERVED_AT)[0].as_py()
        name = f"{first:%Y%m%dT%H%M%S.%fZ}-{self.run}-{self._files:06d}.parquet"
        write_vectors(
            folder_of(self.folder, service, definition_hash) / name, table, service, definition_hash, self.run
        )

    def _settle(self, written: int, dropped: int, problem: str | None) -> None:
        with self._changed:
            self.pending -= written + dropped
            self.written += written
            self.dropped += dropped
            self.problem = problem

    def _record_losses(self) -> None:
        """Keep the count of losses beside the files."""
        with self._changed:
            appended, dropped = self.appended, self.dropped
        if dropped == self._recorded_losses:
            return
        try:
            write_losses(self.folder, self.run, appended, dropped, self.problem)
        except OSError as error:
            self.problem = f"{type(error).__name__}: {error}"
        else:
            self._recorded_losses = dropped
