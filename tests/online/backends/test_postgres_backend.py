"""The PostgreSQL backend beside the protocol: names, connections that break, moments, and what is left behind."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from online.backends.two_layers import KEYS, META, VIEW, contents, look, pushed_row, state_rows
from servers.postgres_server import HOST, USER, Postgres
from storekeeper.errors import SettingError, SourceError
from storekeeper.online.backends import Asked, Settled, StateRow, postgres_tables
from storekeeper.online.backends.postgres import PostgresBackend
from storekeeper.online.backends.postgres_tables import tables

SCHEMA = "own_schema"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """An empty database."""
    return postgres.make_database("online_backend")


@pytest.fixture
def backend(url: str) -> Iterator[PostgresBackend]:
    made = PostgresBackend(url, schema=SCHEMA)
    yield made
    made.close()


@pytest.fixture
def database(postgres: Postgres, url: str) -> Iterator[Any]:
    """A connection of the test's own, that commits each statement."""
    with postgres.connect("online_backend") as connection:
        yield connection


def _relations(database: Any) -> list[str]:
    found = database.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s ORDER BY 1",
        (SCHEMA,),
    )
    return [name for (name,) in found]


def test_reading_where_nothing_is_makes_nothing(backend: PostgresBackend, database: Any) -> None:
    """A database without the schema answers 'nothing' and stays as it is."""
    assert look(backend, KEYS).state == [None] * 3
    assert contents(backend) == (None, [], [], 0, [])
    backend.drop(VIEW)
    assert database.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone() == (None,)


def test_nothing_is_left_behind(backend: PostgresBackend, database: Any) -> None:
    """However often state was replaced, interrupted or dropped, a view has three tables, and one lists the views."""
    gone = [Settled(b"k", b"s"), Settled(b"k", b"t", is_remembered=False)]
    backend.replace(VIEW, state_rows(b"v"), META, gone)
    before = _relations(database)

    def broken() -> Iterator[StateRow]:
        yield from state_rows(b"v")
        raise ZeroDivisionError

    for _ in range(3):
        backend.replace(VIEW, state_rows(b"v"), META, gone)
        backend.update(VIEW, state_rows(b"w"), META, gone, 11)
        with pytest.raises(ZeroDivisionError):
            backend.replace(VIEW, broken(), META)
        with pytest.raises(ZeroDivisionError):
            backend.update(VIEW, broken(), META)
    assert _relations(database) == before
    own = [name for name in before if name.count("_") == 1]
    assert [name.split("_")[0] for name in own] == ["pushed", "remembered", "state", "views"]
    backend.drop(VIEW)
    assert _relations(database) == ["arrivals", "views", "views_pkey"]
    assert max(len(name) for name in before) <= 63


