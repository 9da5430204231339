"""The two oracles were written apart in SQL and in Python: where they agree, so does the reading of the rules."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from oracle import python_oracle, sql_oracle
from oracle.compare import assert_features_agree, assert_rows_agree, differences
from oracle.features import DAY_US, HOUR_US, Feature
from oracle.shops import Shop, event_table, examples, microseconds, shops, spine_table


def _answer(oracle: Any, shop: Shop) -> pa.Table | None:
    """The oracle's features, or None where it refuses an overflow."""
    try:
        return oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments)
    except OverflowError:
        return None


@given(shops())
@examples()
def test_oracles_agree_on_windows(shop: Shop) -> None:
    """SQL and Python give the same windowed features, and refuse the same overflows."""
    by_sql, by_python = _answer(sql_oracle, shop), _answer(python_oracle, shop)
    assert (by_sql is None) == (by_python is None)
    if by_sql is not None and by_python is not None:
        tolerances = python_oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments, tolerances=True)
        assert_features_agree(by_sql, by_python, shop.features, tolerances)


@given(shops(sums_of_big=False))
@examples(0.5)
def test_oracles_agree_on_tolerances(shop: Shop) -> None:
    """SQL and Python allow floats to be off by the same amount."""
    by_sql, by_python = (
        oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments, tolerances=True)
        for oracle in (sql_oracle, python_oracle)
    )
    for feature in shop.features:
        assert by_sql[feature.name].to_pylist() == pytest.approx(by_python[feature.name].to_pylist(), rel=1e-6)


@given(shops())
@examples()
def test_oracles_agree_on_latest_values(shop: Shop) -> None:
    """SQL and Python give the same latest values."""
    by_sql, by_python = (
        oracle.as_of(shop.events, shop.spine, **shop.as_of_arguments) for oracle in (sql_oracle, python_oracle)
    )
    assert_rows_agree(by_sql, by_python)


@pytest.mark.parametrize("oracle", [sql_oracle, python_oracle])
def test_oracle_on_a_shop_worked_by_hand(oracle: Any) -> None:
    """Each rule on one customer whose features were worked out on paper."""
    noon = microseconds("2017-06-14T12:00:00+00:00")
    times = [noon - 30 * DAY_US, noon - DAY_US, noon - HOUR_US, noon - HOUR_US, noon]
    events = event_table(
        {"key 0": pa.array([7] * 5, pa.int64())},
        times,
        [times[0], times[1], times[2] + 2, times[3] + 1, times[4]],
        {"amount": pa.array([5, None, 3, 1, 100], pa.int64())},
    )
    spine = spine_table({"key 0": pa.array([7, 7, 8, None], pa.int64())}, [noon, noon + 1, noon, noon])
    wanted: dict[tuple[str, str, int | None], list[Any]] = {
        ("count", "", None): [4, 5, 0, 0],
        ("count", "amount", None): [3, 4, 0, 0],
        ("sum", "amount", DAY_US): [4, 104, 0, 0],
        ("sum", "amount", None): [9, 109, 0, 0],
        ("mean", "amount", None): [3.0, 27.25, None, None],
        ("var", "amount", DAY_US): [1.0, 19214 / 9, None, None],
        ("min", "amount", DAY_US): [1, 1, None, None],
        ("last", "amount", None): [3, 100, None, None],
        ("first", "amount", DAY_US): [1, 1, None, None],
        ("last_n(2)", "amount", None): [[1, 3], [3, 100], [], []],
        ("count_distinct", "amount", None): [3, 4, 0, 0],
        ("seconds_since_last", "", None): [3600.0, 1e-6, None, None],
        ("seconds_since_first", "amount", DAY_US): [3600.0, 3600.000001, None, None],
    }
    features = [Feature(f"f{i}", *what, None) for i, what in enumerate(wanted)]
    found = oracle.windowed(
        events, spine, keys=["key 0"], event_time="happened at", spine_time="asked", features=features,
        known_time="known",
    )  # fmt: skip
    for feature, values in zip(features, wanted.values(), strict=True):
        assert found[feature.name].to_pylist() == (pytest.approx(values) if feature.base == "var" else values)


def test_comparison_sees_differences() -> None:
    """The comparison fails on a value, a null, a list, a type and a float beyond its tolerance."""
    feature = Feature("f", "sum", "amount", None, None)
    listing = Feature("f", "last_n(2)", "amount", None, None)
    pairs = [
        (feature, pa.array([1], pa.int64()), pa.array([2], pa.int64())),
        (feature, pa.array([None], pa.int64()), pa.array([0], pa.int64())),
        (feature, pa.array([1.0]), pa.array([1], pa.int64())),
        (feature, pa.array([float("nan")]), pa.array([None], pa.float64())),
        (feature, pa.array([1.0 + 2e-9]), pa.array([1.0])),
        (listing, pa.array([[1, 2]]), pa.array([[2, 1]])),
    ]
    tolerances = pa.table({"f": [1e-9]})
    for asked, ours, theirs in pairs:
        assert differences(pa.table({"f": ours}), pa.table({"f": theirs}), [asked], tolerances)
    assert not differences(pa.table({"f": [1.0 + 5e-10]}), pa.table({"f": [1.0]}), [feature], tolerances)
