"""Files of the served log: each is there whole or not at all, and says what it holds."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.audit.log.columns import SEQUENCE
from storekeeper.errors import DataError

_SERVICE, _HASH = b"storekeeper.service", b"storekeeper.definition_hash"
_RUN, _NEXT = b"storekeeper.run", b"storekeeper.next_sequence"
_HASH_DIGITS = 16


@dataclass(frozen=True)
class ServedFile:
    """A file, by its footer.

    Attributes
    ----------
    path, service, definition_hash, rows
        Where it is, what it holds, how many vectors.
    run
        Which process wrote it; empty in files of before runs were recorded.
    next_sequence
        One more than the greatest number of a vector in it; 0 where none was recorded.
    """

    path: Path
    service: str
    definition_hash: str
    rows: int
    run: str
    next_sequence: int


def folder_of(log: Path, service: str, definition_hash: str) -> Path:
    """Where the files of one definition of a service lie."""
    return log / quote(service, safe="") / definition_hash[:_HASH_DIGITS]


def definition_file(log: Path, service: str, definition_hash: str) -> Path:
    """Where it is told what a definition meant."""
    return folder_of(log, service, definition_hash) / f"{definition_hash}.definition.json"


def write_vectors(path: Path, table: pa.Table, service: str, definition_hash: str, run: str) -> None:
    """Write numbered vectors."""
    following = table.column(SEQUENCE)[-1].as_py() + 1
    metadata = {
        _SERVICE: service.encode(),
        _HASH: definition_hash.encode(),
        _RUN: run.encode(),
        _NEXT: str(following).encode(),
    }
    buffer = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    replace_file(path, buffer.getvalue())


def replace_file(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file so that it is there whole, on the disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def list_files(log: Path) -> list[ServedFile]:
    """Every file of the log, by its path; those that are being written are not seen.

    Raises
    ------
    DataError
        If a file is damaged or was not written by a `ServedLog`; the message names it.
    """
    return [_described(path) for path in sorted(log.glob("*/*/*.parquet"))]


def _described(path: Path) -> ServedFile:
    try:
        footer = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(damaged(path, str(error))) from error
    found: dict[bytes, bytes] = footer.metadata or {}
    if _SERVICE not in found or _HASH not in found:
        raise DataError(damaged(path, "it does not name its feature service and definition hash"))
    run, following = found.get(_RUN, b"").decode(), int(found.get(_NEXT, b"0"))
    return ServedFile(path, found[_SERVICE].decode(), found[_HASH].decode(), footer.num_rows, run, following)


def damaged(path: Path, problem: str) -> str:
    """What to say of a file that can't be read."""
    return f"'{path}' is not a whole file of a served log: {problem}. Move it away if it is damaged."
