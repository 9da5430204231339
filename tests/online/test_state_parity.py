"""What the online state answers at `now` is what the kernel answers over the events that it was built from."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import python_oracle, sql_oracle
from oracle.compare import assert_features_agree
from oracle.features import DAY_US, HOUR_US, MINUTE_US, Feature
from oracle.shops import (
    COLUMNS,
    EVENT_TIME,
    KNOWN_TIME,
    SPINE_TIME,
    Shop,
    event_table,
    examples,
    microseconds,
    shops,
    spine_table,
)
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature, windowed
from storekeeper.history.state import build_state, plan_state, read_state

LATER = [0, 0, 1, MINUTE_US, 5 * MINUTE_US, HOUR_US - 1, HOUR_US, DAY_US, 7 * DAY_US, 28 * DAY_US, 200 * DAY_US]


@dataclass(frozen=True)
class Materialised:
    """A shop, the instant at which its state is built, and how much later it is read."""

    shop: Shop
    until_us: int
    later_us: int

    @property
    def now_us(self) -> int:
        """When the state is read."""
        return self.until_us + self.later_us

    @property
    def features(self) -> list[WindowFeature]:
        """The shop's features in the kernel's words."""
        return [WindowFeature(**asdict(feature)) for feature in self.shop.features]

    @property
    def visible(self) -> pa.Table:
        """Events before the instant, known by then."""
        events = self.shop.events
        at = events[EVENT_TIME].cast(pa.int64())
        seen = pc.less(at, self.until_us)
        if self.shop.known_time:
            known = pc.coalesce(events[KNOWN_TIME].cast(pa.int64()), at)
            seen = pc.and_(seen, pc.less_equal(known, self.until_us))
        return events.filter(seen)

    @property
    def asking(self) -> pa.Table:
        """Every entity that there is, once, at `now`."""
        keys = self.shop.events.select(list(self.shop.keys)).group_by(list(self.shop.keys)).aggregate([])
        keys = keys.filter(pc.is_valid(keys[self.shop.keys[0]]))
        for key in self.shop.keys[1:]:
            keys = keys.filter(pc.is_valid(keys[key]))
        return spine_table({name: keys[name] for name in self.shop.keys}, [self.now_us] * keys.num_rows)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the reference beside the tables and the features."""
        return {
            "keys": self.shop.keys,
            "event_time": EVENT_TIME,
            "spine_time": SPINE_TIME,
            "known_time": self.shop.known_time,
        }

    def online(self) -> pa.Table:
        """Every entity's features out of state."""
        layout = plan_state(self.features, {name: COLUMNS[name][0] for name in self.shop.columns})
        built = build_state(
            self.shop.events, layout, keys=self.shop.keys, event_time=EVENT_TIME, until_us=self.until_us,
            known_time=self.shop.known_time,
        )  # fmt: skip
        blobs = dict(zip(map(_key, built.keys.to_pylist()), built.blobs, strict=True))
        assert len(blobs) == built.keys.num_rows
        asked = map(_key, self.asking.select(list(self.shop.keys)).to_pylist())
        return read_state([blobs.get(key) for key in asked], layout, self.features, self.now_us)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


@st.composite
def materialised(draw: st.DrawFn, **arguments: Any) -> Materialised:
    """Random shops, read at once or later."""
    shop = draw(shops(**arguments))
    times = shop.events[EVENT_TIME].cast(pa.int64()).to_pylist() or [microseconds("2017-06-14T00:00:00+00:00")]
    until = draw(st.sampled_from(times)) + draw(st.sampled_from([0, 1, 1, *LATER]))
    return Materialised(shop, until, draw(st.sampled_from(LATER)))


def _assert_online_is(reference: Any, case: Materialised, features: Any) -> None:
    arguments = case.arguments | {"features": features}
    try:
        expected = reference(case.visible, case.asking, **arguments)
    except (DataError, OverflowError):
        with pytest.raises(DataError):
            case.online()
        return
    # Offline only a window's sum has to be an int64, online that of each tile too.
    may_overflow = any(feature.base == "sum" and feature.column == "big" for feature in case.shop.features)
    try:
        online = case.online()
    except DataError:
        if not may_overflow:
            raise
        return
    tolerances = python_oracle.windowed(
        case.visible, case.asking, **(case.arguments | {"features": case.shop.features}), tolerances=True
    )
    assert_features_agree(online, expected, case.shop.features, tolerances)


