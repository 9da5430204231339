"""A server to itself for each test of what is special about Redis."""

from collections.abc import Iterator

import pytest

from servers.redis_server import Redis
from storekeeper.online.backends.redis import RedisBackend


@pytest.fixture
def server(redis_server: Redis) -> Redis:
    """An empty server."""
    redis_server.tell("FLUSHALL")
    return redis_server


@pytest.fixture
def backend(server: Redis) -> Iterator[RedisBackend]:
    """A backend over it."""
    made = RedisBackend(server.url())
    yield made
    made.close()
