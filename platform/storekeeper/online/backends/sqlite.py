"""State in one SQLite file: the embedded default."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storekeeper.online.backends.arranging import Row, arrange
from storekeeper.online.backends.base import Asked, Found, PushedRow, Settled, StateRow, ViewMeta
from storekeeper.online.backends.connections import OwnConnections
from storekeeper.online.backends.sqlite_file import (
    OpenFile,
    broken,
    make_room,
    open_file,
    pushed_table,
    remembered_table,
    state_table,
)
from storekeeper.online.backends.sqlite_pushing import push
from storekeeper.online.backends.sqlite_reading import Part, select, select_there, split
from storekeeper.online.backends.sqlite_writing import put


class SQLiteBackend:
    """A WAL-mode SQLite file: three tables a view. A thread reads by one connection and writes by another.

    A stream of rows given to `replace` or `update` may read; what it reads is the old state. It must not write:
    SQLite has one writer at a time, and the others wait for it.

    Parameters
    ----------
    path
        The file; it and its folder are made when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers: OwnConnections[OpenFile] = OwnConnections(OpenFile.close, OpenFile.is_idle)
        self._writers: OwnConnections[OpenFile] = OwnConnections(OpenFile.close, OpenFile.is_idle)

    def create(self, view: str) -> None:
        """Make room for a view; nothing happens where there is one."""
        with self._writing() as connection:
            make_room(connection, view)

    def drop(self, view: str) -> None:
        """Forget a view, its state and its pushed rows."""
        with self._writing() as connection:
            for table in (state_table(view), pushed_table(view), remembered_table(view)):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute("DELETE FROM view_meta WHERE view = ?", (view,))

    def views(self) -> list[str]:
        """Names of all views that there is room for, ascending."""
        return sorted(view for (view,) in self._rows("SELECT view FROM view_meta"))

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view; None where there is no room for it."""
        rows = self._rows("SELECT until_us, kinds, made_from FROM view_meta WHERE view = ?", (view,))
        return ViewMeta(rows[0][0], json.loads(rows[0][1]), rows[0][2]) if rows else None

    def count(self, view: str) -> int:
        """How many entities of a view have state."""
        rows = self._rows(f"SELECT count(*) FROM {state_table(view)}")  # noqa: S608 (quoted)
        return int(rows[0][0]) if rows else 0

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view that have state or pushed rows, ascending."""
        sql = (
            f"SELECT entity_key FROM {state_table(view)} UNION SELECT entity_key FROM {pushed_table(view)} "  # noqa: S608
            f"ORDER BY entity_key"
        )
        return [key for (key,) in self._rows(sql)]

    def read(self, asked: Sequence[Asked]) -> list[Found]:
        """State and pushed rows of several views in one go, all of one moment; a view without room has none."""
        connection = self._reader()
        parts = split(asked)
        if connection is None or not parts:
            return arrange(asked, ())
        try:
            return arrange(asked, self._selected(connection, parts))
        except sqlite3.Error as error:
            raise broken(self.path, error) from error

    def replace(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """All of a view's state in one transaction, in which settled rows go. Returns the row count."""
        with self._writing() as connection:
            make_room(connection, view)
            connection.execute(f"DELETE FROM {state_table(view)}")  # noqa: S608 (quoted)
            return put(connection, view, rows, meta, settled, forget_before_us)

    def update(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """As `replace`, but entities that aren't among the rows keep their state."""
        with self._writing() as connection:
            make_room(connection, view)
            return put(connection, view, rows, meta, settled, forget_before_us)

    def push(self, view: str, rows: Iterable[PushedRow], newest_at_us: int | None = None) -> list[bool]:
        """Write pushed rows in one transaction, numbered in their order. Which of them are new."""
        offered = list(rows)
        with self._writing() as connection:
            return push(connection, view, offered, newest_at_us)

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and arrival; those there at the call."""
        sql = (
            f"SELECT entity_key, slot, event_us, known_us, value FROM {pushed_table(view)} "  # noqa: S608 (quoted)
            f"ORDER BY entity_key, event_us, known_us, arrival"
        )
        return (PushedRow(*row) for row in self._rows(sql))

    def remembered(self, view: str) -> Iterator[tuple[bytes, bytes, int]]:
        """Key and slot of all that is remembered of a view, and as of which instant; by key and slot."""
        sql = f"SELECT entity_key, slot, until_us FROM {remembered_table(view)} ORDER BY entity_key, slot"  # noqa: S608
        return iter(self._rows(sql))

    def close(self) -> None:
        """Close connections: this thread's now, others' when they next ask or end; a later call opens new ones."""
        self._readers.close()
        self._writers.close()

    def _reader(self) -> sqlite3.Connection | None:
        """The thread's connection for reading; None while there is no file, so that reading makes none."""
        opened = self._readers.current()
        if opened is not None and opened.is_current():
            return opened.connection
        # The file was removed or replaced, or never read by this thread.
        self._readers.forget()
        return self._readers.keep(open_file(self.path)).connection if self.path.exists() else None

    def _writer(self) -> sqlite3.Connection:
        opened = self._writers.current()
        if opened is None or not opened.is_current(at_once=True):
            self._writers.forget()
            self._readers.forget()
            opened = self._writers.keep(open_file(self.path, writes=True))
        return opened.connection

    def _selected(self, connection: sqlite3.Connection, parts: Sequence[Part]) -> list[Row]:
        try:
            return select(connection, parts)
        except sqlite3.OperationalError as error:
            if not _lacks_table(error):
                raise
            return select_there(connection, parts)

    def _rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """What a query gives; nothing where its view's tables, or the file, are not there."""
        connection = self._reader()
        if connection is None:
            return []
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            if _lacks_table(error):
                return []
            raise broken(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing."""
        connection = self._writer()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise broken(self.path, error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _lacks_table(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)