def test_several_views_take_one_statement(backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many views and keys, reading is one statement, and so is a push."""
    for view in (VIEW, "other"):
        backend.replace(view, state_rows(b"v"), META)
    told: list[Any] = []
    execute = psycopg.Connection.execute

    def telling(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        told.append(query)
        return execute(self, query, *arguments, **options)

    backend.meta(VIEW)
    monkeypatch.setattr(psycopg.Connection, "execute", telling)
    backend.read([Asked(VIEW, KEYS), Asked("other", [b"%d" % i for i in range(2000)]), Asked(VIEW, [b""])])
    backend.push(VIEW, [pushed_row(b"%d" % i, 1) for i in range(100)])
    assert [query.split()[0] for query in told] == ["SELECT", "WITH"]


def test_a_restarted_server_is_connected_to_anew(backend: PostgresBackend, database: Any) -> None:
    """When the server has ended its connections, the next call of any kind opens one and works."""
    backend.replace(VIEW, state_rows(b"v"), META)
    for work, expected in [
        (lambda: look(backend, KEYS).state, [b"v"] * 3),
        (lambda: backend.push(VIEW, [pushed_row(b"k", 1)]), [True]),
        (lambda: backend.push(VIEW, [pushed_row(b"k", 1)], 9), [False]),
        (lambda: backend.count(VIEW), 3),
        (lambda: backend.replace(VIEW, state_rows(b"w"), META), 3),
        (lambda: backend.update(VIEW, state_rows(b"w"), META), 3),
        (lambda: [row.key for row in backend.pushed(VIEW)], [b"k"]),
        (lambda: list(backend.remembered(VIEW)), []),
    ]:
        database.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'storekeeper'"
        )
        assert work() == expected


def test_a_connection_that_breaks_in_the_middle_is_an_error(backend: PostgresBackend, database: Any) -> None:
    """Rows that were streamed when the server went are not written, and the error names the server."""
    backend.replace(VIEW, state_rows(b"old"), META)

    def rows() -> Iterator[StateRow]:
        database.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'storekeeper'"
        )
        yield from state_rows(b"new")

    with pytest.raises(SourceError, match=rf"PostgreSQL at {HOST}:\d+, database 'online_backend' can't be used"):
        backend.replace(VIEW, rows(), META)
    assert look(backend, KEYS).state == [b"old"] * 3


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_a_reader_that_waited_finds_the_new_state(postgres: Postgres, url: str, database: Any, isolation: str) -> None:
    """A read that meets a replacement at its end waits and finds all of the new, whatever the role's isolation is."""
    database.execute(f"ALTER ROLE {USER} SET default_transaction_isolation = '{isolation}'")
    try:
        backend = PostgresBackend(url, schema=SCHEMA)
        backend.replace(VIEW, state_rows(b"old"), META)
        backend.push(VIEW, [pushed_row(KEYS[0], 1)])
        seen: list[Any] = []
        reader = threading.Thread(target=lambda: seen.append(look(backend, KEYS)))
        _replace_by_hand(postgres, reader)
        reader.join()
        assert (seen[0].state, seen[0].pushed) == ([b"new"] * 3, [])
        backend.close()
    finally:
        database.execute(f"ALTER ROLE {USER} RESET default_transaction_isolation")


def _replace_by_hand(postgres: Postgres, reader: threading.Thread) -> None:
    """What `replace` does, and a reader that comes when the old table is locked already."""
    named = tables(SCHEMA, VIEW)
    with psycopg.connect(postgres.url("online_backend", "postgresql")) as connection:
        connection.execute(postgres_tables.coming_statement(named))
        for row in state_rows(b"new"):
            connection.execute(f"INSERT INTO {named.coming} VALUES (%s, 5, 5, %s)", (row.key, row.value))
        connection.execute(f"DELETE FROM {named.pushed}")
        statements = [*postgres_tables.key_statements(named), *postgres_tables.swap_statements(named)]
        for statement in statements:
            connection.execute(statement)
        reader.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while connection.execute(waiting).fetchone() == (0,):
            assert reader.is_alive()


def test_schemas_are_apart(url: str, backend: PostgresBackend) -> None:
    """Stores in two schemas of one database know nothing of each other."""
    other = PostgresBackend(url)
    backend.replace(VIEW, state_rows(b"v"), META)
    assert other.views() == []
    other.replace(VIEW, state_rows(b"other"), META)
    assert (look(backend, KEYS).state, look(other, KEYS).state) == ([b"v"] * 3, [b"other"] * 3)
    other.close()


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "1a", "A", "a" * 64, "ä", "a%s"])
def test_schemas_of_other_names_are_refused(name: str) -> None:
    """A schema has a plain name; the error says which that are."""
    with pytest.raises(SettingError, match=r"schema_name .* a-z, 0-9"):
        PostgresBackend("postgresql://db/shop", schema=name)


@pytest.mark.parametrize(
    "url",
    ["postgresql://anna:geheim@[db/shop", "postgresql://anna:a@geheim@db/shop", "password=geheim host", "geheim", " "],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """The error says what is expected, and doesn't repeat what came."""
    with pytest.raises(SettingError, match="Expected 'postgresql://user") as caught:
        PostgresBackend(url)
    assert "geheim" not in str(caught.value)


def test_a_wrong_password_is_an_error_without_it(postgres: Postgres) -> None:
    """The server's name is told, the password isn't."""
    backend = PostgresBackend(f"postgresql+psycopg://{USER}:geheim@{HOST}:{postgres.port}/postgres")
    with pytest.raises(SourceError, match=rf"PostgreSQL at {HOST}:{postgres.port}.*password authentication") as caught:
        backend.views()
    assert "geheim" not in str(caught.value)
