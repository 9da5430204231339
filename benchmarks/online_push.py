"""Pushing: events a second into one push source, ours beside Feast's own for what Feast can keep of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.online_part import Bar, Effort, Part
from benchmarks.online_places import Place, places
from benchmarks.online_repos import feasts_repo, our_repo
from benchmarks.push_projects import LATEST, SOURCE, USERS, batches, declarations, events

_SIZES = (1_000, 1)
_TURNS = 3
_CHECKED = 2_000
_ALL, _ALONE, _FEASTS = "Storekeeper, 4 views", "Storekeeper, latest", "Feast's own, latest"
_LEAST_EVENTS = 20_000
_HEADINGS = ("store", "contender", "events a push", "pushed", "events/s", "a push, ms", "of Feast's")


@dataclass(frozen=True)
class _Contender:
    """Somebody who is pushed to; `form` makes of a table what it takes."""

    name: str
    store: Any
    form: Callable[[pa.Table], Any]


def measure(scratch: Path, effort: Effort, tell: Callable[[str], None]) -> Part:
    """Measure with SQLite, and with Redis and PostgreSQL where they are installed, all in this process."""
    starts = datetime.now(UTC) - timedelta(hours=12)
    figures: list[dict[str, Any]] = []
    right = True
    with places(("SQLite", "Redis", "PostgreSQL")) as (found, notes):
        for place in found:
            tell(f"{place.name}: registering views")
            contenders = [*_contenders(place, scratch / place.name, starts)]
            right = _agree(contenders, starts) and right
            for size in _SIZES:
                tell(f"{place.name}: {size} events a push")
                figures += _timed(place.name, contenders, size, effort.seconds, starts)
    notes += [
        "Feast's stores keep an entity's last row only, so that they aren't asked for windows.",
        "Feast's PostgreSQL store isn't measured: it needs one more package.",
    ]
    title = "Pushing into three windowed views (1 h, 1 d, 7 d, 30 d × 3 functions) and one of latest values"
    rows = tuple(row(figure, figures) for figure in figures)
    return Part(title, _HEADINGS, rows, tuple(bars(figures)), tuple(notes), tuple(figures), right)


def _contenders(place: Place, scratch: Path, starts: datetime) -> Iterator[_Contender]:
    for name, project, windowed in ((_ALL, "all", True), (_ALONE, "alone", False)):
        ours = our_repo(scratch / project, place.ours, f"push_{project}")
        ours.apply(declarations(scratch / project, starts, windowed=windowed))
        for view in ours.all_feature_views():
            ours.materialise_view(view)
        # What is compared with Feast's is given as Feast wants it.
        yield _Contender(name, ours, pa.table if windowed else pa.Table.to_pandas)
    if place.feasts:
        feasts = feasts_repo(scratch / "feast", place.feasts, "push_feast")
        feasts.apply(declarations(scratch / "feast", starts, windowed=False))
        yield _Contender(_FEASTS, feasts, pa.Table.to_pandas)


def _agree(contenders: Sequence[_Contender], starts: datetime) -> bool:
    """Push some events to everybody: whether all serve each user's last one, and windows as many as there were."""
    pushed = events(0, _CHECKED, starts)
    users = np.unique(pushed["user_id"].to_numpy())
    seen = []
    for contender in contenders:
        contender.store.push(SOURCE, contender.form(pushed))
        seen.append(_served(contender.store, [f"user_last:{name}" for name in LATEST], users))
    counted = _served(contenders[0].store, ["user_spend:user_spend_count_events_1d"], users)
    # The history, a day older, is in the longer windows alone.
    counts = np.bincount(pushed["user_id"].to_numpy(), minlength=USERS)[users]
    return np.array_equal(counted[:, 0], counts) and all(np.array_equal(seen[0], other) for other in seen[1:])


def _served(store: Any, features: list[str], users: np.ndarray) -> np.ndarray:
    rows = [{"user_id": user} for user in users.tolist()]
    found = store.get_online_features(features=features, entity_rows=rows).to_dict()
    return np.column_stack([np.array(values, float) for name, values in found.items() if name != "user_id"])


def _timed(
    place: str, contenders: Sequence[_Contender], size: int, seconds: float, starts: datetime
) -> Iterator[dict[str, Any]]:
    """Everybody pushes the same events, in turns, so that the machine is alike to all."""
    first = _CHECKED + (0 if size > 1 else 10**7)
    streams = [batches(size, first, starts) for _ in contenders]
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(_TURNS):
        for contender, stream, mine in zip(contenders, streams, times, strict=True):
            mine.extend(_pushed(contender, stream, seconds / _TURNS))
    for contender, mine in zip(contenders, times, strict=True):
        count = size * len(mine)
        yield {
            "backend": place, "contender": contender.name, "size": size, "events": count,
            "events_a_second": count / sum(mine), "p50_ms": float(np.median(mine)) * 1_000,
        }  # fmt: skip


def _pushed(contender: _Contender, stream: Iterator[pa.Table], seconds: float) -> list[float]:
    """Seconds of each push, until there have been so many."""
    times: list[float] = []
    while sum(times) < seconds or not times:
        rows = contender.form(next(stream))
        start = time.perf_counter()
        contender.store.push(SOURCE, rows)
        times.append(time.perf_counter() - start)
    return times


def _feasts(figure: dict[str, Any], figures: Sequence[dict[str, Any]]) -> float | None:
    case = (figure["backend"], figure["size"], _FEASTS)
    alike = (each for each in figures if (each["backend"], each["size"], each["contender"]) == case)
    return next((each["events_a_second"] for each in alike), None)


def row(figure: dict[str, Any], figures: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A figure as text, in the order of the headings."""
    feasts = _feasts(figure, figures)
    return (
        figure["backend"], figure["contender"], f"{figure['size']:,}", f"{figure['events']:,}",
        f"{figure['events_a_second']:,.0f}", f"{figure['p50_ms']:.2f}",
        f"{figure['events_a_second'] / feasts:.1f}×" if feasts else "–",
    )  # fmt: skip


def bars(figures: Sequence[dict[str, Any]]) -> Iterator[Bar]:
    """What ours is held to: events a second into all four views, in one SQLite file."""
    for mine in figures:
        if (mine["backend"], mine["contender"], mine["size"]) == ("SQLite", _ALL, _SIZES[0]):
            yield Bar.least("SQLite: events/s, 1,000 a push", mine["events_a_second"], _LEAST_EVENTS)
