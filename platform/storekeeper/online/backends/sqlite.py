"""State in one SQLite file: the embedded default."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from storekeeper.errors import SourceError
from storekeeper.online.backends.base import StateRow, ViewMeta

_KEYS_PER_QUERY = 500


class SQLiteBackend:
    """A WAL-mode SQLite file: one table a view, one connection a thread.

    Parameters
    ----------
    path
        The file; it and its folder are made when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def create(self, view: str) -> None:
        """Make room for a view."""
        with self._writing() as connection:
            _create(connection, view)

    def drop(self, view: str) -> None:
        """Forget a view and its state."""
        with self._writing() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_table(view)}")
            connection.execute("DELETE FROM view_meta WHERE view = ?", (view,))

    def read(self, view: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Blobs in the order of the keys."""
        connection = self._reader()
        if connection is None or not keys:
            return [None] * len(keys)
        unique = list(dict.fromkeys(keys))
        try:
            with _one_snapshot(connection, statements=-(-len(unique) // _KEYS_PER_QUERY)):
                found = dict(_select(connection, view, unique))
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return [None] * len(keys)
            raise self._broken(error) from error
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error
        return [found.get(key) for key in keys]

    def replace(self, view: str, rows: Iterable[StateRow], meta: ViewMeta) -> int:
        """All of a view's state in one transaction."""
        with self._writing() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_table(view)}")
            _create(connection, view)
            sql = f"INSERT INTO {_table(view)} VALUES (?, ?, ?, ?)"  # noqa: S608 (quoted)
            cursor = connection.executemany(sql, ((r.key, r.event_us, r.known_us, r.value) for r in rows))
            connection.execute(
                "INSERT OR REPLACE INTO view_meta VALUES (?, ?, ?, ?)",
                (view, meta.until_us, json.dumps(meta.kinds), meta.made_from),
            )
            return max(cursor.rowcount, 0)

    def upsert(self, view: str, rows: Iterable[StateRow]) -> int:
        """Write rows unless a newer one is there."""
        with self._writing() as connection:
            _create(connection, view)
            table = _table(view)
            sql = (
                f"INSERT INTO {table} AS mine VALUES (?, ?, ?, ?) ON CONFLICT (entity_key) DO UPDATE SET "  # noqa: S608
                f"event_us = excluded.event_us, known_us = excluded.known_us, value = excluded.value "
                f"WHERE (excluded.event_us, excluded.known_us) >= (mine.event_us, mine.known_us)"
            )
            count = 0
            for row in rows:
                connection.execute(sql, (row.key, row.event_us, row.known_us, row.value))
                count += 1
            return count

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view."""
        connection = self._reader()
        if connection is None:
            return None
        try:
            row = connection.execute(
                "SELECT until_us, kinds, made_from FROM view_meta WHERE view = ?", (view,)
            ).fetchone()
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error
        return None if row is None else ViewMeta(row[0], json.loads(row[1]), row[2])

    def count(self, view: str) -> int:
        """How many entities of a view have state."""
        connection = self._reader()
        if connection is None or self.meta(view) is None:
            return 0
        return int(connection.execute(f"SELECT count(*) FROM {_table(view)}").fetchone()[0])  # noqa: S608 (quoted)

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view, ascending."""
        connection = self._reader()
        if connection is None or self.meta(view) is None:
            return []
        rows = connection.execute(f"SELECT entity_key FROM {_table(view)} ORDER BY entity_key")  # noqa: S608 (quoted)
        return [row[0] for row in rows]

    def views(self) -> list[str]:
        """Names of all views that there is room for."""
        connection = self._reader()
        if connection is None:
            return []
        try:
            return [row[0] for row in connection.execute("SELECT view FROM view_meta ORDER BY view")]
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def _reader(self) -> sqlite3.Connection | None:
        """The thread's own connection; None while there is no file, so that reading makes none."""
        connection = self._opened()
        return self._connect() if connection is None and self.path.is_file() else connection

    def _opened(self) -> sqlite3.Connection | None:
        """The thread's connection, unless its file was removed or replaced, or the process has forked since."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.file == _identity(self.path):
            return connection
        if self._local.file[0] == os.getpid():
            connection.close()
        self._local.connection = None
        return None

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS view_meta (view TEXT PRIMARY KEY, until_us INTEGER, kinds TEXT NOT NULL, "
                "made_from TEXT NOT NULL)"
            )
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self._broken(error) from error
        self._local.connection, self._local.file = connection, _identity(self.path)
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing."""
        connection = self._opened() or self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> SourceError:
        return SourceError(
            f"The online store '{self.path}' can't be used ({error}). If the file is damaged, remove it and "
            f"materialise again: storekeeper materialize."
        )


def _select(connection: sqlite3.Connection, view: str, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        chunk = keys[start : start + _KEYS_PER_QUERY]
        marks = ",".join("?" * len(chunk))
        sql = f"SELECT entity_key, value FROM {_table(view)} WHERE entity_key IN ({marks})"  # noqa: S608 (quoted)
        yield from connection.execute(sql, chunk)


@contextmanager
def _one_snapshot(connection: sqlite3.Connection, statements: int) -> Iterator[None]:
    """Several SELECTs of one state of the database; a single one needs no help."""
    if statements < 2 or connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _identity(path: Path) -> tuple[int, int, int]:
    """Which file a path names, to which process: an open file keeps its number to itself."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return os.getpid(), 0, 0
    return os.getpid(), found.st_dev, found.st_ino


def _create(connection: sqlite3.Connection, view: str) -> None:
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_table(view)} (entity_key BLOB PRIMARY KEY, event_us INTEGER NOT NULL, "
        f"known_us INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
    )
    connection.execute("INSERT OR IGNORE INTO view_meta VALUES (?, NULL, '{}', '')", (view,))


def _table(view: str) -> str:
    escaped = view.replace('"', '""')
    return f'"state:{escaped}"'
