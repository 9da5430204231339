"""State and the events that came after it answer as the kernel does over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.state_cases import EDGES, LATER, NOON, STRING, StateCase, assert_online_is, one_customer
from online.state_ways import WAYS, read_by
from oracle.compare import assert_features_agree
from oracle.features import DAY_US, HOUR_US, Feature
from oracle.shops import EVENT_TIME, KNOWN_TIME, Shop, event_table, examples, shops, spine_table
from storekeeper.history import WindowFeature, windowed
from storekeeper.history.state import (
    StateLayout,
    build_state,
    encode_events,
    plan_state,
)


@dataclass(frozen=True)
class Split(StateCase):
    """A shop whose events are partly in state and partly pushed.

    Attributes
    ----------
    pushed
        Places of the events that the source didn't have when state was built, in the order in which they came.
    """

    pushed: tuple[int, ...]

    @property
    def base(self) -> pa.Table:
        """Events that the source had."""
        rest = [place for place in range(self.shop.events.num_rows) if place not in set(self.pushed)]
        return self.visible(self.shop.events.take(pa.array(rest, pa.int64())), self.until_us)

    @property
    def recent(self) -> pa.Table:
        """Events that were pushed; some of them happen, or are known, later than now."""
        return self.shop.events.take(pa.array(self.pushed, pa.int64()))

    @property
    def seen(self) -> pa.Table:
        """All events that can be seen now, those of the source first."""
        return pa.concat_tables([self.base, self.visible(self.recent, self.now_us)]).combine_chunks()

    @property
    def keys(self) -> pa.Table:
        """Every entity once, and one without any event."""
        names = list(self.shop.keys)
        rows = self.shop.events.select(names).drop_null().group_by(names).aggregate([])
        nobody = {name: [-77] if rows.schema.field(name).type == pa.int64() else ["nobody"] for name in names}
        return pa.concat_tables([rows, pa.table(nobody, schema=rows.schema)]).combine_chunks()

    @property
    def asking(self) -> pa.Table:
        """The spine that asks for every entity at `now`."""
        keys = self.keys
        return spine_table({name: keys[name] for name in self.shop.keys}, [self.now_us] * keys.num_rows)

    def online(self, way: str, *, recent_only: bool = False) -> pa.Table:
        """Every entity's features out of state and pushed events, read in one of the ways that there are."""
        layout, places = self.layout, {tuple(row.values()): n for n, row in enumerate(self.keys.to_pylist())}
        base = self.base.slice(0, 0) if recent_only else self.base
        built = build_state(
            base, layout, keys=self.shop.keys, event_time=EVENT_TIME, until_us=self.until_us,
            known_time=self.shop.known_time,
        )  # fmt: skip
        blobs: list[bytes | None] = [None] * len(places)
        for row, blob in zip(built.keys.to_pylist(), built.blobs, strict=True):
            blobs[places[tuple(row.values())]] = blob
        return read_by(way, blobs, layout, self.features, self.now_us, *self._pushed(layout, places))

    def _pushed(self, layout: StateLayout, places: dict[tuple[Any, ...], int]) -> tuple[list[int], list[bytes]]:
        owners = [places.get(tuple(row.values())) for row in self.recent.select(list(self.shop.keys)).to_pylist()]
        owned = self.recent.filter(pa.array([owner is not None for owner in owners], pa.bool_()))
        payloads = encode_events(owned, layout, event_time=EVENT_TIME, known_time=self.shop.known_time)
        return [owner for owner in owners if owner is not None], payloads


@st.composite
def splits(draw: st.DrawFn, **arguments: Any) -> Split:
    """Random shops, of whose events some come early, late, in any order, or only after the read."""
    shop = draw(shops(**arguments))
    times = shop.events[EVENT_TIME].cast(pa.int64()).to_pylist() or [NOON]
    until = draw(st.sampled_from(times)) + draw(st.sampled_from([0, 1, *LATER]))
    count = shop.events.num_rows
    pushed = draw(st.lists(st.integers(0, count - 1), unique=True)) if count else []
    return Split(shop, until, until + draw(st.sampled_from(LATER)), tuple(pushed))


def assert_online_is_offline(case: Split) -> None:
    """Pushed events beside state answer as the kernel over all of them."""
    assert_online_is(windowed, case, case.features)


@given(splits())
@examples(2)
def test_pushed_events_count_as_if_they_had_been_materialised(case: Split) -> None:
    """Any split of events between state and pushes, in any order, at any later time: online is offline."""
    assert_online_is_offline(case)


def _case(
    column: str,
    values: list[Any],
    functions: list[str],
    pushed: list[int],
    *,
    gap_us: int,
    known_us: Sequence[int] | None = None,
    later_us: int = 0,
) -> Split:
    """One customer's values, one each `gap_us`; those at some places were pushed, the last first."""
    times = [NOON + place * gap_us for place in range(len(values))]
    known = known_us or times
    until = max([*times, *known]) + 1
    shop = one_customer(column, values, functions, times, known)
    return Split(shop, until, until + later_us, tuple(reversed(pushed)))


