"""Reading the served log, all of a definition at once or as a stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.audit.log.columns import PROOF, RUN, SERVED_AT, merged
from storekeeper.audit.log.files import ServedFile, damaged, definition_file, list_files
from storekeeper.errors import DataError


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


class ServedFiles(NamedTuple):
    """The files of one definition of one feature service, oldest first."""

    service: str
    definition_hash: str
    files: tuple[ServedFile, ...]

    @property
    def rows(self) -> int:
        """How many vectors they hold."""
        return sum(file.rows for file in self.files)


def served_files(folder: Path) -> list[ServedFiles]:
    """All files, by service and definition; nothing where nothing was served.

    Raises
    ------
    DataError
        If a file is damaged or was not written by a `ServedLog`; the message names it.
    """
    groups: dict[tuple[str, str], list[ServedFile]] = {}
    for file in list_files(folder):
        groups.setdefault((file.service, file.definition_hash), []).append(file)
    return [ServedFiles(*key, tuple(found)) for key, found in sorted(groups.items())]


def stream(group: ServedFiles, rows: int) -> Iterator[pa.Table]:
    """The vectors of some files, about `rows` at a time: only those are in memory. All of the log's columns, and `RUN`.

    Vectors of one table agree in the types of their columns. Files of before a column was recorded lack it.

    Raises
    ------
    DataError
        If a file is damaged; the message names it.
    """
    return merged((_of_run(table, file.run) for file in group.files for table in _batches(file.path, rows)), rows)


def read_served(folder: Path) -> Iterator[ServedGroup]:
    """Everything that was served and kept, one definition of one service at a time, so that only that is in memory.

    Nothing where nothing was served. Files that are being written are not seen.

    Raises
    ------
    DataError
        If a file is damaged or was not written by a `ServedLog`; the message names it.
    """
    for group in served_files(folder):
        tables = [_as_appended(_whole(file.path)) for file in group.files]
        try:
            table = pa.concat_tables(tables, promote_options="default")
        except pa.ArrowException as error:
            place = group.files[0].path.parent
            raise DataError(f"Files in '{place}' differ in the types of their columns: {error}.") from error
        yield ServedGroup(group.service, group.definition_hash, table.sort_by(SERVED_AT))


def read_definition(folder: Path, service: str, definition_hash: str) -> dict[str, Any] | None:
    """What a definition meant when it was served; None where that wasn't recorded.

    Raises
    ------
    DataError
        If the record is damaged; the message names its file.
    """
    path = definition_file(folder, service, definition_hash)
    if not path.is_file():
        return None
    try:
        read = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"'{path}' is no record of a definition: {error}. Remove it if it is damaged.") from error
    return dict(read)


def _of_run(table: pa.Table, run: str) -> pa.Table:
    return table.append_column(RUN, pa.repeat(pa.scalar(run), table.num_rows))


def _as_appended(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if name not in PROOF])


def _whole(path: Path) -> pa.Table:
    return pa.concat_tables(_batches(path, None))


def _batches(path: Path, rows: int | None) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            if rows is None:
                yield file.read().replace_schema_metadata(None)
                return
            for batch in file.iter_batches(batch_size=rows):
                yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(damaged(path, str(error))) from error
