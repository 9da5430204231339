"""Sums of floats over intervals are those of exact arithmetic, whatever stands around the interval."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oracle.features import DAY_US
from oracle.shops import EVENT_TIME, SPINE_TIME, event_table, examples, microseconds, spine_table
from storekeeper.history import WindowFeature, windowed
from storekeeper.history.exact import Ends, rounding_bound, sums_between

PIECE = 32_768
SMALLEST = 5e-324


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))


def _sums(values: np.ndarray, lo: Sequence[int] | np.ndarray, hi: Sequence[int] | np.ndarray) -> np.ndarray:
    ends = Ends.of(np.asarray(lo, np.int64), np.asarray(hi, np.int64), len(values))
    return sums_between(values, ends, _largest(values))


def _assert_exact(values: np.ndarray, lo: Sequence[int] | np.ndarray, hi: Sequence[int] | np.ndarray) -> None:
    expected = [math.fsum(values[start:end]) for start, end in zip(lo, hi, strict=True)]
    np.testing.assert_array_equal(_sums(values, lo, hi), expected)


def _intervals(count: int, pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Ends anywhere in [0, count], in order."""
    ordered = [sorted((first % (count + 1), second % (count + 1))) for first, second in pairs]
    return [lo for lo, _ in ordered], [hi for _, hi in ordered]


_PAIRS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=20)
# 35 digits apart: still within what the layers hold exactly, and far beyond one float.
_MIXED = st.builds(
    lambda sign, digits, power: sign * digits * 2.0**power,
    st.sampled_from([-1, 1]), st.integers(0, 2**20), st.integers(-50, 15),
)  # fmt: skip


@given(st.lists(_MIXED, max_size=200), _PAIRS)
@examples(5)
def test_sums_are_fsums(drawn: list[float], pairs: list[tuple[int, int]]) -> None:
    """Every interval's sum is `math.fsum` of its values, bit for bit."""
    _assert_exact(np.array(drawn, np.float64), *_intervals(len(drawn), pairs))


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=100), _PAIRS)
@examples(5)
def test_sums_of_single_floats_are_fsums(drawn: list[float], pairs: list[tuple[int, int]]) -> None:
    """So is that of 32-bit floats of any size below a million, down to denormal ones, but for their last bits."""
    values = np.array(drawn, np.float64)
    lo, hi = _intervals(len(drawn), pairs)
    expected = np.array([math.fsum(values[start:end]) for start, end in zip(lo, hi, strict=True)])
    off = np.abs(_sums(values, lo, hi) - expected)
    assert (off <= np.spacing(np.abs(expected)) + rounding_bound(len(values), _largest(values))).all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60), _PAIRS)
@examples(5)
def test_any_floats_are_within_the_bound(drawn: list[float], pairs: list[tuple[int, int]]) -> None:
    """Where values are wilder than the layers, sums are off by no more than `rounding_bound`, beside one rounding."""
    values = np.array(drawn)
    bound = rounding_bound(len(values), _largest(values))
    assume(math.isfinite(bound))
    lo, hi = _intervals(len(values), pairs)
    expected = np.array([math.fsum(values[start:end]) for start, end in zip(lo, hi, strict=True)])
    off = np.abs(_sums(values, lo, hi) - expected)
    assert (off <= np.spacing(np.abs(expected)) + bound).all()


@pytest.mark.parametrize(
    "kind", ["prices", "uniform", "normal", "mixed", "offset", "cancelling", "denormal", "integers"]
)
def test_many_pieces_are_exact(kind: str) -> None:
    """Sums within a piece, across one edge and across several are exact, for all kinds of values."""
    rng = np.random.default_rng(7)
    count = 4 * PIECE + 17
    values = {
        "prices": rng.integers(-10_000, 100_000, count) / 100,
        "uniform": rng.random(count),
        "normal": rng.normal(0, 1, count),
        "mixed": np.round(rng.normal(0, 1, count), 6) * 10.0 ** rng.integers(-3, 7, count),
        "offset": 1e9 + rng.random(count),
        "cancelling": np.where(np.arange(count) % 2, 1e12, -1e12) + rng.integers(0, 1000, count) / 8,
        "denormal": rng.choice([SMALLEST, 1e-310, -0.0, -3e-320, 2.0**-1050], count),
        "integers": rng.integers(-(2**53), 2**53, count).astype(np.float64),
    }[kind]
    edges = np.arange(0, count + 1, PIECE)
    lo = np.concatenate([rng.integers(0, count, 200), np.maximum(edges - 1, 0), edges, [0, 0, count, count - 1]])
    length = rng.choice([0, 1, 2, 50, PIECE, 3 * PIECE], len(lo))
    hi = np.minimum(lo + length, count)
    hi[-4:] = [count, 0, count, count]
    _assert_exact(values, lo, hi)


def test_a_tie_is_rounded_by_what_lies_far_below() -> None:
    """One plus half a unit in its last place, plus next to nothing, goes up; minus next to nothing, down."""
    half, speck = 2.0**-53, 2.0**-100
    for sign in (1.0, -1.0):
        values = sign * np.array([1.0, half, speck, 1.0, half, -speck, 1.0, half, 2.0])
        _assert_exact(values, [0, 3, 6, 0, 6], [3, 6, 8, 6, 9])
        assert _sums(values, [0], [3])[0] == sign * (1.0 + 2 * half)


def test_a_large_value_beside_an_interval_leaves_no_trace() -> None:
    """Sums of cents are the same before, after and between values of a trillion."""
    cents = np.array([0.1, 0.2, 0.3, -0.7])
    values = np.concatenate([cents, [1e12], cents, [-1e12, 1e12 + 0.5], cents])
    assert _sums(values, [0, 5, 11], [4, 9, 15]).tolist() == [math.fsum(cents)] * 3


