"""How many vectors a process was given, kept where even the end of the process can't take it.

A count in memory dies with the process, and with it the knowledge of what was not yet written. So each append
overwrites one short line of a file, which the system keeps whatever becomes of the process (not of the machine: that
may lose the last seconds). A lock on the file tells whether the process lives.
"""

import json
from pathlib import Path
from typing import BinaryIO

from storekeeper.errors import DataError

SUFFIX = ".tally.json"
_LINE_BYTES = 64

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
except ImportError:  # pragma: no cover  (no such locks on this system: every run counts as ended)
    flock = None  # type: ignore[assignment]


class Tally:
    """The count of one run.

    Parameters
    ----------
    path
        Its file; made by the first count.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def write(self, appended: int) -> None:
        """Put the number of vectors that the run was given, in one write of one line.

        Raises
        ------
        OSError
            If the file can't be written.
        """
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w+b", buffering=0)
            if flock is not None:
                flock(self._file, LOCK_EX | LOCK_NB)
        self._file.seek(0)
        self._file.write(json.dumps({"appended": appended}).encode().ljust(_LINE_BYTES - 1) + b"\n")

    def close(self, *, remove: bool) -> None:
        """End the run; its file goes where the log itself tells all that it did."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if remove:
                self.path.unlink(missing_ok=True)


def read_tally(path: Path) -> tuple[int, bool]:
    """How many vectors a run was given, and whether it still lives.

    Raises
    ------
    DataError
        If the file is something else.
    """
    try:
        with path.open("rb") as file:
            line = file.read()
            return int(json.loads(line or b'{"appended": 0}')["appended"]), _is_locked(file)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' is not a count of served vectors: {error}. Remove it if it is damaged.") from error


def _is_locked(file: BinaryIO) -> bool:
    if flock is None:
        return False
    try:
        flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    return False
