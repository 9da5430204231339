"""The population stability index and the Kolmogorov-Smirnov statistic against figures from elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from storekeeper.monitor.distance import chance_index, cumulative, kolmogorov_smirnov, stability_index

counts = st.lists(st.integers(0, 10_000), min_size=2, max_size=12).filter(any)


def test_by_hand() -> None:
    """Shares 50/50 against 75/25: 0.25 ln 1.5 + 0.25 ln 2."""
    by_hand = 0.25 * math.log(1.5) + 0.25 * math.log(2)
    assert stability_index(np.array([50, 50]), np.array([75, 25])) == pytest.approx(by_hand, rel=1e-12)


def test_by_hand_with_an_empty_bin() -> None:
    """A bin that is empty on one side counts as a share of 0.0001 there."""
    by_hand = (0.5 - 0.25) * math.log(0.5 / 0.25) + (0.5 - 0.75) * math.log(0.5 / 0.75)
    by_hand += 0.0  # a bin that is empty on both sides
    assert stability_index(np.array([1, 3, 0]), np.array([2, 2, 0])) == pytest.approx(by_hand, rel=1e-12)
    smoothed = (0.5 - 1e-4) * math.log(0.5 / 1e-4) + (0.5 - 1.0) * math.log(0.5 / 1.0)
    assert stability_index(np.array([0, 4]), np.array([2, 2])) == pytest.approx(smoothed, rel=1e-12)


@given(counts)
def test_against_scipy(found: list[int]) -> None:
    """It is the sum of both Kullback-Leibler divergences, as SciPy computes them, where no bin is empty."""
    training, served = np.array(found) + 1, np.array(found[::-1]) + 3
    t, s = training / training.sum(), served / served.sum()
    expected = stats.entropy(s, t) + stats.entropy(t, s)
    if min(t.min(), s.min()) >= 1e-4:
        assert stability_index(training, served) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(counts, st.integers(1, 50))
def test_the_same_shares_give_nothing(found: list[int], times: int) -> None:
    """Equal distributions give 0, whatever the size of the samples."""
    assert stability_index(np.array(found), np.array(found) * times) == pytest.approx(0.0, abs=1e-12)


@given(counts, st.randoms(use_true_random=False))
def test_never_negative_and_symmetric(found: list[int], random: object) -> None:
    """It is no less than 0, and the same whichever sample comes first."""
    other = list(found)
    random.shuffle(other)  # type: ignore[attr-defined]
    one = stability_index(np.array(found), np.array(other))
    assert one >= 0
    assert one == pytest.approx(stability_index(np.array(other), np.array(found)), rel=1e-9, abs=1e-12)


def test_chance_is_what_it_says() -> None:
    """Of samples from one distribution about one in a thousand exceeds it: none to ten of 2,000 do."""
    rng = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    drawn = [(rng.multinomial(4000, shares), rng.multinomial(800, shares)) for _ in range(2000)]
    beyond = sum(stability_index(t, s) > chance_index(t, s) for t, s in drawn)
    assert beyond <= 10
    assert np.mean([stability_index(t, s) / chance_index(t, s) for t, s in drawn]) > 0.2


def test_chance_by_hand() -> None:
    """Two used bins: chi-square with one degree of freedom, whose 0.999 quantile tables give as 10.828."""
    found = chance_index(np.array([50, 50, 0]), np.array([100, 100, 0]))
    assert found == pytest.approx((1 / 100 + 1 / 200) * 10.828, rel=1e-4)
    assert chance_index(np.array([5, 0]), np.array([9, 0])) == 0.0


def test_kolmogorov_smirnov_by_hand() -> None:
    """1, 2, 3 against 2, 3, 4: the distributions are a third apart, first at 1."""
    statistic, p, at = kolmogorov_smirnov(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    assert statistic == pytest.approx(1 / 3)
    assert at in {1.0, 2.0, 3.0}
    assert 0.9 < p <= 1.0


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_kolmogorov_smirnov_is_the_widest_gap(first: list[int], second: list[int]) -> None:
    """Counted out value by value, no gap between the two distributions is wider, ties included."""
    a, b = np.sort(np.array(first, float)), np.sort(np.array(second, float))
    gaps = [
        abs(sum(x <= v for x in first) / len(first) - sum(x <= v for x in second) / len(second)) for v in range(-6, 7)
    ]
    statistic, _, _ = kolmogorov_smirnov(a, b)
    assert statistic == pytest.approx(max(gaps))
    everywhere = np.arange(-6.0, 7.0)
    assert np.max(np.abs(cumulative(a, everywhere) - cumulative(b, everywhere))) == pytest.approx(max(gaps))


def test_kolmogorov_smirnov_from_the_tables() -> None:
    """Smirnov's large-sample table: at 1.36 times the root of 1/n + 1/m the p-value is 0.05."""
    n = 10_000
    shift = round(1.3581 * math.sqrt(2 / n) * n)
    values = np.arange(float(n))
    statistic, p, _ = kolmogorov_smirnov(values, values + shift)
    assert statistic == pytest.approx(shift / n)
    assert p == pytest.approx(0.05, abs=0.002)
