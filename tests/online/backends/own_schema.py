"""A PostgreSQL backend in a schema of a test's own, and connections that look at it from outside."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from online.backends.two_layers import VIEW
from servers.postgres_server import Postgres
from storekeeper.online.backends.postgres import PostgresBackend
from storekeeper.online.backends.postgres_tables import Tables, tables

SCHEMA = "own_schema"
NAMED: Tables = tables(SCHEMA, VIEW)


@dataclass(frozen=True)
class OwnSchema:
    """What a test has.

    Attributes
    ----------
    backend
        In the schema, which is empty at first.
    url
        Of the database.
    database
        A connection that commits each statement.
    """

    backend: PostgresBackend
    url: str
    database: Any

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Another connection, whose work is committed at the end."""
        url = self.url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection, connection.transaction():
            yield connection

    def waiting(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """Start work in a thread and return when it waits for a lock; what it does in the end is told when asked."""
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.append(work()))
        before = self._waiting()
        thread.start()
        while self._waiting() == before:
            assert thread.is_alive()

        def outcome() -> Any:
            thread.join()
            return done[0]

        return outcome

    def _waiting(self) -> int:
        ((count,),) = self.database.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall()
        return int(count)


def own_schema(postgres: Postgres) -> Iterator[OwnSchema]:
    """A schema in a new database; connections are closed at the end."""
    url = postgres.make_database("own_schema")
    backend = PostgresBackend(url, schema=SCHEMA)
    with postgres.connect("own_schema") as database:
        yield OwnSchema(backend, url, database)
    backend.close()
