"""Metrics over the full catalogue, against loops."""

from dataclasses import dataclass, replace
from math import log2

import numpy as np
import pytest

from storekeeper.errors import DataError
from storekeeper_training.next_item import build_sequences, evaluate_ranker, fit_catalogue, ranking
from storekeeper_training.next_item.intervals import mean_interval
from storekeeper_training.next_item.ranking import NEVER, target_ranks
from training.next_item.next_item_rows import random_sequences


@dataclass(frozen=True)
class FixedRanker:
    """Scores by row, given by the row's number in the context."""

    table: np.ndarray

    def scores(self, sequences):
        return self.table[sequences.context["row"]]


def _numbered(sequences):
    return replace(sequences, context={"row": np.arange(len(sequences))})


def _naive(scores, sequences, cutoff):
    """Every metric by loops over an explicitly sorted catalogue."""
    found = {"hr": [], "ndcg": [], "mrr": [], "recall": []}
    for row, (history, targets) in enumerate(
        zip(sequences.history.as_lists(), sequences.targets.as_lists(), strict=True)
    ):
        n_targets = len(targets) + int(sequences.missed[row])
        if n_targets == 0:
            continue
        shown = [item for item in range(scores.shape[1]) if sequences.repeats or item not in history]
        shown.sort(key=lambda item: (-scores[row, item], item in targets, item))
        places = [place for place, item in enumerate(shown[:cutoff], start=1) if item in targets]
        ideal = sum(1 / log2(1 + place) for place in range(1, min(cutoff, n_targets) + 1))
        found["hr"].append(float(bool(places)))
        found["ndcg"].append(sum(1 / log2(1 + place) for place in places) / ideal)
        found["mrr"].append(1 / places[0] if places else 0.0)
        found["recall"].append(len(places) / n_targets)
    return found


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("cutoff", [1, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_a_sorted_catalogue(monkeypatch, repeats, cutoff, seed):
    """Over full catalogues with ties, several targets, unknown targets and seen items, in batches of any size."""
    sequences = _numbered(random_sequences(seed, repeats=repeats))
    scores = np.random.default_rng(seed).integers(0, 4, (len(sequences), len(sequences.catalogue))).astype(np.float32)
    monkeypatch.setattr(ranking, "_SCORES_AT_ONCE", 50)
    found = evaluate_ranker(FixedRanker(scores), sequences, [cutoff])
    for name, values in _naive(scores, sequences, cutoff).items():
        np.testing.assert_allclose(found.figures[f"{name}_at_{cutoff}"], values, err_msg=name)
    assert found.missed == sequences.missed.sum()
    assert len(found.rows) == (sequences.n_targets > 0).sum()


def test_a_ranker_that_scores_all_alike_hits_nothing():
    """Ties count against the model."""
    rows = build_sequences(fit_catalogue(range(50)), [[1]] * 50, [[item] for item in range(50)])
    assert target_ranks(np.zeros((50, 50), np.float32), rows).tolist() == [50] * 50


def test_a_seen_target_is_never_reached_where_nothing_repeats():
    """The history's items are left out of the ranks, a target among them too."""
    rows = build_sequences(fit_catalogue(range(4)), [[0, 1]], [[1, 3]], repeats=False)
    assert target_ranks(np.array([[9, 8, 7, 6]], np.float32), rows).tolist() == [NEVER, 2]


def test_scores_that_are_not_finite_or_of_another_shape_are_refused():
    """NaN would stand anywhere."""
    rows = build_sequences(fit_catalogue(range(2)), [[0]], [[1]])
    with pytest.raises(DataError, match="finite"):
        target_ranks(np.array([[np.nan, 1]], np.float32), rows)
    with pytest.raises(DataError, match=r"\(1, 2\) were expected"):
        target_ranks(np.zeros((2, 2), np.float32), rows)


def test_rows_without_a_target_give_no_figure():
    """With none at all the mean is NaN and no interval can be drawn."""
    rows = _numbered(build_sequences(fit_catalogue(range(2)), [[0], [1]], [[], None]))
    found = evaluate_ranker(FixedRanker(np.zeros((2, 2), np.float32)), rows)
    assert np.isnan(found.means["mrr"])
    with pytest.raises(DataError, match="no rows"):
        mean_interval(found.figures["mrr"], seed=0)


def test_an_interval_covers_the_normal_one():
    """200 draws of 400 rows lie about ±1.96 standard errors around the mean."""
    values = np.random.default_rng(0).random(400)
    interval = mean_interval(values, seed=1)
    error = values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.35 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.35 * error)


def test_rows_of_one_group_come_and_go_together():
    """Rows repeated ten times in their groups give the interval of the rows, not a narrower one."""
    values = np.random.default_rng(0).random(200)
    alone = mean_interval(values, seed=1)
    repeated = mean_interval(np.repeat(values, 10), seed=1, groups=np.repeat(np.arange(200), 10))
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))
