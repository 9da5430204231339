"""Shops whose online state is held against the kernel and the oracles, and the values at which it could go wrong."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from online.state_ways import WAYS
from oracle import python_oracle
from oracle.compare import assert_features_agree
from oracle.features import DAY_US, HOUR_US, MINUTE_US, Feature
from oracle.shops import COLUMNS, EVENT_TIME, KNOWN_TIME, SPINE_TIME, Shop, event_table, microseconds, spine_table
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.state import StateLayout, plan_state

NOON = microseconds("2017-06-14T12:00:00+00:00")
#: How much later than it was built state is read.
LATER = [0, 0, 1, MINUTE_US, 5 * MINUTE_US, HOUR_US - 1, HOUR_US, DAY_US, 7 * DAY_US, 28 * DAY_US, 200 * DAY_US]
STRING = 'a "quoted" word'
_ALL = ["count", "min", "max", "first", "last", "last_n(3)", "count_distinct", "seconds_since_first"]
_NUMERIC = [*_ALL, "sum", "mean", "var", "std"]
_NAN = float("nan")
_OFFSET = [float(1e9 + value) for value in np.random.default_rng(1).random(200)]
#: A column, its values, and what is computed of them.
EDGES = [
    pytest.param("big", [2**62, 2**62, 2**62, 5], ["mean"], id="a mean whose sum leaves int64"),
    pytest.param("big", [2**62, 2**62], ["sum"], id="a sum that leaves int64"),
    pytest.param("big", [2**62, -(2**62), 2**62, -(2**62), 5], ["sum"], id="a sum near the ends of int64"),
    pytest.param("big", [2**63 - 1, -(2**63), 0, 1], _NUMERIC, id="the ends of int64"),
    pytest.param("big", [2**53 + 1, 2**53 + 3], ["var", "std", "mean"], id="integers that no float holds"),
    pytest.param("amount", [None, None], _NUMERIC, id="no number at all"),
    pytest.param("amount", [5, None, 5, 5], _NUMERIC, id="one number several times"),
    pytest.param(STRING, [None, None, None], _ALL, id="no text at all"),
    pytest.param(STRING, [None, "", None, "é"], _ALL, id="an empty text among nulls"),
    pytest.param(STRING, ["b", "", None, "é", "b", "a"], _ALL, id="texts among each other"),
    pytest.param("price", [_NAN, None], _NUMERIC, id="nothing but NaN"),
    pytest.param("price", [0.0, -0.0, 0.0], _NUMERIC, id="two zeros"),
    pytest.param("price", [0.0, -0.0, 0.0, _NAN], _NUMERIC, id="two zeros and NaN"),
    pytest.param("offset", _OFFSET, _NUMERIC, id="small spread about a large mean"),
    pytest.param("offset", [1e9, 1e9 + 0.7, 1e9 + 0.1] * 3, _NUMERIC, id="means that no float holds"),
    pytest.param("flag", [True, None, False], _NUMERIC, id="booleans"),
    pytest.param("seen at", [NOON, None, 1, NOON], _ALL, id="timestamps"),
]


@dataclass(frozen=True)
class StateCase(ABC):
    """A shop, the instant at which its state is built, and that at which it is read."""

    shop: Shop
    until_us: int
    now_us: int

    @property
    @abstractmethod
    def seen(self) -> pa.Table:
        """Events that can be seen when state is read."""

    @property
    @abstractmethod
    def asking(self) -> pa.Table:
        """The spine that asks for every entity at `now`."""

    @abstractmethod
    def online(self, way: str) -> pa.Table:
        """Every entity's features out of state, read in one of the ways that there are."""

    @property
    def features(self) -> list[WindowFeature]:
        """The shop's features in the kernel's words."""
        return [WindowFeature(**asdict(feature)) for feature in self.shop.features]

    @property
    def layout(self) -> StateLayout:
        """What state keeps."""
        return plan_state(self.features, {name: COLUMNS[name][0] for name in self.shop.columns})

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of a reference beside the tables and the features."""
        return {
            "keys": self.shop.keys,
            "event_time": EVENT_TIME,
            "spine_time": SPINE_TIME,
            "known_time": self.shop.known_time,
        }

    def visible(self, events: pa.Table, at_us: int) -> pa.Table:
        """Events before an instant, known by then."""
        happened = events[EVENT_TIME].cast(pa.int64())
        seen = pc.less(happened, at_us)
        if self.shop.known_time:
            known = pc.coalesce(events[KNOWN_TIME].cast(pa.int64()), happened)
            seen = pc.and_(seen, pc.less_equal(known, at_us))
        return events.filter(seen)


def assert_online_is(reference: Any, case: StateCase, features: Any) -> None:
    """State answers as the reference does over all events that can be seen, or refuses what it refuses.

    In whichever way it is read.
    """
    try:
        expected = reference(case.seen, case.asking, **case.arguments, features=features)
    except (DataError, OverflowError):
        for way in WAYS:
            with pytest.raises(DataError, match="overflows"):
                case.online(way)
        return
    # Offline only a window's sum has to be an int64, in state that of each tile too.
    may_overflow = any(feature.base == "sum" and feature.column == "big" for feature in case.shop.features)
    try:
        online = [case.online(way) for way in WAYS]
    except DataError:
        if not may_overflow:
            raise
        return
    tolerances = python_oracle.windowed(
        case.seen, case.asking, **case.arguments, features=case.shop.features, tolerances=True
    )
    for table in online:
        assert_features_agree(table, expected, case.shop.features, tolerances)


def one_customer(
    column: str,
    values: Sequence[Any],
    functions: Sequence[str],
    times_us: Sequence[int],
    known_us: Sequence[int] | None = None,
) -> Shop:
    """A customer with one value at each time, asked for all history and for some windows.

    Without `known_us` the shop has no knowledge times.
    """
    features = tuple(
        Feature(f"{function} {window} {hop}", function, column, window, hop)
        for function in functions
        for window, hop in [(None, None), (DAY_US, None), (28 * DAY_US, 2 * HOUR_US)]
    )
    key = {"key": pa.array([1] * len(values), pa.int64())}
    events = event_table(key, times_us, known_us or times_us, {column: pa.array(values, COLUMNS[column][0])})
    spine = spine_table({"key": pa.array([1])}, [0])
    return Shop(events, spine, ("key",), (column,), features, KNOWN_TIME if known_us else None, bool(known_us), 0)
