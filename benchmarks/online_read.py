"""Reading: latency of one request of some rows, ours beside the bytes' own price and beside Feast's stores."""

import gc
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.online_part import Bar, Part
from benchmarks.online_projects import FEATURES, VIEWS, Data, feasts_store, our_store, write_data
from benchmarks.redis_loopback import Redis, redis_server
from storekeeper.online.backends import Asked, Backend
from storekeeper.online.reader import FeatureReader
from storekeeper.store import FeatureStore

_ENTITIES = 2_000
_SIZES = (1, 100, 500)
_REQUESTS = 64
_SECONDS_A_CONTENDER = 1.5
_MOST_CALLS, _FEWEST_CALLS = 2_000, 7
_WITHIN_FLOOR = {"latest": 2.0, "windows": 3.0}
_FASTER_THAN_FEAST = dict(zip(_SIZES, (10.0, 50.0, 100.0), strict=True))
_STEADY = 3.0
_HEADINGS = ("features", "contender", "rows", "p50, µs", "p99, µs", "of the floor")

#: Keys -> whatever the contender makes of them.
Call = Callable[[list[int]], Any]


@dataclass(frozen=True)
class _Contender:
    """Somebody who answers; `matrix` turns an answer into rows of numbers, to be compared."""

    name: str
    call: Call
    matrix: Callable[[Any], np.ndarray] | None = None


def measure(scratch: Path, tell: Callable[[str], None]) -> Part:
    """Measure with SQLite, and with Redis where it is installed."""
    tell("writing data")
    data = write_data(scratch / "data", _ENTITIES)
    figures, notes, right = _measured("SQLite", data, scratch / "sqlite", None, tell)
    with redis_server() as redis:
        if redis is None:
            notes.append("Redis was left out: there is no program redis-server here.")
        else:
            more, its_notes, its_right = _measured("Redis", data, scratch / "redis", redis, tell)
            figures, notes, right = figures + more, notes + its_notes, right and its_right
    title = f"Reading {len(VIEWS)} views × {FEATURES} features, {_ENTITIES:,} entities"
    rows = tuple(row(figure, figures) for figure in figures)
    return Part(title, _HEADINGS, rows, tuple(bars(figures)), tuple(notes), tuple(figures), right)


def _measured(
    backend: str, data: Data, scratch: Path, redis: Redis | None, tell: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[str], bool]:
    tell(f"{backend}: filling our store")
    if redis is not None:
        os.environ["STOREKEEPER_REDIS_URL"] = redis.url
    ours = our_store(data, scratch / "ours", "backend: redis" if redis else "path: online.db")
    tell(f"{backend}: filling Feast's store")
    block = f"redis\n  connection_string: {redis.feast_text}" if redis else f"sqlite\n  path: {scratch / 'feast.db'}"
    feasts = feasts_store(data, scratch / "feast", block)
    figures, right, feast_name = [], True, f"Feast's {backend} store"
    raw = _raw_redis if redis is not None else _raw_sqlite
    for service in ("latest", "windows"):
        contenders = [*_ours(ours, service), raw(ours, service, scratch, redis)]
        if service == "latest":
            contenders.append(_feast(feast_name, feasts, service))
        right = _agree(contenders) and right
        for size in _SIZES:
            tell(f"{backend}: {service}, {size} rows")
            for contender, times in zip(contenders, _timed(contenders, data, size), strict=True):
                figures.append(_figure(backend, service, contender.name, size, times))
    notes = [f"{backend}: windowed views have no counterpart in Feast's stores, which compute none."]
    return figures, notes, right


def _ours(store: FeatureStore, service: str) -> Iterator[_Contender]:
    reader = FeatureReader(store, service)
    yield _Contender("reader", lambda keys: reader.read({"user_id": keys}), _matrix)
    yield _Contender("reader, Arrow", lambda keys: reader.read_table({"user_id": keys}))
    yield _feast("get_online_features", store, service)


def _feast(name: str, store: Any, service: str) -> _Contender:
    features = store.get_feature_service(service)

    def matrix(found: Any) -> np.ndarray:
        return _matrix({name: values for name, values in found.to_dict().items() if name != "user_id"})

    return _Contender(
        name, lambda keys: store.get_online_features(features=features, entity_rows={"user_id": keys}), matrix
    )


def _matrix(columns: Mapping[str, Any]) -> np.ndarray:
    """Columns in the order of their names; Feast has an order of its own."""
    return np.column_stack([np.array(columns[name], float) for name in sorted(columns)])


def _states(store: FeatureStore, service: str) -> tuple[Backend, list[str], list[bytes]]:
    """Where the service's state is, its views, and all keys: a floor reads the same bytes."""
    states = FeatureReader(store, service).plan.states
    return states[0].backend, [state.name for state in states], states[0].backend.keys(states[0].name)