def test_empty_intervals_and_ends() -> None:
    """Empty intervals are 0 wherever they lie; the ends 0 and n are places as any."""
    values = np.array([0.1, 0.2, 0.4])
    assert _sums(values, [0, 1, 3, 0, 0, 3], [0, 1, 3, 3, 1, 3]).tolist() == [0, 0, 0, math.fsum(values), 0.1, 0]
    assert _sums(values, [], []).tolist() == []


@pytest.mark.parametrize("values", [[], [0.0] * 5, [-0.0] * 5, [0.0, -0.0]])
def test_nothing_and_zeros_sum_to_zero(values: list[float]) -> None:
    """No values, and zeros of either sign, sum to 0 within no error."""
    found = _sums(np.array(values, np.float64), [0, 0], [0, len(values)])
    assert found.tolist() == [0.0, 0.0]
    assert rounding_bound(len(values), 0.0) == 0.0


def test_denormals_alone_are_exact() -> None:
    """The smallest numbers there are add up exactly."""
    values = np.array([SMALLEST, -SMALLEST, SMALLEST, 3 * SMALLEST, -0.0])
    _assert_exact(values, [0, 0, 2, 4], [5, 2, 4, 5])


def test_values_near_the_largest_float_have_no_bound() -> None:
    """Where grids would overflow the bound is infinite, so that nobody takes this path."""
    assert rounding_bound(10, 1e290) < float("inf")
    assert rounding_bound(1000, 1e300) == rounding_bound(3, 1.7e308) == float("inf")


def test_ends_keep_each_place_once() -> None:
    """Places are distinct and ascending, and lead back to the intervals."""
    lo, hi = np.array([5, 0, 5, 2]), np.array([9, 0, 7, 5])
    ends = Ends.of(lo, hi, 9)
    assert ends.places.tolist() == [0, 2, 5, 7, 9]
    assert ends.places[ends.lo].tolist() == lo.tolist()
    assert ends.places[ends.hi].tolist() == hi.tolist()


NOON = microseconds("2017-06-14T12:00:00+00:00")
_SUMS = [
    WindowFeature(f"{function} {window}", function, "price", window)
    for function in ("sum", "mean")
    for window in (None, DAY_US, 28 * DAY_US)
]


def _shop(customers: np.ndarray, happened: np.ndarray, prices: np.ndarray) -> pa.Table:
    return event_table(
        {"customer": pa.array(customers)}, happened.tolist(), happened.tolist(), {"price": pa.array(prices)}
    )


def _answers(events: pa.Table, spine: pa.Table) -> list[dict[str, Any]]:
    found = windowed(
        events, spine, keys=["customer"], event_time=EVENT_TIME, spine_time=SPINE_TIME, features=_SUMS
    )  # fmt: skip
    return found.to_pylist()


def test_float_features_do_not_depend_on_the_rest_of_the_shop() -> None:
    """A customer's sums and means are the same bits alone, in a crowd, and in a crowd with larger prices."""
    rng = np.random.default_rng(11)
    happened = NOON - rng.integers(0, 60 * DAY_US, 3000)
    prices = np.round(rng.normal(20, 30, 3000), 2)
    asked = (NOON - rng.integers(0, 30 * DAY_US, 500)).tolist()
    spine = spine_table({"customer": pa.array([7] * 500)}, asked)
    alone = _shop(np.full(3000, 7), happened, prices)
    crowd = _shop(rng.integers(0, 7, 60_000), NOON - rng.integers(0, 90 * DAY_US, 60_000), rng.random(60_000) * 100)
    rich = _shop(rng.integers(8, 99, 1000), NOON - rng.integers(0, 90 * DAY_US, 1000), rng.random(1000) * 1e9)
    expected = _answers(alone, spine)
    assert len({row["sum None"] for row in expected}) > 100
    for others in ([crowd], [crowd, rich]):
        assert _answers(pa.concat_tables([*others, alone]), spine) == expected
        assert _answers(pa.concat_tables([alone, *others]), spine) == expected


@pytest.mark.parametrize(
    "choices",
    [[1e300, -1e300, 1e284, 3.0], [1e18, -1e18, 1e-12, 0.3], [1e155, -1e154, 1e-300]],
    ids=["near the largest", "30 digits", "450 digits"],
)
def test_wild_sums_are_within_rule_10(choices: list[float]) -> None:
    """Where exact layers don't reach, sums are as good as rule 10 asks: 1e-9 of what the window holds."""
    rng = np.random.default_rng(5)
    happened = np.sort(NOON - rng.integers(1, 60 * DAY_US, 2000))
    prices = rng.choice(choices, 2000)
    asked = NOON - rng.integers(0, 60 * DAY_US, 200)
    spine = spine_table({"customer": pa.array([1] * 200)}, asked.tolist())
    found = _answers(_shop(np.ones(2000, np.int64), happened, prices), spine)
    for moment, row in zip(asked.tolist(), found, strict=True):
        inside = prices[happened < moment]
        assert abs(row["sum None"] - math.fsum(inside)) <= 1e-9 * (1 + math.fsum(abs(inside)))


def test_prices_beyond_the_largest_sum_are_still_separate() -> None:
    """Two customers' values whose sum is no float are each exact in windows of their own, and nobody is warned."""
    events = _shop(np.array([1, 2, 2]), np.array([NOON - 5, NOON - 4, NOON - 3]), np.array([1.5e308, 1.5e308, -1e308]))
    spine = spine_table({"customer": pa.array([1, 2])}, [NOON, NOON])
    assert [row["sum None"] for row in _answers(events, spine)] == [1.5e308, 1.5e308 - 1e308]
