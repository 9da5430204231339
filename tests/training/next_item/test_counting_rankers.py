"""Rankers that count: fitted, against loops, saved and read."""

import json

import numpy as np
import pytest

from storekeeper.errors import DataError, NotFoundError
from storekeeper_training.models.model import FitProgress
from storekeeper_training.next_item import build_sequences, evaluate_ranker, fit_catalogue, load_ranker
from storekeeper_training.next_item.ease import Ease, solve_ease
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.own_frequency import OwnFrequency
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.session_knn import SessionKnn
from training.next_item.next_item_rows import random_sequences, walks

MODELS = (Popularity(), OwnFrequency(), Markov(), SessionKnn(), Ease())


def silent(done, total, note):
    """Tell nobody."""


quiet: FitProgress = silent


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_ranker_read_from_its_folder_scores_as_the_one_that_was_fitted(tmp_path, model):
    """Bit for bit, from JSON and plain arrays; the catalogue and the chosen settings come back too."""
    train, later = random_sequences(0), random_sequences(2)
    ranker = model.fit(train, later, 0, quiet)
    ranker.save(tmp_path)
    again = load_ranker(tmp_path)
    assert type(again) is type(ranker)
    assert again.catalogue.same_as(ranker.catalogue)
    assert again.parameters == ranker.parameters
    scores = ranker.scores(later)
    assert scores.shape == (len(later), len(later.catalogue))
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(again.scores(later), scores)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_scores_are_finite_and_rows_are_scored_one_by_one(model):
    """A row's scores don't depend on the others; an empty history and no rows at all are scored too."""
    train, later = random_sequences(0), random_sequences(2)
    ranker = model.fit(train, later, 0, quiet)
    together = ranker.scores(later)
    assert np.isfinite(together).all()
    alone = np.concatenate([ranker.scores(batch) for _, batch in later.batches(1)])
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-7)
    assert ranker.scores(later.take(np.empty(0, np.int64))).shape == (0, len(later.catalogue))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_sequences_of_another_catalogue_are_refused(model):
    """Codes of another catalogue mean other items."""
    ranker = model.fit(random_sequences(0), random_sequences(2), 0, quiet)
    with pytest.raises(DataError, match="another catalogue"):
        ranker.scores(random_sequences(0, n_items=13))


def test_popularity_counts_only_the_window():
    """What sold before the last 7 days doesn't count; without times everything does."""
    days = np.array([0, 0, 0, 9, 9], dtype="datetime64[D]").astype("datetime64[us]")
    lists = [[1], [1], [1], [2], [3]]
    catalogue = fit_catalogue([1, 2, 3])
    timed = build_sequences(catalogue, [[]] * 5, lists, times=days)
    ranker = Popularity(windows_days=(7,)).fit(timed, timed, 0, quiet)
    np.testing.assert_allclose(ranker.shares, [0, 0.5, 0.5])
    untimed = build_sequences(catalogue, [[]] * 5, lists)
    np.testing.assert_allclose(Popularity().fit(untimed, untimed, 0, quiet).shares, [0.6, 0.2, 0.2])


def test_own_frequency_decays_by_place():
    """The item taken twice long ago wins when places count alike, the last one when they fade."""
    rows = build_sequences(fit_catalogue([1, 2, 3]), [[1, 1, 2, 3]], [[1]])
    counted = OwnFrequency(decays=(1.0,)).fit(rows, rows, 0, quiet).scores(rows)
    faded = OwnFrequency(decays=(0.5,)).fit(rows, rows, 0, quiet).scores(rows)
    np.testing.assert_allclose(counted[0], [2, 1, 1], atol=2e-3)
    np.testing.assert_allclose(faded[0], [0.125 + 0.25, 0.5, 1], atol=2e-3)


@pytest.mark.parametrize("positions", ["every", "targets"])
def test_markov_is_the_mixture_written_out(positions):
    """Decayed transitions over popularity, by loops."""
    train, asked = random_sequences(6), random_sequences(8)
    lags, decay, smoothing, n_items = 3, 0.6, 2.0, len(train.catalogue)
    counts, popular = np.zeros((n_items, n_items)), np.zeros(n_items)
    for history, targets in zip(train.history.as_lists(), train.targets.as_lists(), strict=True):
        popular[targets] += 1
        pairs = [(len(history), target) for target in targets]
        if positions == "every":
            pairs += list(enumerate(history))
            np.add.at(popular, history, 1)
        for place, item in pairs:
            for lag in range(min(lags, place)):
                counts[history[place - 1 - lag], item] += decay**lag
    popular /= popular.sum()
    chances = (counts + smoothing * popular) / (counts.sum(axis=1, keepdims=True) + smoothing)
    model = Markov(lags=(lags,), decays=(decay,), smoothings=(smoothing,), positions=positions)
    scores = model.fit(train, asked, 0, quiet).scores(asked)
    for row, history in enumerate(asked.history.as_lists()):
        weights = [decay**lag for lag in range(min(lags, len(history)))]
        mixed = sum(weight * chances[item] for weight, item in zip(weights, history[::-1], strict=False))
        np.testing.assert_allclose(scores[row], mixed / sum(weights) if history else popular, rtol=1e-5)


