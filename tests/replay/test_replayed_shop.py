"""A shop's stream, replayed in simulated time: what is served at any moment is what training sees of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from feast.data_source import PushMode

from projects import NOW, Project
from pushed_shop import PushedShop, event, table
from replay.replayed_answers import Answers, differences
from replay.replayed_shop import ReplayedShop
from replay.replayed_stream import Stream, from_us, simulated_stream, to_us
from replay.replayed_views import KINDS
from state_places import keep_state
from storekeeper.history.features import FUNCTIONS
from storekeeper.shop.simulator.options import SimulationOptions

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPTIONS = SimulationOptions(customers=320, days=17, seed=11, products=100)
LIVE_EVERY = 12
BEGINS = from_us(0) + (OPTIONS.starts_at - datetime(1970, 1, 1)) + 14 * DAY  # noqa: DTZ001 (naive means UTC)
AHEAD = (timedelta(0), timedelta(0), timedelta(seconds=3))


@dataclass(frozen=True)
class Length:
    """For how many hours a shop is looked at, and at how many moments."""

    hours: int
    moments: int


LONG, SHORT = Length(36, 204), Length(8, 36)


def moments(stream: Stream, rng: np.random.Generator, length: Length) -> list[datetime]:
    """Random instants, a third of them at an event or arrival and a third at a hop's edge, or a microsecond off."""
    first, last, hop = to_us(BEGINS), to_us(BEGINS + length.hours * HOUR), to_us(from_us(0) + 5 * HOUR / 60)
    times = np.concatenate([stream.arrivals, stream.rows["event_time"].cast(pa.int64()).to_numpy()])
    times = times[(times > first) & (times < last)]
    drawn, ways = rng.integers(first, last, length.moments), rng.integers(0, 3, length.moments)
    drawn = np.where(ways == 0, rng.choice(times, length.moments), np.where(ways == 1, drawn // hop * hop, drawn))
    return [from_us(us) for us in (drawn + np.where(ways == 2, 0, rng.integers(-1, 2, length.moments))).tolist()]


def lived(shop: ReplayedShop, length: Length) -> Iterator[tuple[datetime, int]]:
    """Two weeks in long steps, then every hour, and at each moment after BEGINS its number."""
    asked = [(moment, True) for moment in moments(shop.stream, shop.rng, length)]
    hours = [BEGINS + n * HOUR for n in range(length.hours)]
    steps = [(moment, False) for moment in [*(BEGINS - 3 * day * DAY for day in range(5)), *hours]]
    for number, (now, is_asked) in enumerate(sorted(steps + asked)):
        shop.go_to(now, AHEAD[number % len(AHEAD)])
        if is_asked:
            yield now, number
        else:
            shop.materialise(share=0.3, full_share=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "length"),
    [("sqlite", LONG), ("redis", SHORT), ("postgres", SHORT)],
    ids=["sqlite", "redis", "postgres"],
)
def test_served_is_trained_at_every_moment(
    tmp_path: Path,
    backend: str,
    length: Length,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Late, twice and out of order, pushed and materialised by the hour: online is offline, feature by feature."""
    project = Project(tmp_path)
    project.configure()
    keep_state(request, project, backend)
    shop = ReplayedShop(project, simulated_stream(OPTIONS), monkeypatch, seed=5)
    answers, live = Answers(), 0
    assert shop.state_lies_in == backend
    for place, _ in enumerate(lived(shop, length)):
        spine = shop.spine()
        answers.add(spine, shop.read(spine))
        if place % LIVE_EVERY == 0:
            assert differences(spine, shop.served(spine), shop.trained(spine).to_pydict()) == []
            live += 1
    spine, served = answers.spine, answers.table
    trained = shop.trained(spine).select(served.column_names)
    _check_that_much_was_compared(shop, length, trained, live)
    assert served.schema.types == trained.schema.types
    assert differences(spine, served.to_pydict(), trained.to_pydict()) == []


def _check_that_much_was_compared(shop: ReplayedShop, length: Length, trained: pa.Table, live: int) -> None:
    """Every function over every kind, values that are there, and everything that befalls a stream."""
    assert live == length.moments // LIVE_EVERY
    assert trained.num_rows >= 7 * length.moments
    assert trained.num_columns >= 370
    assert shop.pushed["events"] > 2_000
    assert shop.pushed["retries"] > 50
    assert shop.materialised["incremental"] > 1.6 * length.hours
    assert shop.materialised["full"] > length.hours // 4
    windows = {f"{name}_{column}" for column, kind in KINDS.items() for name, of in FUNCTIONS.items() if kind in of}
    shown = {_window(name) for name in trained.column_names if any(map(_is_told, trained[name].to_pylist()))}
    assert windows - shown == set()


def _window(name: str) -> str:
    """The function and column of a windowed view's feature."""
    view, _, feature = name.partition("__")
    return feature.removeprefix(f"{view}_")


def _is_told(value: object) -> bool:
    """Whether it is more than what an empty window says."""
    return value is False or value not in (None, 0, [])


def test_a_retry_counts_once_after_its_event_was_settled(project: Project) -> None:
    """An event that a materialisation has taken into state, and that is then pushed again, is no second one."""
    shop, again, asked = PushedShop(project), table([event(1, NOW - DAY)]), [{"user_id": 1, "product": "tea"}]
    shop.store.push("events", again, to=PushMode.ONLINE_AND_OFFLINE)
    for view in shop.store.all_feature_views():
        shop.store.materialise_view(view)
    shop.store.push("events", again)
    assert shop.online(asked) == shop.offline(asked)


def test_a_retry_that_is_known_a_moment_later_hides_nothing(project: Project) -> None:
    """What is known now stays so when a sender whose clock is ahead tells it again."""
    shop, asked = PushedShop(project), [{"user_id": 1, "product": "tea"}]
    shop.store.push("events", table([event(1, NOW - DAY)]), to=PushMode.ONLINE_AND_OFFLINE)
    shop.store.push("events", table([event(1, NOW - DAY, known=NOW + timedelta(seconds=3))]))
    assert shop.online(asked) == shop.offline(asked)


def test_rows_that_agree_in_both_times_stand_as_they_came(project: Project) -> None:
    """Rule 4: of rows that agree in event and knowledge time the one later in the source counts."""
    shop, asked = PushedShop(project), [{"user_id": 1, "product": "tea"}]
    for word in ("b", "a"):
        shop.store.push("events", table([event(1, NOW - DAY, word=word)]), to=PushMode.ONLINE_AND_OFFLINE)
    assert shop.online(asked, "latest:word") == shop.offline(asked, "latest:word")
