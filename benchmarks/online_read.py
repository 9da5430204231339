"""Reading: latency of one request of some rows, ours beside the bytes' own price and beside Feast's stores."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.online_floors import floor
from benchmarks.online_part import Bar, Effort, Part
from benchmarks.online_places import Place, places
from benchmarks.online_projects import FEATURES, VIEWS, Data, feasts_store, our_store, write_data
from storekeeper.online.reader import FeatureReader
from storekeeper.store import FeatureStore

_ENTITIES = 2_000
_SIZES = (1, 100, 500)
_REQUESTS = 64
_MOST_CALLS, _FEWEST_CALLS = 2_000, 7
_WITHIN_FLOOR, _WITHIN_LATEST = 2.0, 3.0
_FASTER_THAN_FEAST = dict(zip(_SIZES, (10.0, 50.0, 100.0), strict=True))
_STEADY = 3.0
_HEADINGS = ("features", "contender", "rows", "p50, µs", "p99, µs", "of the floor", "of Feast's")

#: Keys -> whatever the contender makes of them.
Call = Callable[[list[int]], Any]


@dataclass(frozen=True)
class _Contender:
    """Somebody who answers; `matrix` turns an answer into rows of numbers, to be compared."""

    name: str
    call: Call
    matrix: Callable[[Any], np.ndarray] | None = None


def measure(scratch: Path, effort: Effort, tell: Callable[[str], None]) -> Part:
    """Measure with SQLite, and with Redis where it is installed."""
    tell("writing data")
    data = write_data(scratch / "data", _ENTITIES)
    figures: list[dict[str, Any]] = []
    right = True
    with places(("SQLite", "Redis")) as (found, notes):
        for place in found:
            more, its_right = _measured(place, data, scratch / place.name, effort.seconds, tell)
            figures, right = figures + more, right and its_right
    notes.append("Windowed views have no counterpart in Feast's stores, which compute none.")
    title = f"Reading {len(VIEWS)} views × {FEATURES} features, {_ENTITIES:,} entities"
    rows = tuple(row(figure, figures) for figure in figures)
    return Part(title, _HEADINGS, rows, tuple(bars(figures)), tuple(notes), tuple(figures), right)


def _measured(
    place: Place, data: Data, scratch: Path, seconds: float, tell: Callable[[str], None]
) -> tuple[list[dict[str, Any]], bool]:
    tell(f"{place.name}: filling our store")
    ours = our_store(data, scratch / "ours", place.ours)
    tell(f"{place.name}: filling Feast's store")
    feasts = feasts_store(data, scratch / "feast", place.feasts or "")
    figures: list[dict[str, Any]] = []
    right = True
    for service in ("latest", "windows"):
        contenders = [*_ours(ours, service), _Contender(*floor(ours, service, scratch, place.redis))]
        if service == "latest":
            contenders.append(_feast(f"Feast's {place.name} store", feasts, service))
        right = _agree(contenders) and right
        for size in _SIZES:
            tell(f"{place.name}: {service}, {size} rows")
            for contender, times in zip(contenders, _timed(contenders, data, size, seconds), strict=True):
                figures.append(_figure(place.name, service, contender.name, size, times))
    return figures, right


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


def _agree(contenders: Sequence[_Contender]) -> bool:
    """Whether all who can tell give the same numbers; a window may move on between two calls, but not twice."""
    return any(_agree_now(contenders) for _ in range(2))


def _agree_now(contenders: Sequence[_Contender]) -> bool:
    keys = [*range(0, _ENTITIES, 97)]
    matrices = [contender.matrix(contender.call(keys)) for contender in contenders if contender.matrix]
    return all(np.allclose(matrices[0], other, equal_nan=True) for other in matrices[1:])


def _timed(contenders: Sequence[_Contender], data: Data, size: int, seconds: float) -> list[np.ndarray]:
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
            mine.extend(_some(contender, requests, seconds / turns))
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


def _same(figure: dict[str, Any], figures: Sequence[dict[str, Any]], contender: str, **other: str) -> float | None:
    """The median of another contender in the same case, or in one that differs by `other`."""
    case = {key: figure[key] for key in ("backend", "service", "rows")} | other
    alike = (each for each in figures if all(each[key] == value for key, value in case.items()))
    return next((each["p50_us"] for each in alike if each["contender"].startswith(contender)), None)


def row(figure: dict[str, Any], figures: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A figure as text, in the order of the headings."""
    others = [_same(figure, figures, name) for name in ("floor", "Feast's")]
    return (
        f"{figure['service']}, {figure['backend']}", figure["contender"], str(figure["rows"]),
        f"{figure['p50_us']:,.0f}", f"{figure['p99_us']:,.0f}",
        *(f"{figure['p50_us'] / other:.3g}×" if other else "–" for other in others),
    )  # fmt: skip


def bars(figures: Sequence[dict[str, Any]]) -> Iterator[Bar]:
    """What our readers are held to: the bytes' own price, Feast's time, latest values' time, and a steady answer."""
    for mine in figures:
        case, p50 = f"{mine['service']}, {mine['backend']}, {mine['rows']} rows", mine["p50_us"]
        feasts = _same(mine, figures, "Feast's")
        if mine["contender"] == "get_online_features" and feasts:
            yield Bar.least(f"{case}: get_online_features, times faster than Feast's", feasts / p50, 1)
        if mine["contender"] != "reader":
            continue
        if mine["service"] == "windows" and (latest := _same(mine, figures, "reader", service="latest")):
            yield Bar.most(f"{case}: reader's p50, of latest values'", p50 / latest, _WITHIN_LATEST, "×")
        elif mine["service"] == "latest" and (bytes_alone := _same(mine, figures, "floor")):
            yield Bar.most(f"{case}: reader's p50, of the floor's", p50 / bytes_alone, _WITHIN_FLOOR, "×")
        if feasts:
            least = _FASTER_THAN_FEAST[mine["rows"]]
            yield Bar.least(f"{case}: reader, times faster than Feast's", feasts / p50, least)
        yield Bar.most(f"{case}: reader's p99, of its p50", mine["p99_us"] / p50, _STEADY, "×")
