"""Files and pipes of events, in any of four formats, as batches."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from storekeeper.errors import SourceError, UsageError, listing
from storekeeper.ingest.stopping import Stop

Format = Literal["ndjson", "arrow", "parquet", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
STDIN = "-"

_SUFFIXES: dict[str, Format] = {
    ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".arrow": "arrow", ".arrows": "arrow",
    ".feather": "arrow", ".parquet": "parquet", ".csv": "csv",
}  # fmt: skip
_CHUNK_BYTES = 1024 * 1024
# Who waits for more before a batch is full makes others wait for what has come.
_PATIENCE_SECONDS = 1.0


def format_of(name: str) -> Format:
    """The format that a file's name tells; newline JSON from a pipe.

    >>> format_of("events.jsonl")
    'ndjson'

    Raises
    ------
    UsageError
        If it tells none.
    """
    if name == STDIN:
        return "ndjson"
    suffix = Path(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"The format of '{name}' can't be told by its name: it ends in none of {listing(_SUFFIXES)}. Name the "
            f"format: --format, one of {', '.join(FORMATS)}."
        )
    return _SUFFIXES[suffix]


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A file, or standard input, to be read from its beginning.

    Raises
    ------
    SourceError
        If it can't be opened.
    """
    if name == STDIN:
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise SourceError(
                f"The events in '{name}' can't be read: {error.strerror}. Name a file, or '-'."
            ) from error
        yield file


def chunks(file: BinaryIO, stop: Stop) -> Iterator[bytes | None]:
    """What a file or pipe holds, until its end or a stop; None where nothing comes for a while.

    At its end, and not at a stop, comes a newline more: it ends a last line that has none.
    """
    number = file.fileno()
    while not stop.wanted:
        if os.name == "posix" and not select.select([number], [], [], _PATIENCE_SECONDS)[0]:
            yield None
            continue
        chunk = os.read(number, _CHUNK_BYTES)
        if not chunk:
            yield b"\n"
            return
        yield chunk
