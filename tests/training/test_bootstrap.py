"""The paired bootstrap: its figures are scikit-learn's, its draws whole entities."""

import numpy as np
import pytest
from sklearn import metrics

from storekeeper.errors import DataError
from storekeeper_training.bootstrap import PairedBootstrap, draw_entities, weighted_figures


def rows(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with ties, and the entities they belong to."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.3).astype(np.int8)
    return labels, np.round(rng.random(n) * 0.8 + 0.1 * labels, 2), rng.integers(0, 40, n)


def test_figures_are_those_of_scikit_learn() -> None:
    """Under any weights, zeros and ties among them, AUC and average precision are scikit-learn's."""
    labels, probabilities, entities = rows()
    codes = np.unique(entities, return_inverse=True)[1]
    weights = draw_entities(40, seed=3, draws=5)[:, codes]
    area, precision = weighted_figures(labels, probabilities, weights)
    for at, drawn in enumerate(weights):
        assert area[at] == pytest.approx(metrics.roc_auc_score(labels, probabilities, sample_weight=drawn))
        expected = metrics.average_precision_score(labels, probabilities, sample_weight=drawn)
        assert precision[at] == pytest.approx(expected)


def test_draws_are_with_replacement() -> None:
    """Each draw has as many entities as there are, some often, some never; the seed decides which."""
    drawn = draw_entities(30, seed=1, draws=50)
    assert (drawn.sum(axis=1) == 30).all()
    assert drawn.min() == 0
    assert drawn.max() > 1
    np.testing.assert_array_equal(drawn, draw_entities(30, seed=1, draws=50))


def test_rows_of_an_entity_come_and_go_together() -> None:
    """With every row twice under its own entity, the interval is that of the single rows."""
    labels, probabilities, entities = rows()
    noise = np.random.default_rng(2).random(len(labels))
    (single,) = PairedBootstrap(labels, entities, seed=0).compare(("a", probabilities), [("b", noise)])
    twice = PairedBootstrap(np.tile(labels, 2), np.tile(entities, 2), seed=0)
    (double,) = twice.compare(("a", np.tile(probabilities, 2)), [("b", np.tile(noise, 2))])
    assert double.auc.low == pytest.approx(single.auc.low)
    assert double.average_precision.high == pytest.approx(single.average_precision.high)


def test_a_model_against_itself() -> None:
    """A pair of equal models differs by nothing in any draw: the draws are paired."""
    labels, probabilities, entities = rows()
    (same,) = PairedBootstrap(labels, entities, seed=0).compare(("a", probabilities), [("b", probabilities * 0.5)])
    assert (same.auc.difference, same.auc.low, same.auc.high) == (0, 0, 0)
    assert (same.average_precision.low, same.average_precision.high) == (0, 0)
    assert (same.best, same.other, same.entities, same.draws) == ("a", "b", 40, 200)


def test_a_model_against_chance() -> None:
    """A model that knows the labels beats chance by an interval above 0 that holds the difference."""
    labels, chance, entities = rows()
    good = 0.5 * labels + 0.2 * np.random.default_rng(1).random(len(labels))
    (found,) = PairedBootstrap(labels, entities, seed=0).compare(("good", good), [("chance", chance)])
    for interval in (found.auc, found.average_precision):
        assert 0 < interval.low < interval.difference < interval.high


def test_rows_without_an_entity_each() -> None:
    """Labels and entities of different lengths are refused."""
    with pytest.raises(DataError, match="3 labels but 2 entities"):
        PairedBootstrap(np.array([0, 1, 0], np.int8), np.array([1, 2]), seed=0)
