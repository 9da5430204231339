"""The Transformer: learnt, exported and read without TensorFlow. One small fit serves all tests."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from storekeeper.errors import CheckFailedError, DataError, NotFoundError
from storekeeper_training.models.reference_network import import_keras
from storekeeper_training.next_item import build_sequences, evaluate_ranker, load_ranker
from storekeeper_training.next_item.blend import blend_fitted
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.transformer import Transformer, check_parity
from storekeeper_training.next_item.transformer_network import TransformerShape, build_network
from training.next_item.next_item_rows import walks

pytest.importorskip("keras", reason="the package 'keras' is missing")

SMALL = Transformer(length=6, width=16, dropout=0.0, learning_rate=2e-2, averaging=0.8, epochs=8, batch_rows=32)


def silent(done, total, note):
    """Tell nobody."""


@pytest.fixture(scope="module")
def later():
    """Rows that come after the training rows."""
    return walks(60, 15, 1)


@pytest.fixture(scope="module")
def ranker(later):
    """A Transformer that has learnt the ring."""
    return SMALL.fit(walks(200, 15, 0), later, 0, silent)


def test_it_learns_the_ring(ranker, later):
    """The next item of a ring is found nine times of ten; popularity finds it once in fifteen."""
    assert evaluate_ranker(ranker, later, [1]).means["hr_at_1"] > 0.75


def test_it_is_read_without_tensorflow_and_scores_alike(ranker, later, tmp_path):
    """Another process reads the folder, gives the same scores and never imports TensorFlow or Keras."""
    ranker.save(tmp_path)
    np.save(tmp_path / "expected.npy", ranker.scores(later))
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from storekeeper_training.next_item import load_ranker\n"
        "from training.next_item.next_item_rows import walks\n"
        "folder = Path(sys.argv[1])\n"
        "scores = load_ranker(folder).scores(walks(60, 15, 1))\n"
        "np.testing.assert_array_equal(scores, np.load(folder / 'expected.npy'))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_attention_is_one_weight_an_item_and_the_rest_goes_to_the_start(ranker, later):
    """Weights stand by the items that are read; a history as long as the window shares all among them."""
    items, weights = ranker.attention(later)
    assert items.as_lists() == later.history.last(6).as_lists()
    np.testing.assert_allclose(np.bincount(items.rows, weights), 1.0, atol=1e-5)
    short = build_sequences(later.catalogue, [[3, 4], []])
    items, weights = ranker.attention(short)
    assert items.as_lists() == [[3, 4], []]
    assert (weights > 0).all()
    assert weights.sum() < 1


def test_a_row_is_scored_alike_alone_and_beside_longer_ones(ranker, later):
    """Padding changes nothing; an empty history is scored too, and what is older than the window isn't read."""
    short = build_sequences(later.catalogue, [[3], [], [1, 2, 3, 4, 5, 6], [9, 9, 9, 1, 2, 3, 4, 5, 6]])
    together = ranker.scores(short)
    alone = np.concatenate([ranker.scores(batch) for _, batch in short.batches(1)])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(together[2], together[3], atol=1e-4)
    assert np.isfinite(together).all()


def test_large_catalogues_learn_by_sampled_negatives(monkeypatch, later):
    """Beyond the limit of the full softmax gBCE finds the ring too; the card says which it was."""
    monkeypatch.setattr("storekeeper_training.next_item.transformer.LARGEST_SOFTMAX", 10)
    ranker = replace(SMALL, negatives=8).fit(walks(200, 15, 0), later, 0, silent)
    assert ranker.parameters["loss"] == "gbce"
    assert evaluate_ranker(ranker, later, [1]).means["hr_at_1"] > 0.7


def test_what_comes_later_is_not_seen():
    """Another last token changes the state after it alone; another first one changes all."""
    shape = TransformerShape(length=4, width=8, heads=2, blocks=2, dropout=0.0)
    network = build_network(import_keras(), 5, shape, np.full(5, 0.2, np.float32))
    first, other_end, other_start = network.hidden(np.array([[1, 2, 3], [1, 2, 4], [5, 2, 3]], np.int32))[0].numpy()
    np.testing.assert_allclose(first[:2], other_end[:2], atol=1e-6)
    assert (np.abs(first - other_end)[2] > 1e-4).any()
    assert (np.abs(first - other_start) > 1e-4).any(axis=1).all()


def test_a_settled_transformer_is_fitted_without_validation(ranker, later):
    """As many epochs as were best, no validation rows at all, and no worse than the fit that chose."""
    settled = SMALL.settled(ranker)
    again = settled.fit(walks(200, 15, 0), later.take(np.empty(0, np.int64)), 0, silent)
    assert again.parameters["best_epoch"] == ranker.parameters["best_epoch"]
    assert evaluate_ranker(again, later, [1]).means["hr_at_1"] > 0.75


def test_scores_that_onnx_gives_differently_are_refused(ranker, later):
    """A ranker isn't handed out where it isn't the network that was trained."""

    class Other:
        def scores(self, sequences):
            return ranker.scores(sequences) + np.float32(0.01)

    assert check_parity(ranker, ranker, later) == 0
    with pytest.raises(CheckFailedError, match="1e-05 is allowed"):
        check_parity(ranker, Other(), later)


def test_a_blend_with_it_is_saved_with_its_members(ranker, later, tmp_path):
    """Each member has a folder of its own; read again the blend scores alike."""
    popular = Popularity().fit(walks(200, 15, 0), later, 0, silent)
    blend = blend_fitted({"transformer": ranker, "popularity": popular}, later, 0, silent)
    assert blend.parameters["transformer"] > 0.4
    blend.save(tmp_path)
    np.testing.assert_array_equal(load_ranker(tmp_path).scores(later), blend.scores(later))


def test_a_missing_or_damaged_network_is_refused_when_it_is_read(ranker, tmp_path):
    """The file is named."""
    ranker.save(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no network")
    with pytest.raises(DataError, match=r"model\.onnx"):
        load_ranker(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(NotFoundError, match=r"model\.onnx"):
        load_ranker(tmp_path)
