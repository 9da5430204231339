"""Figures of quantities against formulas written out row by row."""

from datetime import timedelta
from math import sqrt

import numpy as np
import pytest

from storekeeper.artefact import Interval
from storekeeper.errors import DataError
from storekeeper_training.problems.conformal import conformal_interval
from storekeeper_training.problems.quantity_comparison import QuantityBootstrap
from storekeeper_training.problems.quantity_figures import QuantityEvaluation, evaluate_quantities
from storekeeper_training.problems.scales import SeriesScales, series_scales

WEEK = timedelta(days=7)
N_SERIES, N_WEEKS = 6, 9
WIDE = Interval(0.8, 0.5, (4.0,), (-1.0, -0.5), (1.0, 2.0))


def history(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, times and series of weekly rows in a random order, some weeks missing."""
    rng = np.random.default_rng(seed)
    series = np.repeat(np.arange(N_SERIES), N_WEEKS)
    weeks = np.tile(np.arange(N_WEEKS), N_SERIES)
    kept = rng.permutation(len(series))[:-8]
    times = np.datetime64("2017-04-03", "us") + weeks * np.timedelta64(7, "D")
    return rng.poisson(5, len(series)).astype(np.float64)[kept], times[kept], series[kept]


def rows(seed: int = 1, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and series of a later period."""
    rng = np.random.default_rng(seed)
    labels = rng.poisson(5, n).astype(np.float64)
    return labels, rng.gamma(5, 1, n), rng.integers(0, N_SERIES, n)


def scales_by_hand(labels: np.ndarray, times: np.ndarray, series: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean absolute and mean squared change from one week to the next of each series."""
    at = {(s, t): y for s, t, y in zip(series.tolist(), times.tolist(), labels.tolist(), strict=True)}
    absolute, squared = [], []
    for one in range(N_SERIES):
        changes = [y - at[s, t - WEEK] for (s, t), y in at.items() if s == one and (s, t - WEEK) in at]
        absolute.append(sum(abs(change) for change in changes) / len(changes))
        squared.append(sum(change**2 for change in changes) / len(changes))
    return absolute, squared


def evaluated(labels: np.ndarray, predictions: np.ndarray, series: np.ndarray) -> QuantityEvaluation:
    scales = series_scales(*history(), WEEK, N_SERIES)
    return evaluate_quantities(labels, predictions, series, scales, WIDE)


@pytest.mark.parametrize("seed", [0, 1])
def test_scales_are_those_of_the_last_week(seed: int) -> None:
    """A series' scale is what its value of a week before misses in training; gaps make no pairs."""
    scales = series_scales(*history(seed), WEEK, N_SERIES)
    absolute, squared = scales_by_hand(*history(seed))
    np.testing.assert_allclose(scales.absolute, absolute)
    np.testing.assert_allclose(scales.squared, squared)


def test_series_that_tell_nothing_have_no_scale() -> None:
    """A series that never changed, that has one row, or whose rows are no horizon apart has none."""
    times = np.array(["2017-04-03", "2017-04-10", "2017-04-03", "2017-04-03", "2017-04-05"], "datetime64[us]")
    labels, series = np.array([2.0, 2.0, 1.0, 1.0, 9.0]), np.array([0, 0, 1, 2, 2])
    scales = series_scales(labels, times, series, WEEK, 4)
    assert np.isnan(scales.squared).all()
    assert np.isnan(scales.absolute).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_scaled_errors_are_the_formulas(seed: int) -> None:
    """RMSSE and MASE are means over series of their errors by their own scales."""
    labels, predictions, series = rows(seed)
    absolute, squared = scales_by_hand(*history())
    rmsse, mase = [], []
    for one in range(N_SERIES):
        errors = [p - y for y, p, s in zip(labels, predictions, series, strict=True) if s == one]
        rmsse.append(sqrt(sum(e**2 for e in errors) / len(errors) / squared[one]))
        mase.append(sum(abs(e) for e in errors) / len(errors) / absolute[one])
    found = evaluated(labels, predictions, series)
    assert found.rmsse == pytest.approx(np.mean(rmsse))
    assert found.mase == pytest.approx(np.mean(mase))
    assert found.unscaled_rows == 0


def test_figures_by_all_units() -> None:
    """WAPE, bias, RMSE and MAE are the formulas."""
    found = evaluated(np.array([4.0, 0.0, 6.0]), np.array([5.0, 1.0, 3.0]), np.array([0, 1, 0]))
    assert (found.rows, found.units) == (3, 10.0)
    assert found.wape == pytest.approx(5 / 10)
    assert found.bias == pytest.approx(-1 / 10)
    assert found.rmse == pytest.approx(sqrt(11 / 3))
    assert found.mae == pytest.approx(5 / 3)


def test_coverage_and_width() -> None:
    """An interval holds its ends, never reaches below 0, and takes the factors of the prediction's group."""
    labels, predictions = np.array([0.0, 5.0, 15.0]), np.array([0.0, 3.0, 8.0])
    low, high = WIDE.bounds(predictions)
    np.testing.assert_allclose(low, [0.0, 1.0, 6.5])
    np.testing.assert_allclose(high, [1.0, 5.0, 14.0])
    found = evaluated(labels, predictions, np.array([0, 1, 2]))
    assert found.coverage == pytest.approx(2 / 3)
    assert found.width == pytest.approx((1.0 + 4.0 + 7.5) / 20)


def test_rows_without_a_scale_are_counted() -> None:
    """Rows of a series without a scale are in WAPE, and in RMSSE not; without any scale nothing is evaluated."""
    scales = SeriesScales(np.array([1.0, np.nan]), np.array([4.0, np.nan]))
    labels, predictions, series = np.array([2.0, 2.0]), np.array([4.0, 9.0]), np.array([0, 1])
    found = evaluate_quantities(labels, predictions, series, scales, WIDE)
    assert (found.rmsse, found.mase, found.unscaled_rows) == (1.0, 2.0, 1)
    assert found.wape == pytest.approx(9 / 4)
    with pytest.raises(DataError, match="None of the series"):
        evaluate_quantities(labels[1:], predictions[1:], series[1:], scales, WIDE)


@pytest.mark.parametrize("predictions", [[1.0, -0.5], [1.0, np.nan], [1.0, np.inf], [1.0]])
def test_what_is_no_quantity_is_refused(predictions: list[float]) -> None:
    """Predictions below 0, without a number, or of another length are errors."""
    with pytest.raises(DataError, match=r"predictions|from 0 on"):
        evaluated(np.array([1.0, 2.0]), np.array(predictions), np.array([0, 1])[: len(predictions)])


def test_intervals_hold_what_they_say() -> None:
    """On rows like those that it was learnt from, an interval holds its share, for small and for large quantities."""
    rng = np.random.default_rng(3)
    means = rng.lognormal(2, 1.5, 40_000)
    labels = rng.poisson(means * rng.gamma(10, 0.1, len(means))).astype(np.float64)
    half = len(means) // 2
    interval = conformal_interval(labels[:half], means[:half])
    low, high = interval.bounds(means[half:])
    within = (labels[half:] >= low) & (labels[half:] <= high)
    for part in np.array_split(np.argsort(means[half:]), 5):
        assert 0.78 < within[part].mean() < 0.9
    assert len(interval.low) == 5


def test_few_rows_make_one_group() -> None:
    """With too few rows for groups, all share one; with a handful, the interval holds every one of them."""
    labels = np.array([1.0, 9.0, 3.0])
    interval = conformal_interval(labels, np.array([2.0, 4.0, 6.0]))
    assert interval.edges == ()
    low, high = interval.bounds(np.array([2.0, 4.0, 6.0]))
    assert ((labels >= low) & (labels <= high)).all()


def bootstrap(repeat: int = 1) -> tuple[QuantityBootstrap, np.ndarray]:
    labels, predictions, series = (np.tile(part, repeat) for part in rows())
    scales = series_scales(*history(), WEEK, N_SERIES)
    return QuantityBootstrap(labels, series, series, scales, seed=0), predictions


def test_bootstrap_starts_from_the_figures() -> None:
    """The rows as they are give the figures of the evaluation; draws vary about them."""
    labels, predictions, series = rows()
    whole = evaluated(labels, predictions, series)
    rmsse, wape = bootstrap()[0].figures(predictions)
    assert (rmsse[0], wape[0]) == (pytest.approx(whole.rmsse), pytest.approx(whole.wape))
    assert rmsse[1:].min() < rmsse[0] < rmsse[1:].max()
    assert len(rmsse) == len(wape) == 201


def test_a_draw_takes_whole_series() -> None:
    """A draw's RMSSE is the mean over the series drawn, each as often as it was drawn."""
    labels, predictions, series = rows()
    scales = series_scales(*history(), WEEK, N_SERIES)
    alone = [
        evaluate_quantities(labels[series == s], predictions[series == s], series[series == s], scales, WIDE).rmsse
        for s in range(N_SERIES)
    ]
    drawn = QuantityBootstrap(labels, series, series, scales, seed=5, draws=1)
    from storekeeper_training.bootstrap import draw_entities

    weights = draw_entities(N_SERIES, 5, 1)[0]
    assert drawn.figures(predictions)[0][1] == pytest.approx(np.average(alone, weights=weights))


def test_equal_forecasts_differ_by_nothing() -> None:
    """Draws are paired: a forecast against itself differs in none, and one that knows the labels wins in all."""
    paired, predictions = bootstrap()
    same, better = paired.compare(("a", predictions), [("b", predictions), ("truth", rows()[0])])
    assert (same.rmsse.low, same.rmsse.high, same.wape.low, same.wape.high) == (0, 0, 0, 0)
    assert better.rmsse.low > 0
    assert better.wape.low > 0
    assert [title for title, _ in better.parts] == ["RMSSE", "WAPE"]
