"""Fitting the encoding of one number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from storekeeper.artefact import Encoder
from storekeeper_training.encode_number import fit_piecewise_linear, fit_quantile

SOME_NUMBERS = st.lists(st.one_of(st.floats(-1e6, 1e6, allow_subnormal=False), st.integers(-3, 3)), min_size=1)


@given(values=st.lists(st.integers(-50, 50), min_size=2, max_size=200))
def test_scores_of_few_values_are_normal_scores_of_mid_ranks(values: list[int]) -> None:
    """With ties and without, the score is the normal quantile of (mid-rank - 0.5) / n."""
    column = fit_quantile("x", np.array(values, dtype=np.float64))
    scores = Encoder((column,)).transform({"x": values})[:, 0]
    np.testing.assert_allclose(scores, norm.ppf((rankdata(values) - 0.5) / len(values)), rtol=0, atol=1e-5)


def test_scores_of_many_values_are_normal() -> None:
    """Whatever the distribution, scores are standard normal to within the corners' distance, their ends cut."""
    values = np.random.default_rng(0).lognormal(3, 2, 50_000)
    scores = Encoder((fit_quantile("x", values),)).transform({"x": values})[:, 0]
    exact = norm.ppf((rankdata(values) - 0.5) / len(values))
    inner = np.abs(exact) < 2.8
    np.testing.assert_allclose(scores[inner], exact[inner], rtol=0, atol=0.06)
    assert np.abs(scores).max() < 2.9


@given(values=SOME_NUMBERS, bins=st.integers(1, 20))
def test_any_numbers_fit(values: list[float], bins: int) -> None:
    """Numbers however tied or near encode to finite outputs in their order, with null marked where it came."""
    known = np.array(values, dtype=np.float64)
    for column in (fit_quantile("x", known), fit_piecewise_linear("x", known, bins)):
        matrix = Encoder((column,)).transform({"x": known})
        assert not column.indicator
        assert np.isfinite(matrix).all()
        assert (np.diff(matrix[np.argsort(known)].sum(axis=1)) >= -1e-5).all()
    for column in (fit_quantile("x", np.append(known, np.nan)), fit_piecewise_linear("x", np.append(known, np.nan), 4)):
        assert column.indicator


@pytest.mark.parametrize("shape", ["uniform", "lognormal"])
def test_bins_part_the_rows_evenly(shape: str) -> None:
    """Of ten bins each ends where another tenth of the rows does, in the scale of the logarithm for heavy tails."""
    rng = np.random.default_rng(1)
    values = rng.uniform(-1, 5, 10_000) if shape == "uniform" else rng.lognormal(2, 1.5, 10_000)
    column = fit_piecewise_linear("x", values, 10)
    assert column.log1p == (shape == "lognormal")
    shaped = np.log1p(values) if column.log1p else values
    counts, _ = np.histogram(shaped, column.corners)
    assert column.width == 10
    np.testing.assert_allclose(counts, 1000, atol=1)


def test_equal_quantiles_leave_fewer_bins() -> None:
    """A count that is zero in most rows has a corner at each value that quantiles meet, and no empty bin."""
    column = fit_piecewise_linear("x", np.repeat([0.0, 1.0, 2.0], [700, 200, 100]), 10)
    assert column.corners == (0.0, 1.0, 2.0)


@pytest.mark.parametrize("fit", [fit_quantile, lambda name, values: fit_piecewise_linear(name, values, 8)])
def test_a_number_that_is_constant_where_known_tells_by_its_indicator(fit: object) -> None:
    """One known value beside nulls, or none at all, encodes to a constant and the indicator."""
    values = np.array([5.0, np.nan, 5.0])
    matrix = Encoder((fit("x", values),)).transform({"x": values})  # type: ignore[operator]
    np.testing.assert_array_equal(matrix, [[0, 0], [0, 1], [0, 0]])
    unknown = np.full(3, np.nan)
    np.testing.assert_array_equal(Encoder((fit("x", unknown),)).transform({"x": unknown})[:, 1], 1)  # type: ignore[operator]
