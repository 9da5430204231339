"""Which backends must conform, and where each keeps what a test writes.

A backend joins by a function from a test's request and folder to a `Place`, and a line in `PLACES`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from servers.loopback import HOST, free_port
from servers.postgres_server import Postgres
from storekeeper.online.backends import Backend, SQLiteBackend
from storekeeper.online.backends.postgres import PostgresBackend
from storekeeper.online.backends.redis import RedisBackend
from storekeeper.testing.memory import MemoryBackend


@dataclass(frozen=True)
class Place:
    """Empty room for one test.

    Attributes
    ----------
    open
        A backend over it; a second one sees what the first one wrote.
    broken
        A backend that can't be used: nobody listens, or the file is damaged. If it takes credentials, `secret` is its
        password. None where nothing can break.
    named
        What the errors of the broken one say, as a regular expression: its file, or its host and port.
    """

    open: Callable[[], Backend]
    broken: Callable[[], Backend] | None = None
    named: str = ""
    secret: str = "geheim"  # noqa: S105


_SCHEMAS = count()


def _memory(request: pytest.FixtureRequest, folder: Path) -> Place:
    backend = MemoryBackend()
    return Place(lambda: backend)


def _sqlite(request: pytest.FixtureRequest, folder: Path) -> Place:
    damaged = folder / "damaged.db"
    damaged.write_bytes(b"this is no database" * 100)
    return Place(lambda: SQLiteBackend(folder / "online.db"), lambda: SQLiteBackend(damaged), r"damaged\.db")


def _redis(request: pytest.FixtureRequest, folder: Path, shards: int = 1) -> Place:
    server = request.getfixturevalue("redis_server")
    server.tell("FLUSHALL")
    port = free_port()
    return Place(
        lambda: RedisBackend(server.url(), shards=shards),
        lambda: RedisBackend(f"redis://:geheim@{HOST}:{port}", shards=shards),
        f"Redis at {HOST}:{port}",
    )


def _postgres(request: pytest.FixtureRequest, folder: Path) -> Place:
    url, schema = request.getfixturevalue("online_url"), f"online_{next(_SCHEMAS)}"
    port = free_port()
    return Place(
        lambda: PostgresBackend(url, schema=schema),
        lambda: PostgresBackend(f"postgresql://anna:geheim@{HOST}:{port}/shop"),
        f"PostgreSQL at {HOST}:{port}, database 'shop'",
    )


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], Place]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgres": _postgres,
    "redis": _redis,
    "redis in 3 shards": partial(_redis, shards=3),
}
#: Those whose data other processes see.
OUTSIDE = [name for name in PLACES if name != "memory"]


@pytest.fixture(scope="session")
def online_url(postgres: Postgres) -> str:
    """A database for online stores, each of which takes a schema of its own."""
    return postgres.make_database("online")


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each backend's place in turn."""
    yield from _made(request, tmp_path)


@pytest.fixture(params=OUTSIDE)
def outside_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """As `place`, of backends whose data other processes see."""
    yield from _made(request, tmp_path)


@pytest.fixture
def backend(place: Place) -> Any:
    """Each backend in turn, empty."""
    return place.open()


def _made(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """A place; whatever was opened in it is closed when the test is done."""
    made, opened = PLACES[request.param](request, folder), []

    def remember() -> Backend:
        opened.append(made.open())
        return opened[-1]

    yield replace(made, open=remember)
    for backend in opened:
        backend.close()
