"""Online state in PostgreSQL: three tables a view in a schema of their own."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from storekeeper.online.backends.arranging import Row, arrange
from storekeeper.online.backends.base import Asked, Found, PushedRow, Settled, StateRow, ViewMeta
from storekeeper.online.backends.postgres_pushing import push_newest, push_rows
from storekeeper.online.backends.postgres_session import Connection, Session, errors
from storekeeper.online.backends.postgres_tables import (
    Tables,
    arrivals,
    checked_schema,
    coming_statement,
    key_statements,
    listing_table,
    lock_number,
    merge_statements,
    reading,
    schema_statements,
    swap_statements,
    tables,
    view_statements,
)
from storekeeper.online.backends.postgres_writing import carry_out, copy_state, fetched, forget, lock, settle

_TRIES = 5


class PostgresBackend:
    """Three tables a view in one schema of a PostgreSQL database, 12 or later.

    A thread has two connections, so that a stream of rows given to `replace` or `update` may itself read and push.

    Parameters
    ----------
    url
        `postgresql://user:password@host:5432/database`.
    schema
        Made when something is first written.

    Raises
    ------
    SettingError
        If the URL can't be read, or the schema's name isn't plain.
    """

    def __init__(self, url: str, *, schema: str = "storekeeper_online") -> None:
        self._schema = checked_schema(schema)
        self._listing = listing_table(schema)
        self._session = Session(url)

    def create(self, view: str) -> None:
        """Make room for a view; nothing happens where there is one."""
        with self._session.transaction() as connection:
            self._make_room(connection, view)

    def drop(self, view: str) -> None:
        """Forget a view, its state and its pushed rows."""
        named = tables(self._schema, view)
        with self._session.transaction() as connection:
            if not all(self._are_there(connection, self._listing)):
                return
            lock(connection, named.lock)
            connection.execute(f"DROP TABLE IF EXISTS {named.state}, {named.pushed}, {named.remembered}")
            connection.execute(f"DELETE FROM {self._listing} WHERE view = %s", (view,))  # noqa: S608 (quoted)

    def views(self) -> list[str]:
        """Names of all views that there is room for, ascending."""
        return [view for (view,) in self._rows(f"SELECT view FROM {self._listing} ORDER BY view")]  # noqa: S608 (quoted)

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view; None where there is no room for it."""
        sql = f"SELECT until_us, kinds, made_from FROM {self._listing} WHERE view = %s"  # noqa: S608 (quoted)
        rows = self._rows(sql, (view,))
        return ViewMeta(rows[0][0], json.loads(rows[0][1]), rows[0][2]) if rows else None

    def count(self, view: str) -> int:
        """How many entities of a view have state."""
        rows = self._rows(f"SELECT count(*) FROM {tables(self._schema, view).state}")  # noqa: S608 (quoted)
        return int(rows[0][0]) if rows else 0

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view that have state or pushed rows, ascending."""
        named = tables(self._schema, view)
        sql = f"SELECT entity_key FROM {named.state} UNION SELECT entity_key FROM {named.pushed} ORDER BY 1"  # noqa: S608
        return [key for (key,) in self._rows(sql)]

    def read(self, asked: Sequence[Asked]) -> list[Found]:
        """State and pushed rows of several views in one statement; a view without room has none."""
        keys = {f"k{place}": list(dict.fromkeys(one.keys)) for place, one in enumerate(asked) if one.keys}
        if not keys:
            return arrange(asked, ())
        return arrange(asked, self._session.read(lambda connection: self._select(connection, asked, keys)))

    def replace(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """All of a view's state at once: a new table takes the old one's place. Returns the row count."""
        return self._put(view, rows, meta, (settled, forget_before_us), key_statements, swap_statements)

    def update(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """As `replace`, but entities that aren't among the rows keep their state."""
        return self._put(view, rows, meta, (settled, forget_before_us), merge_statements, lambda _: [])

    def push(self, view: str, rows: Iterable[PushedRow], newest_at_us: int | None = None) -> list[bool]:
        """Write pushed rows, in one statement if all may stay. Which of them are new."""
        offered = list(rows)
        return self._session.write(lambda connection: self._push(connection, view, offered, newest_at_us))

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and arrival; those there at the call."""
        sql = (
            f"SELECT entity_key, slot, event_us, known_us, value FROM {tables(self._schema, view).pushed} "  # noqa: S608
            f"ORDER BY entity_key, event_us, known_us, arrival"
        )
        return (PushedRow(*row) for row in self._rows(sql))

    def remembered(self, view: str) -> Iterator[tuple[bytes, bytes, int]]:
        """Key and slot of all that is remembered of a view, and as of which instant; by key and slot."""
        named = tables(self._schema, view)
        sql = f"SELECT entity_key, slot, until_us FROM {named.remembered} ORDER BY entity_key, slot"  # noqa: S608
        return iter(self._rows(sql))

    def close(self) -> None:
        """Close connections: this thread's now, others' when they next ask or end; a later call opens new ones."""
        self._session.close()

    def _rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """What a query gives; nothing where its tables aren't there."""

        def work(connection: Connection) -> list[Any]:
            try:
                return fetched(connection, sql, parameters)
            except errors.UndefinedTable:
                return []
            except errors.UndefinedColumn:
                self._bring_forward(connection)
            return fetched(connection, sql, parameters)

        return self._session.read(work)

    def _select(self, connection: Connection, asked: Sequence[Asked], keys: dict[str, list[bytes]]) -> list[Row]:
        wanted = tuple((place, one.view) for place, one in enumerate(asked) if one.keys)
        for _ in range(_TRIES):
            try:
                return fetched(connection, reading(self._schema, wanted), keys)
            except errors.UndefinedColumn:
                self._bring_forward(connection)
            except errors.UndefinedTable:
                there = self._there(connection)
                wanted = tuple((place, view) for place, view in wanted if view in there)
            if not wanted:
                return []
        return fetched(connection, reading(self._schema, wanted), keys)

    def _bring_forward(self, connection: Connection) -> None:
        """Views of a release whose pushed rows had no arrival: each in a transaction, so that few are waited for."""
        for view in sorted(self._there(connection)):
            # One that this thread is replacing isn't among them, and would be waited for in vain.
            if not all(self._are_there(connection, tables(self._schema, view).remembered)):
                with connection.transaction():
                    self._make_room(connection, view)

    def _there(self, connection: Connection) -> set[str]:
        try:
            return {view for (view,) in connection.execute(f"SELECT view FROM {self._listing}")}  # noqa: S608 (quoted)
        except errors.UndefinedTable:
            return set()

    def _are_there(self, connection: Connection, *relations: str) -> list[bool]:
        sql = "SELECT to_regclass(name) IS NOT NULL FROM unnest(%s::text[]) AS name"
        return [is_there for (is_there,) in connection.execute(sql, (list(relations),))]

    def _make_room(self, connection: Connection, view: str) -> None:
        """Tables for a view, in a transaction that is the only one to write its state, or to make or drop it."""
        named = tables(self._schema, view)
        has_sequence, has_tables = self._are_there(connection, arrivals(self._schema), named.remembered)
        if not has_sequence:
            lock(connection, lock_number(self._schema))
            carry_out(connection, schema_statements(self._schema))
        lock(connection, named.lock)
        made = connection.execute(
            f"INSERT INTO {self._listing} VALUES (%s, %s, NULL, '{{}}', '') ON CONFLICT DO NOTHING",  # noqa: S608
            (view, named.mark),
        )
        if made.rowcount or not has_tables:
            carry_out(connection, view_statements(named))

    def _put(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settling: tuple[Iterable[Settled], int | None],
        prepare: Callable[[Tables], list[str]],
        finish: Callable[[Tables], list[str]],
    ) -> int:
        named, (settled, forget_before_us) = tables(self._schema, view), settling
        # Whoever gives the rows may push meanwhile, which would wait for room that is made below.
        self.create(view)
        with self._session.transaction() as connection:
            self._make_room(connection, view)
            connection.execute(coming_statement(named))
            count = copy_state(connection, named, rows)
            carry_out(connection, prepare(named))
            settle(connection, named, settled, meta.until_us)
            forget(connection, named, forget_before_us)
            connection.execute(
                f"UPDATE {self._listing} SET until_us = %s, kinds = %s, made_from = %s WHERE view = %s",  # noqa: S608
                (meta.until_us, json.dumps(meta.kinds), meta.made_from, view),
            )
            carry_out(connection, finish(named))
        return count

    def _push(
        self, connection: Connection, view: str, offered: Sequence[PushedRow], newest_at_us: int | None
    ) -> list[bool]:
        named = tables(self._schema, view)

        def push() -> list[bool]:
            if newest_at_us is None:
                return push_rows(connection, named, offered)
            return push_newest(connection, named, offered, newest_at_us)

        try:
            return push()
        except (errors.InvalidSchemaName, errors.UndefinedTable, errors.UndefinedColumn):
            with connection.transaction():
                self._make_room(connection, view)
                return push()
