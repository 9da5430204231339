"""Mixtures of rankers: one scale, weights by validation."""

import numpy as np
import pytest

from storekeeper.errors import DataError
from storekeeper_training.next_item import build_sequences, evaluate_ranker, load_ranker
from storekeeper_training.next_item.blend import Blend, blend_fitted
from storekeeper_training.next_item.blend_weights import on_scale
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.session_knn import SessionKnn
from training.next_item.next_item_rows import random_sequences, walks

COUNTING = Blend(members=(Markov(), SessionKnn(), Popularity()), steps=5)


def silent(done, total, note):
    """Tell nobody."""


def test_scores_on_one_scale_have_mean_0_and_deviation_1_and_keep_their_order():
    """A row of equal scores gives zeros; asinh keeps the order too."""
    rows = random_sequences(0)
    scores = np.random.default_rng(0).lognormal(0, 3, (len(rows), len(rows.catalogue))).astype(np.float32)
    scores[3] = 7
    standard = on_scale(scores, rows, "standard")
    np.testing.assert_allclose(standard.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.delete(standard.std(axis=1), 3), 1, rtol=1e-4)
    assert not standard[3].any()
    np.testing.assert_array_equal(
        np.argsort(np.delete(on_scale(scores, rows, "asinh"), 3, axis=0)), np.argsort(np.delete(scores, 3, axis=0))
    )


def test_seen_items_do_not_stretch_the_scale_where_nothing_repeats():
    """Whatever the history's items score, the others' scale is the same."""
    rows = random_sequences(0, repeats=False)
    scores = np.random.default_rng(0).random((len(rows), len(rows.catalogue))).astype(np.float32)
    raised = scores.copy()
    raised[rows.history.rows, rows.history.values] += 1000
    np.testing.assert_allclose(on_scale(raised, rows, "standard"), on_scale(scores, rows, "standard"), atol=1e-5)


@pytest.mark.parametrize("repeats", [True, False])
def test_a_blend_is_at_least_as_good_as_each_member_where_it_is_chosen(repeats):
    """The members alone are among what is tried, and the figure on record is that of the ranker."""
    train, later = random_sequences(0, repeats=repeats), random_sequences(2, repeats=repeats)
    members = {model.name: model.fit(train, later, 0, silent) for model in COUNTING.members}
    blend = blend_fitted(members, later, 0, silent)
    figures = {name: evaluate_ranker(member, later).means["ndcg_at_10"] for name, member in members.items()}
    assert evaluate_ranker(blend, later).means["ndcg_at_10"] >= max(figures.values()) - 1e-9


def test_members_without_weight_are_left_out(tmp_path):
    """On the ring popularity adds nothing; the folder holds the others alone and is read alike."""
    train, later = walks(200, 20, 0), walks(80, 20, 1)
    blend = COUNTING.fit(train, later, 0, silent)
    assert "popularity" not in blend.parameters
    assert blend.weights.sum() == pytest.approx(1)
    blend.save(tmp_path)
    assert len(list(tmp_path.glob("member_*"))) == len(blend.members)
    np.testing.assert_array_equal(load_ranker(tmp_path).scores(later), blend.scores(later))


def test_weights_need_rows_with_targets():
    """Without a target nothing can be chosen."""
    train = walks(20, 5, 0)
    bare = build_sequences(train.catalogue, [[1], [2]])
    with pytest.raises(DataError, match="none"):
        blend_fitted({"popularity": Popularity().fit(train, train, 0, silent)}, bare, 0, silent)
