"""State and the events that came after it answer as the kernel does over all of them."""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import python_oracle
from oracle.compare import assert_features_agree
from oracle.features import DAY_US, HOUR_US, MINUTE_US
from oracle.shops import (
    COLUMNS,
    EVENT_TIME,
    KNOWN_TIME,
    SPINE_TIME,
    Shop,
    examples,
    microseconds,
    shops,
    spine_table,
)
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature, windowed
from storekeeper.history.state import (
    RecentEvents,
    StateLayout,
    build_state,
    decode_events,
    encode_events,
    plan_state,
    read_state,
)

NOON = microseconds("2017-06-14T12:00:00+00:00")
LATER = [0, 0, 1, MINUTE_US, 5 * MINUTE_US, HOUR_US - 1, HOUR_US, DAY_US, 7 * DAY_US, 28 * DAY_US, 200 * DAY_US]


@dataclass(frozen=True)
class Split:
    """A shop whose events are partly in state and partly pushed.

    Attributes
    ----------
    until_us, now_us
        When state was built, and when it is read.
    pushed
        Places of the events that the source didn't have when state was built, in the order in which they came.
    """

    shop: Shop
    until_us: int
    now_us: int
    pushed: tuple[int, ...]

    @property
    def features(self) -> list[WindowFeature]:
        """The shop's features in the kernel's words."""
        return [WindowFeature(**asdict(feature)) for feature in self.shop.features]

    @property
    def layout(self) -> StateLayout:
        """What state keeps."""
        return plan_state(self.features, {name: COLUMNS[name][0] for name in self.shop.columns})

    @property
    def base(self) -> pa.Table:
        """Events that the source had."""
        rest = [place for place in range(self.shop.events.num_rows) if place not in set(self.pushed)]
        return self._visible(self.shop.events.take(pa.array(rest, pa.int64())), self.until_us)

    @property
    def recent(self) -> pa.Table:
        """Events that were pushed; some of them happen, or are known, later than now."""
        return self.shop.events.take(pa.array(self.pushed, pa.int64()))

    @property
    def seen(self) -> pa.Table:
        """All events that can be seen now, those of the source first."""
        return pa.concat_tables([self.base, self._visible(self.recent, self.now_us)]).combine_chunks()

    def _visible(self, events: pa.Table, at_us: int) -> pa.Table:
        happened = events[EVENT_TIME].cast(pa.int64())
        visible = pc.less(happened, at_us)
        if self.shop.known_time:
            known = pc.coalesce(events[KNOWN_TIME].cast(pa.int64()), happened)
            visible = pc.and_(visible, pc.less_equal(known, at_us))
        return events.filter(visible)

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

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the kernel beside the tables."""
        return {
            "keys": self.shop.keys,
            "event_time": EVENT_TIME,
            "spine_time": SPINE_TIME,
            "known_time": self.shop.known_time,
        }

    def online(self, *, recent_only: bool = False) -> pa.Table:
        """Every entity's features out of state and pushed events."""
        layout, places = self.layout, {tuple(row.values()): n for n, row in enumerate(self.keys.to_pylist())}
        base = self.base.slice(0, 0) if recent_only else self.base
        built = build_state(
            base, layout, keys=self.shop.keys, event_time=EVENT_TIME, until_us=self.until_us,
            known_time=self.shop.known_time,
        )  # fmt: skip
        blobs: list[bytes | None] = [None] * len(places)
        for row, blob in zip(built.keys.to_pylist(), built.blobs, strict=True):
            blobs[places[tuple(row.values())]] = blob
        return read_state(blobs, layout, self.features, self.now_us, self._pushed(layout, places))

    def _pushed(self, layout: StateLayout, places: dict[tuple[Any, ...], int]) -> RecentEvents:
        owners = [places.get(tuple(row.values())) for row in self.recent.select(list(self.shop.keys)).to_pylist()]
        owned = self.recent.filter(pa.array([owner is not None for owner in owners], pa.bool_()))
        payloads = encode_events(owned, layout, event_time=EVENT_TIME, known_time=self.shop.known_time)
        return decode_events([owner for owner in owners if owner is not None], payloads, layout)


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
    """Pushed events beside state answer as the kernel over all of them, or refuse what it refuses."""
    try:
        expected = windowed(case.seen, case.asking, features=case.features, **case.arguments)
    except DataError:
        with pytest.raises(DataError, match="overflows"):
            case.online()
        return
    # Offline only a window's sum has to be an int64, in state that of each tile too.
    may_overflow = any(feature.base == "sum" and feature.column == "big" for feature in case.shop.features)
    try:
        online = case.online()
    except DataError:
        if not may_overflow:
            raise
        return
    tolerances = python_oracle.windowed(
        case.seen, case.asking, **(case.arguments | {"features": case.shop.features}), tolerances=True
    )
    assert_features_agree(online, expected, case.shop.features, tolerances)


@given(splits())
@examples(3)
def test_pushed_events_count_as_if_they_had_been_materialised(case: Split) -> None:
    """Any split of events between state and pushes, in any order, at any later time: online is offline."""
    assert_online_is_offline(case)
