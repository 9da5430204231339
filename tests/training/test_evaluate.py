"""Figures against values computed by hand."""

import numpy as np
import pytest

from storekeeper.errors import DataError
from storekeeper_training.evaluate import best_threshold, calibration_bins, calibration_error, evaluate

LABELS = np.array([0, 1, 0, 1], dtype=np.int8)
PROBABILITIES = np.array([0.1, 0.4, 0.6, 0.8])


def test_figures_by_hand() -> None:
    """Every figure of four rows is what pen and paper give."""
    figures = evaluate(LABELS, PROBABILITIES, threshold=0.5)
    # Of the four pairs of a positive and a negative, three are in order.
    assert figures.auc == pytest.approx(3 / 4)
    # Precision is 1 at the first positive and 2/3 at the second.
    assert figures.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert figures.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.8]).mean())
    assert figures.brier == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    assert (figures.accuracy, figures.precision, figures.recall, figures.f1) == (0.5, 0.5, 0.5, 0.5)
    assert (figures.rows, figures.positives, figures.threshold) == (4, 2, 0.5)


def test_threshold_is_inclusive() -> None:
    """A probability equal to the threshold is a yes."""
    assert evaluate(LABELS, PROBABILITIES, threshold=0.8).precision == 1.0


def test_no_yes_has_precision_nought() -> None:
    """Where no answer is yes, precision, recall and F1 are 0, without a warning."""
    figures = evaluate(LABELS, PROBABILITIES, threshold=0.9)
    assert (figures.precision, figures.recall, figures.f1) == (0.0, 0.0, 0.0)


def test_best_threshold_has_the_greatest_f1() -> None:
    """No threshold among the probabilities has a greater F1 than the one chosen."""
    rng = np.random.default_rng(1)
    probabilities = rng.random(300).round(2)
    labels = (rng.random(300) < probabilities).astype(np.int8)
    chosen = evaluate(labels, probabilities, best_threshold(labels, probabilities)).f1
    assert chosen == max(evaluate(labels, probabilities, t).f1 for t in np.unique(probabilities))


def test_calibration_error_by_hand() -> None:
    """Two bins, off by 0.25 and 0.2, weigh alike."""
    labels = np.array([0, 1, 1, 1], dtype=np.int8)
    probabilities = np.array([0.2, 0.3, 0.75, 0.85])
    assert calibration_error(labels, probabilities, bins=2) == pytest.approx((0.25 + 0.2) / 2)


def test_bins_have_equal_mass() -> None:
    """Bins differ by at most one row, and fewer rows than bins make fewer bins."""
    probabilities = np.linspace(0, 1, 100)
    labels = (probabilities > 0.5).astype(np.int8)
    rows = calibration_bins(labels, probabilities, 15)[2]
    assert rows.sum() == 100
    assert rows.max() - rows.min() <= 1
    assert len(calibration_bins(labels[:3], probabilities[:3], 15)[2]) == 3


def test_perfect_calibration_has_no_error() -> None:
    """Probabilities equal to the rates of their bins have error 0."""
    probabilities = np.repeat([0.25, 0.75], 8)
    labels = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0], dtype=np.int8)
    assert calibration_error(labels, probabilities, bins=2) == pytest.approx(0)


@pytest.mark.parametrize("labels", [np.zeros(4, np.int8), np.ones(4, np.int8)])
def test_one_class_is_refused(labels: np.ndarray) -> None:
    """Rows of one class are an error, not a figure that means nothing."""
    with pytest.raises(DataError, match="both classes"):
        evaluate(labels, PROBABILITIES, 0.5)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    """A value outside [0, 1] is an error."""
    with pytest.raises(DataError, match="between 0 and 1"):
        evaluate(LABELS, np.array([0.1, 0.4, 0.6, bad]), 0.5)


def test_unequal_lengths_are_refused() -> None:
    """Labels and probabilities of unequal length are an error."""
    with pytest.raises(DataError, match="4 labels but 3"):
        evaluate(LABELS, PROBABILITIES[:3], 0.5)
