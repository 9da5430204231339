"""The kernel against the naive SQL oracle, on random shops and on a larger one with long histories."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from oracle import sql_oracle
from oracle.compare import assert_features_agree, assert_rows_agree
from oracle.features import DAY_US, HOUR_US, MINUTE_US, Feature
from oracle.shops import COLUMNS, KNOWN_TIME, Shop, event_table, examples, microseconds, shops, spine_table
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature, as_of, windowed


def _kernel(shop: Shop) -> pa.Table:
    arguments: dict[str, Any] = shop.windowed_arguments
    arguments["features"] = [WindowFeature(**asdict(feature)) for feature in shop.features]
    return windowed(shop.events, shop.spine, **arguments)


def _assert_as_the_oracle(shop: Shop) -> None:
    try:
        expected = sql_oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments)
    except OverflowError:
        with pytest.raises(DataError):
            _kernel(shop)
        return
    tolerances = sql_oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments, tolerances=True)
    assert_features_agree(_kernel(shop), expected, shop.features, tolerances)


@given(shops())
@examples(3)
def test_windows_are_the_oracles(shop: Shop) -> None:
    """Every windowed feature of a random shop is what naive SQL says, overflows refused."""
    _assert_as_the_oracle(shop)


@given(shops())
@examples(3)
def test_latest_values_are_the_oracles(shop: Shop) -> None:
    """Every latest value of a random shop is what naive SQL says."""
    expected = sql_oracle.as_of(shop.events, shop.spine, **shop.as_of_arguments)
    assert_rows_agree(as_of(shop.events, shop.spine, **shop.as_of_arguments), expected)


_ASKED = 80


def _long_shop(seed: int, n_events: int, n_entities: int, features: tuple[Feature, ...]) -> Shop:
    """Skewed customers over a year, many of them at the very same minutes."""
    rng = np.random.default_rng(seed)
    start = microseconds("2016-01-01T00:00:00+00:00")

    def moments(count: int) -> np.ndarray:
        return start + rng.integers(0, 366 * 24 * 12, count) * 5 * MINUTE_US

    def customers(count: int) -> pa.Array:
        return pa.array((n_entities * rng.random(count) ** 3).astype(np.int64) * 7 - 3)

    happened = moments(n_events)
    offset = 1e9 + rng.random(n_events)
    columns = {
        "amount": pa.array(rng.integers(-1000, 1000, n_events), mask=rng.random(n_events) < 0.1),
        "offset": pa.array(offset, mask=rng.random(n_events) < 0.1),
        "wild": pa.array(rng.choice([1e18, -1e18, 1e15, 1.0, 0.3, 1e-12], n_events)),
        "flag": pa.array(rng.random(n_events) < 0.5),
        'a "quoted" word': pa.array(rng.choice(["", "a", "b", "ä", "🛒"], n_events).tolist(), pa.string()),
    }
    known = (happened + rng.choice([0, HOUR_US, DAY_US], n_events)).tolist()
    return Shop(
        events=event_table({"key 0": customers(n_events)}, happened.tolist(), known, columns),
        spine=spine_table({"key 0": customers(_ASKED)}, (moments(_ASKED) + rng.integers(-1, 2, _ASKED)).tolist()),
        keys=("key 0",),
        columns=tuple(columns),
        features=features,
        known_time=KNOWN_TIME,
        cutoff=False,
        ttl_us=0,
    )


_FUNCTIONS = ["count", "min", "max", "first", "last", "count_distinct", "last_n(40)", "seconds_since_first"]
_NUMBERS = ["sum", "mean", "std", "var"]
_LONG_FEATURES = tuple(
    Feature(f"{function} of {column} in {window}", function, column, window, None)
    for window in (HOUR_US, 28 * DAY_US, None)
    for column in ("amount", "offset", "wild", "flag", 'a "quoted" word')
    for function in _FUNCTIONS + (_NUMBERS if COLUMNS[column][0] != pa.string() else [])
)


@pytest.mark.parametrize("n_entities", [1, 60, 4000])
def test_long_histories_are_the_oracles(n_entities: int) -> None:
    """Thousands of events for one customer, for few or for many give what naive SQL says."""
    _assert_as_the_oracle(_long_shop(n_entities, 6000, n_entities, _LONG_FEATURES))


@pytest.mark.parametrize("function", ["count", "sum", "last", "last_n(5)", "max", "count_distinct", "var"])
def test_long_histories_under_cutoff_are_the_oracles(function: str) -> None:
    """What was known later than the spine's time is invisible in long histories too."""
    feature = Feature("f", function, "amount", 28 * DAY_US, None)
    shop = _long_shop(5, 6000, 30, (feature, Feature("events", "count", "", None, None)))
    _assert_as_the_oracle(replace(shop, cutoff=True))