def _raw_sqlite(store: FeatureStore, service: str, scratch: Path, redis: Redis | None) -> _Contender:
    """One SELECT for all views by encoded keys, and `np.frombuffer` over the blobs."""
    del redis
    backend, views, keys = _states(store, service)
    connection = sqlite3.connect(scratch / f"floor_{service}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for number, view in enumerate(views):
        connection.execute(f"CREATE TABLE t{number} (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")
        rows = zip(keys, backend.read([Asked(view, keys)])[0].state, strict=True)
        connection.executemany(f"INSERT INTO t{number} VALUES (?, ?)", rows)

    def call(asked: list[int]) -> list[np.ndarray]:
        encoded = [keys[key] for key in asked]
        marks = ",".join("?" * len(encoded))
        arms = (f"SELECT {n}, k, v FROM t{n} WHERE k IN ({marks})" for n in range(len(views)))
        found = connection.execute(" UNION ALL ".join(arms), encoded * len(views)).fetchall()
        return [np.frombuffer(b"".join([row[2] for row in found if row[0] == n]), "<i8") for n in range(len(views))]

    return _Contender("floor: SELECT and frombuffer", call)


def _raw_redis(store: FeatureStore, service: str, scratch: Path, redis: Redis | None) -> _Contender:
    """One pipeline of an HMGET a view, and `np.frombuffer` over the blobs."""
    import redis as client_library

    assert redis is not None
    del scratch
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

    return _Contender("floor: HMGET and frombuffer", call)


def _agree(contenders: Sequence[_Contender]) -> bool:
    """Whether all who can tell give the same numbers; windows move on between two calls by a few events at most."""
    keys = [*range(0, _ENTITIES, 97)]
    matrices = [contender.matrix(contender.call(keys)) for contender in contenders if contender.matrix]
    return all(np.allclose(matrices[0], other, equal_nan=True) for other in matrices[1:])


def _timed(contenders: Sequence[_Contender], data: Data, size: int) -> list[np.ndarray]:
    """Seconds of each call of each contender, (n_calls,) each; asked in turns, so that the machine is alike to all."""
    rng = np.random.default_rng(size)
    requests = [rng.choice(data.entities, size, replace=False).tolist() for _ in range(_REQUESTS)]
    for contender in contenders:
        for request in requests[:5]:
            contender.call(request)
    gc.collect()
    gc.freeze()
    turns = 3
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(turns):
        for contender, mine in zip(contenders, times, strict=True):
            mine.extend(_some(contender, requests, _SECONDS_A_CONTENDER / turns))
    gc.unfreeze()
    return [np.array(mine) for mine in times]


def _some(contender: _Contender, requests: Sequence[list[int]], seconds: float) -> list[float]:
    times: list[float] = []
    ends = time.perf_counter() + seconds
    for number in range(_MOST_CALLS):
        start = time.perf_counter()
        contender.call(requests[number % len(requests)])
        done = time.perf_counter()
        times.append(done - start)
        if done > ends and number >= _FEWEST_CALLS:
            break
    return times


def _figure(backend: str, service: str, contender: str, size: int, times: np.ndarray) -> dict[str, Any]:
    p50, p99 = np.percentile(times, [50, 99]) * 1e6
    return {
        "backend": backend, "service": service, "contender": contender, "rows": size, "calls": len(times),
        "p50_us": float(p50), "p99_us": float(p99),
    }  # fmt: skip


def _same(figure: dict[str, Any], figures: Sequence[dict[str, Any]], contender: str) -> dict[str, Any] | None:
    """Another contender's figure of the same case."""
    keys = ("backend", "service", "rows")
    alike = (each for each in figures if all(each[key] == figure[key] for key in keys))
    return next((each for each in alike if each["contender"].startswith(contender)), None)


def row(figure: dict[str, Any], figures: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A figure as text, in the order of the headings."""
    floor = _same(figure, figures, "floor")
    return (
        f"{figure['service']}, {figure['backend']}", figure["contender"], str(figure["rows"]),
        f"{figure['p50_us']:,.0f}", f"{figure['p99_us']:,.0f}",
        f"{figure['p50_us'] / floor['p50_us']:.2f}×" if floor else "–",
    )  # fmt: skip


def bars(figures: Sequence[dict[str, Any]]) -> Iterator[Bar]:
    """What the reader is held to: the bytes' own price, Feast's time, and a steady answer."""
    for mine in (figure for figure in figures if figure["contender"] == "reader"):
        case = f"{mine['service']}, {mine['backend']}, {mine['rows']} rows"
        floor, feasts = _same(mine, figures, "floor"), _same(mine, figures, "Feast's")
        if floor:
            times, most = mine["p50_us"] / floor["p50_us"], _WITHIN_FLOOR[mine["service"]]
            yield Bar(f"{case}: {times:.2f} times the floor at p50 (at most {most:g})", times <= most)
        if feasts:
            faster, least = feasts["p50_us"] / mine["p50_us"], _FASTER_THAN_FEAST[mine["rows"]]
            yield Bar(f"{case}: {faster:.0f} times faster than Feast at p50 (at least {least:g})", faster >= least)
        spread = mine["p99_us"] / mine["p50_us"]
        yield Bar(f"{case}: p99 is {spread:.1f} times p50 (at most {_STEADY:g})", spread <= _STEADY)
