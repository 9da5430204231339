"""Where online stores lie while they are measured: an SQLite file, and servers that are started for it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.postgres_loopback import postgres_server
from benchmarks.redis_loopback import Redis, redis_server

_VARIABLES = {"Redis": "STOREKEEPER_REDIS_URL", "PostgreSQL": "STOREKEEPER_POSTGRES_URL"}
_OURS = {"SQLite": "path: online.db", "Redis": "backend: redis", "PostgreSQL": "backend: postgres"}


@dataclass(frozen=True)
class Place:
    """A kind of store.

    Attributes
    ----------
    name
        `SQLite`, `Redis` or `PostgreSQL`.
    redis
        The server, if it is Redis.
    """

    name: str
    redis: Redis | None = field(default=None)

    @property
    def ours(self) -> str:
        """The `online_store` block of Storekeeper's; the environment holds a server's URL."""
        return f"storekeeper.online.store.StateOnlineStore\n  {_OURS[self.name]}"

    @property
    def feasts(self) -> str | None:
        """The `online_store` block of Feast's own store; None if it can't be measured here."""
        if self.name == "SQLite":
            return "sqlite\n  path: feast_online.db"
        return f"redis\n  connection_string: {self.redis.feast_text}" if self.redis else None

    def clear(self) -> None:
        """Forget what a server holds, so that no contender pays for another's rows."""
        if self.redis:
            import redis

            with redis.Redis.from_url(self.redis.url, single_connection_client=True) as client:
                client.flushall()


@contextmanager
def places(names: Sequence[str]) -> Iterator[tuple[list[Place], list[str]]]:
    """Those of the kinds that are installed, and a sentence for each that isn't."""
    with ExitStack() as stack:
        found: list[Place] = []
        for name in names:
            place = _opened(name, stack)
            found += [place] if place else []
        missing = set(names) - {place.name for place in found}
        yield found, [f"{name} was left out: its server isn't installed here." for name in sorted(missing)]


def _opened(name: str, stack: ExitStack) -> Place | None:
    if name == "SQLite":
        return Place(name)
    redis = stack.enter_context(redis_server()) if name == "Redis" else None
    url = redis.url if redis else stack.enter_context(postgres_server()) if name == "PostgreSQL" else None
    if url is None:
        return None
    os.environ[_VARIABLES[name]] = url
    stack.callback(os.environ.pop, _VARIABLES[name])
    return Place(name, redis)
