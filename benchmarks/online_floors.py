"""The price of the bytes alone: state as a service's views have it, read by one raw query and not decoded."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.redis_loopback import Redis
from storekeeper.online.backends import Asked, Backend
from storekeeper.online.reader import FeatureReader
from storekeeper.store import FeatureStore

# Bytes from which on a blob lies on pages of its own in a table that is in the order of its keys.
_LARGE = 1_000

#: Its name, and keys -> words of each view.
Floor = tuple[str, Callable[[list[int]], list[np.ndarray]]]


def floor(store: FeatureStore, service: str, scratch: Path, redis: Redis | None) -> Floor:
    """The floor of a store in Redis, or in SQLite."""
    return _raw_redis(store, service, redis) if redis else _raw_sqlite(store, service, scratch)


def _states(store: FeatureStore, service: str) -> tuple[Backend, list[str], list[bytes]]:
    """Where the service's state is, its views, and all keys: a floor reads the same bytes."""
    states = FeatureReader(store, service).plan.states
    return states[0].backend, [state.name for state in states], states[0].backend.keys(states[0].name)


def _raw_sqlite(store: FeatureStore, service: str, scratch: Path) -> Floor:
    """One SELECT for all views by encoded keys, and `np.frombuffer` over the blobs."""
    backend, views, keys = _states(store, service)
    connection = sqlite3.connect(scratch / f"floor_{service}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for number, view in enumerate(views):
        blobs = backend.read([Asked(view, keys)])[0].state
        # Whichever form of table gives such blobs sooner.
        form = "WITHOUT ROWID" if max(len(blob or b"") for blob in blobs) < _LARGE else ""
        connection.execute(f"CREATE TABLE t{number} (k BLOB PRIMARY KEY, v BLOB) {form}")
        connection.executemany(f"INSERT INTO t{number} VALUES (?, ?)", zip(keys, blobs, strict=True))

    def call(asked: list[int]) -> list[np.ndarray]:
        encoded = [keys[key] for key in asked]
        marks = ",".join("?" * len(encoded))
        arms = (f"SELECT {n}, k, v FROM t{n} WHERE k IN ({marks})" for n in range(len(views)))
        found = connection.execute(" UNION ALL ".join(arms), encoded * len(views)).fetchall()
        return [np.frombuffer(b"".join([row[2] for row in found if row[0] == n]), "<i8") for n in range(len(views))]

    return "floor: SELECT and frombuffer", call


def _raw_redis(store: FeatureStore, service: str, redis: Redis) -> Floor:
    """One pipeline of an HMGET a view, and `np.frombuffer` over the blobs."""
    import redis as client_library

    backend, views, keys = _states(store, service)
    client = client_library.Redis.from_url(redis.url.replace("/0", "/2"), single_connection_client=True)
    for view in views:
        values = backend.read([Asked(view, keys)])[0].state
        client.hset(view, mapping={key: value or b"" for key, value in zip(keys, values, strict=True)})

    def call(asked: list[int]) -> list[np.ndarray]:
        encoded = [keys[key] for key in asked]
        with client.pipeline(transaction=False) as pipeline:
            for view in views:
                pipeline.hmget(view, encoded)
            return [np.frombuffer(b"".join(blobs), "<i8") for blobs in pipeline.execute()]

    return "floor: HMGET and frombuffer", call
