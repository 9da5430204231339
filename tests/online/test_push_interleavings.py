"""Events pushed in any order, in any batches, again and again, answer as the kernel over all of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast.repo_config import RepoConfig
from hypothesis import given
from hypothesis import strategies as st

from oracle import python_oracle
from oracle.compare import assert_features_agree
from oracle.features import DAY_US, HOUR_US
from oracle.shops import COLUMNS, EVENT_TIME, KNOWN_TIME, SPINE_TIME, TIMESTAMP, Shop, examples, microseconds, shops
from storekeeper.definitions import ViewPlan
from storekeeper.history import WindowFeature, as_of, windowed
from storekeeper.history.columns import column_kind
from storekeeper.online.backends import ViewMeta
from storekeeper.online.pushing import Push, push_rows
from storekeeper.online.view_state import ViewState, from_us
from storekeeper.push_report import PushReport
from storekeeper.sources import DuckDBSource
from storekeeper.testing.memory import MemoryBackend

NUMBER = "number"
NOON = microseconds("2017-06-14T12:00:00+00:00")
CONFIG = RepoConfig.model_construct()


@dataclass(frozen=True)
class Pushes:
    """A shop whose events are pushed.

    Attributes
    ----------
    batches
        Places of events; each event is in at least one.
    now_us
        When they are pushed and read.
    """

    shop: Shop
    batches: tuple[tuple[int, ...], ...]
    now_us: int

    @property
    def events(self) -> pa.Table:
        """All events, each with a number of its own; what is known at an unknown time is known from now on."""
        events = self.shop.events
        known = pc.fill_null(events[KNOWN_TIME].cast(pa.int64()), self.now_us).cast(TIMESTAMP)
        numbered = events.set_column(events.column_names.index(KNOWN_TIME), KNOWN_TIME, known)
        return numbered.append_column(NUMBER, pa.array(range(events.num_rows), pa.int64()))

    @property
    def taken(self) -> pa.Table:
        """Those that aren't rejected, in the order in which each came first: as a source has them (rule 4)."""
        order = list(dict.fromkeys(place for batch in self.batches for place in batch))
        events = self.events.take(pa.array(order, pa.int64()))
        fine = pc.less_equal(events[EVENT_TIME].cast(pa.int64()), self.now_us)
        if self.shop.known_time:
            fine = pc.and_(fine, pc.less_equal(events[KNOWN_TIME].cast(pa.int64()), self.now_us))
        for key in self.shop.keys:
            fine = pc.and_(fine, pc.is_valid(events[key]))
        return events.filter(fine)

    @property
    def windows(self) -> tuple[WindowFeature, ...]:
        """The shop's features in the kernel's words."""
        return tuple(WindowFeature(**asdict(feature)) for feature in self.shop.features)

    def plan(self, *, is_windowed: bool) -> ViewPlan:
        """A view over the shop's events."""
        source = DuckDBSource(
            name="log", database="x", table="log", timestamp_field=EVENT_TIME, tags={"event_id": NUMBER}
        )
        types = {name: COLUMNS[name][0] for name in self.shop.columns}
        made = {w.name: w.result_type(types.get(w.column)) for w in self.windows}
        keys = {key: self.shop.events.schema.field(key).type for key in self.shop.keys}
        windows = self.windows if is_windowed else ()
        return ViewPlan(
            "view", source, self.shop.keys, keys, EVENT_TIME, self.shop.known_time, 0 if is_windowed else
            self.shop.ttl_us, made if is_windowed else types, windows,
        )  # fmt: skip

    @property
    def asking(self) -> pa.Table:
        """Every entity once, at now."""
        keys = self.taken.select(list(self.shop.keys)).group_by(list(self.shop.keys)).aggregate([])
        return keys.append_column(SPINE_TIME, pa.array([self.now_us] * keys.num_rows, TIMESTAMP))

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the kernel beside the tables."""
        return {
            "keys": self.shop.keys, "event_time": EVENT_TIME, "spine_time": SPINE_TIME,
            "known_time": self.shop.known_time,
        }  # fmt: skip

    def pushed(self, plan: ViewPlan) -> tuple[pa.Table, PushReport]:
        """What is served of every entity after all pushes, and how many went in or were there."""
        state = ViewState(plan, "small/view", MemoryBackend())
        kinds = {name: column_kind(COLUMNS[name][0]) for name in self.shop.columns}
        state.backend.update(state.name, (), ViewMeta(None, kinds))
        push = Push("log", [state], True, None, from_us(self.now_us), timedelta(0))
        given = self.events
        if self.shop.known_time is None:
            given = given.drop_columns([KNOWN_TIME])
        reports = [push_rows(given.take(pa.array(batch, pa.int64())), push, CONFIG)[0] for batch in self.batches]
        rows = [(report.accepted, report.duplicates) for report in reports]
        keys = self.asking.select(list(self.shop.keys))
        total = PushReport(sum(row[0] for row in rows), sum(row[1] for row in rows))
        return state.read(keys, list(plan.types), from_us(self.now_us)), total


@st.composite
def pushes(draw: st.DrawFn) -> Pushes:
    """Random shops; each event is pushed at least once, some of them again, in any order."""
    shop = draw(shops(sums_of_big=False))
    count = shop.events.num_rows
    times = shop.events[EVENT_TIME].cast(pa.int64()).to_pylist() or [NOON]
    order = draw(st.permutations(range(count)))
    again = draw(st.lists(st.integers(0, count - 1), max_size=10)) if count else []
    places, batches = [*order, *again], []
    while places:
        size = draw(st.integers(1, len(places)))
        batches.append(tuple(places[:size]))
        places = places[size:]
    now = draw(st.sampled_from(times)) + draw(st.sampled_from([0, 1, HOUR_US, DAY_US, 40 * DAY_US]))
    return Pushes(shop, tuple(batches), now)


@given(pushes())
@examples(1)
def test_windows_are_those_of_the_kernel(case: Pushes) -> None:
    """Every function, over ints, floats, bools, texts, times and nulls; each event counts once."""
    plan = case.plan(is_windowed=True)
    served, total = case.pushed(plan)
    events = case.taken
    expected = windowed(events, case.asking, features=case.windows, **case.arguments)
    tolerances = python_oracle.windowed(
        events, case.asking, **(case.arguments | {"features": case.shop.features}), tolerances=True
    )
    assert_features_agree(served, expected, case.shop.features, tolerances)
    assert total.accepted == events.num_rows
    assert total.accepted + total.duplicates == sum(_fine(case, batch) for batch in case.batches)


def _fine(case: Pushes, batch: Sequence[int]) -> int:
    fine = set(case.taken[NUMBER].to_pylist())
    return sum(place in fine for place in batch)


@given(pushes())
@examples(1)
def test_latest_values_are_those_of_the_kernel(case: Pushes) -> None:
    """The greatest event time, then the greatest knowledge time, then the last to come; ttl counts."""
    plan = case.plan(is_windowed=False)
    served, _ = case.pushed(plan)
    expected = as_of(case.taken, case.asking, columns=case.shop.columns, ttl_us=case.shop.ttl_us, **case.arguments)
    assert _microseconds(served) == _microseconds(expected.select(served.column_names))


def _microseconds(table: pa.Table) -> list[list[Any]]:
    """Values that compare; timestamps as microseconds, which know no year 9999, and NaN as null."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    return [[None if value != value else value for value in column.to_pylist()] for column in columns]