@pytest.mark.parametrize(("column", "values", "functions"), EDGES)
@pytest.mark.parametrize("gap_us", [0, HOUR_US, 8 * HOUR_US])
@pytest.mark.parametrize("pushed", ["none", "all", "even", "odd"])
def test_pushed_values_at_the_edges(
    column: str, values: list[Any], functions: list[str], gap_us: int, pushed: str
) -> None:
    """Overflow, precision, nulls, ties and texts answer as offline, whichever half of the events was pushed."""
    places = {"none": [], "all": [*range(len(values))], "even": [*range(0, len(values), 2)]}
    chosen = places.get(pushed, [*range(1, len(values), 2)])
    for function in functions:
        assert_online_is_offline(_case(column, values, [function], chosen, gap_us=gap_us, later_us=HOUR_US))


@pytest.mark.parametrize("pushed", [[0], [1], [2], [0, 2], [1, 2]])
@pytest.mark.parametrize("delays", [(0, 1, 2), (2, 1, 0), (1, 0, 1), (0, 0, 0)])
def test_ties_fall_by_knowledge_time(pushed: list[int], delays: tuple[int, ...]) -> None:
    """Of events at one time the one known first comes first (rule 4), on whichever side of the state it is."""
    known = [NOON + delay * HOUR_US for delay in delays]
    case = _case("amount", [1, 2, 3], ["first", "last", "last_n(3)"], pushed, gap_us=0, known_us=known)
    assert_online_is_offline(case)


def _pushed_at(way: str, event_us: int, known_us: int, now_us: int) -> list[Any]:
    features = [WindowFeature("n", "count", "", DAY_US), WindowFeature("last", "last", "amount", None)]
    layout = plan_state(features, {"amount": pa.int64()})
    events = event_table({}, [event_us], [known_us], {"amount": pa.array([7], pa.int64())})
    payloads = encode_events(events, layout, event_time=EVENT_TIME, known_time=KNOWN_TIME)
    found = read_by(way, [None, None], layout, features, now_us, [1], payloads)
    assert found.slice(0, 1).to_pylist() == [{"n": 0, "last": None}]
    return list(found.slice(1).to_pylist()[0].values())


@pytest.mark.parametrize(
    ("event_us", "known_us", "expected"),
    [
        (NOON - 1, NOON, [1, 7]),
        (NOON, NOON, [0, None]),
        (NOON + 1, NOON + 1, [0, None]),
        (NOON - 1, NOON + 1, [0, None]),
        (NOON - 3 * DAY_US, NOON, [0, 7]),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_events_count_from_when_they_can_be_seen(event_us: int, known_us: int, expected: list[Any], way: str) -> None:
    """An entity without state has what was pushed: before now (the edge is strict), known by now, in the window."""
    assert _pushed_at(way, event_us, known_us, NOON) == expected


def test_late_events_of_long_ago_count_in_long_windows_only() -> None:
    """An event older than the state's own oldest is in the windows that reach it."""
    case = _case("amount", list(range(40)), ["count", "sum", "first"], [0, 1, 2], gap_us=12 * HOUR_US)
    assert_online_is_offline(case)


def test_large_state_answers_as_small_state_does() -> None:
    """Hundreds of entities with thousands of tiles, some of them pushed to, are read as the kernel reads them."""
    random, count, entities = np.random.default_rng(7), 30_000, 300
    features = tuple(
        Feature(f"{function} {column} {window}", function, column, window, None)
        for window in (6 * HOUR_US, DAY_US, 7 * DAY_US, 28 * DAY_US)
        for function, column in [
            ("count", "amount"), ("sum", "amount"), ("max", "amount"), ("mean", "offset"), ("std", "offset"),
            ("first", STRING), ("last", STRING), ("count_distinct", STRING), ("min", STRING),
        ]
    )  # fmt: skip
    words = [f"word {number}" for number in range(50)]
    times = (NOON - random.integers(1, 40 * DAY_US, count)).tolist()
    columns = {
        "amount": pa.array(random.integers(-9, 9, count), mask=random.random(count) < 0.1),
        "offset": pa.array(random.random(count)),
        STRING: pa.array([words[number] for number in random.integers(0, 50, count)], mask=random.random(count) < 0.3),
    }
    events = event_table({"key": pa.array(random.integers(0, entities, count))}, times, times, columns)
    shop = Shop(events, spine_table({"key": pa.array([1])}, [0]), ("key",), tuple(columns), features, None, False, 0)
    case = Split(shop, NOON, NOON + HOUR_US, tuple(random.permutation(count)[:500].tolist()))
    expected = windowed(case.seen, case.asking, features=case.features, **case.arguments)
    online = case.online("all at once")
    exact = [feature for feature in features if feature.base not in ("mean", "std")]
    assert_features_agree(online.select([f.name for f in exact]), expected.select([f.name for f in exact]), exact)
    for feature in set(features) - set(exact):
        ours, theirs = (table[feature.name].fill_null(-1.0).to_numpy() for table in (online, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
