"""Rejected events on disk: newline JSON, each with its place, the reason and the event as it came."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from storekeeper.errors import UsageError
from storekeeper.ingest.batch import Refused

#: Takes rejects; those that it has taken outlive this process.
RejectWriter: TypeAlias = Callable[[Iterable[Refused]], None]


def forget(_: Iterable[Refused]) -> None:
    """Nobody wants to keep the rejects."""


@contextmanager
def writing_rejects(path: Path | None, *, append: bool) -> Iterator[RejectWriter]:
    """Rejects into a file.

    Parameters
    ----------
    path
        The file; None for nowhere.
    append
        Behind what is there, as a run that takes its events out of a stream must: it never sees them again. Else the
        file is put in place at the end, also if a run breaks off, and holds what it met.

    Raises
    ------
    UsageError
        If the file can't be written.
    """
    if path is None:
        yield forget
        return
    target = path if append else path.with_name(f".{path.name}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        file = target.open("ab" if append else "wb")
    except OSError as error:
        raise UsageError(f"--rejects names a file to write, but '{path}' can't be: {error.strerror}.") from error
    try:
        with file:
            yield lambda refused: _write(file, refused)
    finally:
        if not append:
            target.replace(path)


def _write(file: BinaryIO, refused: Iterable[Refused]) -> None:
    for one in refused:
        document = {"place": one.place, "reason": one.reason, "event": one.original}
        file.write(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    file.flush()
