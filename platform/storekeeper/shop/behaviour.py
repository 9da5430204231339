"""The behaviour log: a DuckDB file with one row an event, written whole or not at all."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from storekeeper.errors import SourceError, listing
from storekeeper.processes import is_running
from storekeeper.shop.columns import (
    EVENT_COLUMNS,
    EVENT_TYPES,
    EVENTS,
    LOAD_COLUMNS,
    LOADS,
    REJECT_COLUMNS,
    REJECTS,
    REQUIRED_EVENT_COLUMNS,
)

TABLES: Mapping[str, Mapping[str, str]] = {EVENTS: EVENT_COLUMNS, REJECTS: REJECT_COLUMNS, LOADS: LOAD_COLUMNS}

# A DuckDB file starts with three headers of this size each; whole blocks follow.
_HEADERS_BYTES = 3 * 4096
_PARTIAL = re.compile(r"\.(?P<pid>\d+)-\w+\.partial(\.wal|\.tmp)?$")
_BROKEN_FILE = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
_RELOAD = "Load the shop again: `storekeeper load NAME --force`."


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the empty tables of a behaviour log."""
    types = ", ".join(f"'{name}'" for name in EVENT_TYPES)
    for table, columns in TABLES.items():
        required = REQUIRED_EVENT_COLUMNS if table == EVENTS else tuple(columns)
        parts = [f'"{name}" {kind}{" NOT NULL" if name in required else ""}' for name, kind in columns.items()]
        if table == EVENTS:
            parts.append(f'CHECK ("event_type" IN ({types}))')
        connection.execute(f'CREATE TABLE "{table}" ({", ".join(parts)})')


@contextmanager
def write_behaviour(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty log under a temporary name, which takes the place of `path` when the block ends well.

    An error, an interruption or a killed process leaves what was at `path`; leftovers of killed writers are removed
    by the next one. Whoever has the old file open keeps reading the old content.

    Raises
    ------
    SourceError
        If the folder can't be written or the disk is full.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with _file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(path)
        with behaviour_errors(path):
            connection = duckdb.connect(str(partial))
            try:
                create_tables(connection)
                yield connection
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
        with _file_errors(path):
            # A write-ahead log that was left beside the old file would be replayed on the new one.
            path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
            partial.replace(path)
    finally:
        for leftover in path.parent.glob(f"{partial.name}*"):
            _remove(leftover)


def open_behaviour(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a behaviour log for reading, having checked that the file is whole and has the expected columns.

    Raises
    ------
    SourceError
        If the file is missing, truncated, no DuckDB database, or lacks a table or column.
    """
    if not path.is_file():
        raise SourceError(f"No behaviour log at {path}. Load a shop first: `storekeeper load complete-journey`.")
    with behaviour_errors(path):
        connection = duckdb.connect(str(path), read_only=True)
    try:
        with behaviour_errors(path):
            _check_length(connection, path)
            _check_columns(connection, path)
    except SourceError:
        connection.close()
        raise
    return connection


@contextmanager
def behaviour_errors(path: Path) -> Iterator[None]:
    """Turn DuckDB's input/output errors into a `SourceError` that names the log and says what to do."""
    try:
        yield
    except _BROKEN_FILE as error:
        first_line = str(error).splitlines()[0]
        raise SourceError(
            f"The behaviour log {path} can't be used: expected a whole DuckDB file that no other process is writing. "
            f"DuckDB says: {first_line}. If the file is broken: {_RELOAD}"
        ) from error


def _check_length(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a file shorter than its blocks: DuckDB itself notices only when a query meets the missing part."""
    query = "SELECT total_blocks, block_size FROM pragma_database_size()"
    blocks, block_bytes = connection.execute(query).fetchall()[0]
    expected, found = _HEADERS_BYTES + blocks * block_bytes, path.stat().st_size
    if found < expected:
        raise SourceError(
            f"The behaviour log {path} is truncated: expected at least {expected} bytes, found {found}. {_RELOAD}"
        )


def _check_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a database that is no behaviour log, or one of another version."""
    rows = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal"
    ).fetchall()
    for table, columns in TABLES.items():
        missing = set(columns) - {column for name, column in rows if name == table}
        if missing:
            raise SourceError(
                f"{path} is not a behaviour log: its table '{table}' lacks {listing(missing)}. "
                f"It has the tables {listing({name for name, _ in rows})}. {_RELOAD}"
            )


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn the file system's errors into a `SourceError`."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"The behaviour log {path} can't be written: {error}. Check the folder's permissions and free space."
        ) from error


def _remove_leftovers(path: Path) -> None:
    """Remove the partial files of writers that are no longer running."""
    for leftover in path.parent.glob(f"{path.name}.*.partial*"):
        match = _PARTIAL.search(leftover.name)
        if match and not is_running(int(match["pid"])):
            _remove(leftover)


def _remove(leftover: Path) -> None:
    """Remove a partial file, its write-ahead log, or the folder that DuckDB spills to."""
    if leftover.is_dir():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        leftover.unlink(missing_ok=True)