@given(materialised())
@examples(2)
def test_state_answers_as_the_kernel(case: Materialised) -> None:
    """Any function, column, window and hop, read at the moment of materialisation or later: online is offline."""
    _assert_online_is(windowed, case, case.features)


@given(materialised())
@examples(0.5)
def test_state_answers_as_the_oracle(case: Materialised) -> None:
    """The same against SQL that knows nothing of the kernel."""
    _assert_online_is(sql_oracle.windowed, case, case.shop.features)


_BASE = microseconds("2017-06-14T00:00:00+00:00")
_STRING = 'a "quoted" word'


def _case(column: str, values: list[Any], functions: list[str], *, gap_us: int = HOUR_US) -> Materialised:
    """One customer with one value each `gap_us`, asked for all history and for some windows."""
    features = [
        Feature(f"{function} {window} {hop}", function, column, window, hop)
        for function in functions
        for window, hop in [(None, None), (DAY_US, None), (28 * DAY_US, 2 * HOUR_US)]
    ]
    times = [_BASE + i * gap_us for i in range(len(values))]
    events = event_table(
        {"key": pa.array([1] * len(values), pa.int64())}, times, times, {column: pa.array(values, COLUMNS[column][0])}
    )
    shop = Shop(events, spine_table({"key": pa.array([1])}, [0]), ("key",), (column,), tuple(features), None, False, 0)
    return Materialised(shop, times[-1] + 1, 0)


_ALL = ["count", "min", "max", "first", "last", "last_n(3)", "count_distinct", "seconds_since_first"]
_NUMERIC = ["sum", "mean", "var", "std"]
_OFFSET = [float(1e9 + value) for value in np.random.default_rng(1).random(200)]


@pytest.mark.parametrize(
    ("column", "values", "functions"),
    [
        pytest.param("big", [2**62, 2**62, 2**62, 5], ["mean"], id="a mean whose sum leaves int64"),
        pytest.param("big", [2**62, 2**62], ["sum"], id="a sum that leaves int64"),
        pytest.param("big", [2**62, -(2**62), 2**62, -(2**62), 5], ["sum"], id="a sum near the ends of int64"),
        pytest.param("big", [2**63 - 1, -(2**63), 0], [*_ALL, *_NUMERIC], id="the ends of int64"),
        pytest.param("big", [2**53 + 1, 2**53 + 3], ["var", "std", "mean"], id="integers that no float holds"),
        pytest.param("amount", [None, None], [*_ALL, *_NUMERIC], id="no number at all"),
        pytest.param(_STRING, [None, None, None], _ALL, id="no text at all"),
        pytest.param(_STRING, [None, "", None, "é"], _ALL, id="an empty text among nulls"),
        pytest.param("price", [float("nan"), None], [*_ALL, *_NUMERIC], id="nothing but NaN"),
        pytest.param("price", [0.0, -0.0, 0.0], [*_ALL, *_NUMERIC], id="two zeros"),
        pytest.param("offset", _OFFSET, [*_ALL, *_NUMERIC], id="small spread about a large mean"),
        pytest.param("offset", [1e9, 1e9 + 0.7, 1e9 + 0.1] * 3, ["var", "mean"], id="means that no float holds"),
        pytest.param("flag", [True, None, False], [*_ALL, *_NUMERIC], id="booleans"),
        pytest.param("seen at", [_BASE, None, 1], _ALL, id="timestamps"),
    ],
)
@pytest.mark.parametrize("gap_us", [0, HOUR_US, 8 * HOUR_US])
def test_state_at_the_edges_of_numbers(column: str, values: list[Any], functions: list[str], gap_us: int) -> None:
    """Overflow, precision, nulls and emptiness answer online as they do offline, within a tile and across tiles."""
    for function in functions:
        case = _case(column, values, [function], gap_us=gap_us)
        _assert_online_is(windowed, case, case.features)