def test_session_knn_is_the_vote_of_the_nearest_written_out():
    """Cosine to every training row, the nearest ones vote for what they hold."""
    train, asked = random_sequences(6), random_sequences(8)
    model = SessionKnn(neighbours=(5,), decays=(0.7,), rare_items_count=(False,))
    scores = model.fit(train, asked, 0, quiet).scores(asked)
    pairs = zip(train.history.as_lists(), train.targets.as_lists(), strict=True)
    sessions = [set(history) | set(targets) for history, targets in pairs]
    for row, history in enumerate(asked.history.as_lists()):
        weights = np.zeros(len(train.catalogue))
        for age, item in enumerate(history[::-1]):
            weights[item] += 0.7**age
        near = [sum(weights[item] for item in held) / np.sqrt(max(1, len(held))) for held in sessions]
        order = sorted(range(len(near)), key=lambda at: (-np.float32(near[at]).round(5), -at))[:5]
        votes = sum(
            (near[at] * np.isin(np.arange(len(weights)), list(sessions[at])) for at in order), start=0 * weights
        )
        np.testing.assert_allclose(scores[row], votes, atol=2e-4)


def test_ease_solves_the_ridge_of_each_item_on_the_others():
    """Each column is the ridge regression of that item on the rest, its own weight 0."""
    rng = np.random.default_rng(0)
    held = (rng.random((30, 5)) < 0.4).astype(float)
    weights = solve_ease(held.T @ held, ridge=2.0)
    for item in range(5):
        rest = [other for other in range(5) if other != item]
        gram = held[:, rest].T @ held[:, rest] + 2.0 * np.eye(4)
        np.testing.assert_allclose(
            weights[rest, item], np.linalg.solve(gram, held[:, rest].T @ held[:, item]), atol=1e-5
        )
        assert weights[item, item] == 0


def test_markov_finds_the_ring():
    """Where each item is followed by its neighbour, transitions find it and popularity doesn't."""
    train, later = walks(200, 20, 0), walks(50, 20, 1)
    figures = {model.name: evaluate_ranker(model.fit(train, later, 0, quiet), later).means for model in MODELS}
    assert figures["markov"]["ndcg_at_10"] > 0.85
    assert figures["popularity"]["ndcg_at_10"] < 0.5


def test_a_damaged_folder_is_refused_by_the_name_of_the_file(tmp_path):
    """A missing array, a pickled one, an unknown kind and another format each say what is wrong."""
    ranker = Popularity().fit(random_sequences(0), random_sequences(2), 0, quiet)
    ranker.save(tmp_path)
    np.save(tmp_path / "shares.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"shares\.npy"):
        load_ranker(tmp_path)
    (tmp_path / "shares.npy").unlink()
    with pytest.raises(NotFoundError, match=r"No shares\.npy"):
        load_ranker(tmp_path)
    card = json.loads((tmp_path / "ranker.json").read_text())
    (tmp_path / "ranker.json").write_text(json.dumps(card | {"kind": "oracle"}))
    with pytest.raises(NotFoundError, match=r"'oracle'\. There are: 'blend', 'ease'"):
        load_ranker(tmp_path)
    (tmp_path / "ranker.json").write_text(json.dumps(card | {"format": 9}))
    with pytest.raises(DataError, match="format 9"):
        load_ranker(tmp_path)


def test_what_is_chosen_is_the_best_on_validation():
    """No other setting alone has a greater NDCG@10 on the validation rows, and the best isn't the first tried."""
    train, later = walks(200, 20, 0), walks(50, 20, 1)
    chosen = OwnFrequency(decays=(0.5, 1.0, 2.0)).fit(train, later, 0, quiet)
    figures = {
        decay: evaluate_ranker(OwnFrequency(decays=(decay,)).fit(train, later, 0, quiet), later).means["ndcg_at_10"]
        for decay in (0.5, 1.0, 2.0)
    }
    assert chosen.parameters["decay"] == max(figures, key=lambda decay: figures[decay])
    assert chosen.parameters["decay"] != 0.5
