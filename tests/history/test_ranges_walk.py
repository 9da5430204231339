"""Extremes over intervals are those of a loop, whether intervals are walked or covered by blocks."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.history import ranges
from storekeeper.history.ranges import range_extreme

LEAST, MOST = -(2**63), 2**63 - 1


def _naive(values: np.ndarray, lo: Sequence[int], hi: Sequence[int], *, largest: bool) -> list[float]:
    pick = max if largest else min
    return [pick(values[start:end].tolist()) if end > start else 0 for start, end in zip(lo, hi, strict=True)]


def _assert_as_a_loop(values: np.ndarray, lo: Sequence[int] | np.ndarray, hi: Sequence[int] | np.ndarray) -> None:
    """As one chooses, all walked, and all by blocks."""
    starts, ends = np.asarray(lo, np.int64), np.asarray(hi, np.int64)
    for steps in (ranges._STEPS_AN_ELEMENT, 10**9, -1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranges, "_STEPS_AN_ELEMENT", steps)
            for largest in (False, True):
                found = range_extreme(values, starts, ends, largest=largest)
                assert found.dtype == values.dtype
                assert found.tolist() == _naive(values, starts.tolist(), ends.tolist(), largest=largest)


_NUMBERS = st.one_of(
    st.lists(st.integers(-5, 5), min_size=1, max_size=50),
    st.lists(st.sampled_from([LEAST, LEAST + 1, -1, 0, MOST - 1, MOST]), min_size=1, max_size=50),
)
_PAIRS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=30)


def _ends(pairs: list[tuple[int, int]], count: int) -> tuple[list[int], list[int]]:
    ordered = [sorted((first % (count + 1), second % (count + 1))) for first, second in pairs]
    return [lo for lo, _ in ordered], [hi for _, hi in ordered]


@given(_NUMBERS, _PAIRS)
@examples(10)
def test_any_intervals(drawn: list[int], pairs: list[tuple[int, int]]) -> None:
    """Overlapping, nested, unsorted, empty and repeated intervals of integers, the ends of int64 among them."""
    _assert_as_a_loop(np.array(drawn, np.int64), *_ends(pairs, len(drawn)))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50), _PAIRS)
@examples(5)
def test_any_intervals_of_floats(drawn: list[float], pairs: list[tuple[int, int]]) -> None:
    """And of floats, infinite ones too."""
    _assert_as_a_loop(np.array(drawn, np.float64), *_ends(pairs, len(drawn)))


@given(_NUMBERS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.booleans())
@examples(5)
def test_many_intervals_to_the_end(drawn: list[int], starts: list[int], mixed: bool) -> None:
    """Intervals that end with the array, alone and between others."""
    count = len(drawn)
    lo = [start % count for start in starts]
    hi = [count if not mixed or place % 2 else max(start, count - 1) for place, start in enumerate(lo)]
    _assert_as_a_loop(np.array(drawn, np.int64), lo, hi)


@pytest.mark.parametrize("shape", ["short", "long", "nested", "staircase", "backwards", "everything", "to the end"])
def test_large_arrays(shape: str) -> None:
    """Twenty thousand elements under three hundred intervals of every shape."""
    rng = np.random.default_rng(8)
    count, rows = 20_000, 300
    step = np.arange(rows)
    lo, hi = {
        "short": (start := np.sort(rng.integers(0, count - 5, rows)), start + rng.integers(0, 5, rows)),
        "long": (rng.integers(0, 100, rows), count - rng.integers(0, 100, rows)),
        "nested": (step * 20, count - step * 20),
        "staircase": (step * 60, step * 60 + 61),
        "backwards": (step[::-1] * 60, step[::-1] * 60 + 200),
        "everything": (np.zeros(rows, np.int64), np.full(rows, count)),
        "to the end": (rng.integers(0, count, rows), np.full(rows, count)),
    }[shape]
    _assert_as_a_loop(rng.integers(LEAST, MOST, count), lo, hi)


def test_short_and_long_are_chosen_by_their_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long overlapping intervals are not walked, where that would look at each element many times."""
    values = np.random.default_rng(9).integers(0, 10**9, 10_000)
    walked: list[int] = []
    walk = ranges._walk
    monkeypatch.setattr(ranges, "_walk", lambda *given: (walked.append(len(given[1])), walk(*given))[1])
    short = np.arange(0, 10_000, 5)
    range_extreme(values, short, short + 5, largest=True)
    assert walked == [2000]
    long = np.arange(5000)
    range_extreme(values, long, long + 5000, largest=True)
    assert walked == [2000]


def test_nothing_asked() -> None:
    """No rows, no values, and nothing but empty intervals."""
    none = np.zeros(0, np.int64)
    for values in (none, np.array([3, 1]), np.zeros(0)):
        assert range_extreme(values, none, none, largest=True).tolist() == []
        assert range_extreme(values, np.zeros(2, np.int64), np.zeros(2, np.int64), largest=False).tolist() == [0, 0]
    assert range_extreme(np.array([3, 1]), np.array([2, 1]), np.array([2, 1]), largest=True).tolist() == [0, 0]
