"""The SQLite file of online state: opening it, bringing older ones forward, and what its errors say.

==================  ==============================================================================================
table               a row
==================  ==============================================================================================
view_meta           a view: its `ViewMeta`, and how many rows were ever pushed to it
state:<view>        an entity: event time and knowledge time of the newest row behind its value, and the value
pushed:<view>       a pushed row, by entity key and slot: its times, its value, and its number among those that arrived
remembered:<view>   a slot that was settled, and the latest instant as of which it was
==================  ==============================================================================================

Values lie in rows of their own, and keys in an index beside them: in a table in the order of its keys (WITHOUT ROWID)
a value of over about 1,000 bytes would lie on pages of its own, and each pushed row would change a page of others.
"""

import os
import re
import sqlite3
import time
from pathlib import Path

from storekeeper.errors import SourceError

#: What `PRAGMA user_version` says. 0: a new file, or one of a release that had no pushed rows. 1: two tables a view,
#: pushed rows without numbers. 2: three tables a view.
LAYOUT = 2
#: How long readers trust that a file wasn't replaced; asking the file system takes as long as finding a key.
CHECK_NS = 10_000_000
_CAPITAL = re.compile("[A-Z^]")
_WAIT_SECONDS = 60
_PAUSE_SECONDS = 0.002
#: A row's number among those of its view that arrived; rows of older layouts have none, and stand before all others.
_ARRIVAL = "arrival INTEGER NOT NULL DEFAULT 0"
_STATEMENTS_KEPT = 32
_WAL_BYTES = 64 << 20
# The index of pushed rows lies in the order of their keys, so that a push changes many of its pages, and the same ones
# time and again: the longer the log, the fewer of them are copied into the file. Its size is the one that it keeps.
_WAL_PAGES = _WAL_BYTES // 4096
_WRITER_CACHE_KIB = 16 << 10


class OpenFile:
    """A connection to a file, as long as its path names that file: an open file keeps its device and number to itself.

    Attributes
    ----------
    connection
        Commits each statement by itself.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection, self._path = connection, str(path)
        self._identity, self._checked_ns = _identity(self._path), time.monotonic_ns()

    def is_current(self, *, at_once: bool = False) -> bool:
        """Whether the path still names the file; asked again every few milliseconds, or at once."""
        now_ns = time.monotonic_ns()
        if not at_once and now_ns - self._checked_ns < CHECK_NS:
            return True
        self._checked_ns = now_ns
        return _identity(self._path) == self._identity

    def is_idle(self) -> bool:
        """Whether no transaction is open.

        Before a fork such a connection is to be closed: SQLite keeps its locks on a file by process, so that a child
        with a copy of them would take the file for locked, and the parent, as the last that it knows of, would remove
        the log into which the child writes.
        """
        return not self.connection.in_transaction

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (pathlib's takes longer)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def open_file(path: Path, *, writes: bool = False) -> OpenFile:
    """A connection that commits each statement by itself; the file and its folder are made when missing.

    Parameters
    ----------
    writes
        Whether it is for writing, which takes more memory.

    Raises
    ------
    SourceError
        If the file is no database, can't be opened, or was written by a later release.
    """
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only the thread that opened it uses it; another may close it.
        connection = sqlite3.connect(
            path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False,
            cached_statements=_STATEMENTS_KEPT,
        )  # fmt: skip
        _prepare(connection, path)
        if writes:
            connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, SourceError):
            raise
        raise broken(path, error) from error
    return OpenFile(connection, path)


def broken(path: Path, error: Exception) -> SourceError:
    """What to raise instead of an error of SQLite or of the file system."""
    return SourceError(
        f"The online store '{path}' can't be used ({error}). If the file is damaged, remove it and materialise again: "
        f"storekeeper materialize."
    )


def state_table(view: str) -> str:
    """The quoted name of a view's table of state."""
    return _quoted(f"state:{_told_apart(view)}")


def pushed_table(view: str) -> str:
    """The quoted name of a view's table of pushed rows."""
    return _quoted(f"pushed:{_told_apart(view)}")


def remembered_table(view: str) -> str:
    """The quoted name of a view's table of remembered slots."""
    return _quoted(f"remembered:{_told_apart(view)}")


def make_room(connection: sqlite3.Connection, view: str) -> None:
    """A view's tables and its line in `view_meta`, where they aren't there yet."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {state_table(view)} (entity_key BLOB PRIMARY KEY, event_us INTEGER NOT NULL, "
        f"known_us INTEGER NOT NULL, value BLOB NOT NULL)"
    )
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {pushed_table(view)} (entity_key BLOB NOT NULL, slot BLOB NOT NULL, "
        f"event_us INTEGER NOT NULL, known_us INTEGER NOT NULL, value BLOB NOT NULL, {_ARRIVAL}, "
        f"PRIMARY KEY (entity_key, slot))"
    )
    # Slots first: whoever looks for many of them has one list.
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {remembered_table(view)} (slot BLOB NOT NULL, entity_key BLOB NOT NULL, "
        f"until_us INTEGER NOT NULL, PRIMARY KEY (slot, entity_key)) WITHOUT ROWID"
    )
    connection.execute("INSERT OR IGNORE INTO view_meta VALUES (?, NULL, '{}', '', 0)", (view,))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _log_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    if _layout(connection, path) == LAYOUT:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another may have been quicker.
    if (layout := _layout(connection, path)) < LAYOUT:
        _bring_forward(connection, layout)
    connection.execute("COMMIT")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Write-ahead logging. Of several that switch a new file at once SQLite refuses some, for it waits for no lock."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _layout(connection: sqlite3.Connection, path: Path) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > LAYOUT:
        raise SourceError(
            f"The online store '{path}' has layout {found}; this release knows layouts up to {LAYOUT}. Upgrade "
            f"Storekeeper to the release that wrote it, or name another path in feature_store.yaml and materialise "
            f"there."
        )
    return found


def _bring_forward(connection: sqlite3.Connection, layout: int) -> None:
    """Room for what a layout lacks, beside all that it has; state without pushed rows may have another name."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS view_meta (view TEXT PRIMARY KEY, until_us INTEGER, kinds TEXT NOT NULL, "
        "made_from TEXT NOT NULL)"
    )
    connection.execute("ALTER TABLE view_meta ADD COLUMN arrivals INTEGER NOT NULL DEFAULT 0")
    for (view,) in connection.execute("SELECT view FROM view_meta").fetchall():
        if layout == 0 and state_table(view) != (before := _quoted(f"state:{view}")):
            connection.execute(f"ALTER TABLE {before} RENAME TO {state_table(view)}")
        if layout == 1:
            connection.execute(f"ALTER TABLE {pushed_table(view)} ADD COLUMN {_ARRIVAL}")
        make_room(connection, view)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _told_apart(view: str) -> str:
    """A view's name in which no capital matters, for none does to SQLite."""
    return _CAPITAL.sub(lambda found: f"^{found[0].lower()}", view)


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
