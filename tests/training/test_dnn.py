"""Our network for tables: what it learns, and what becomes of it on disk."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from storekeeper.artefact import CategoricalColumn, Encoder, NumericColumn, load_predictor, write_artefact
from storekeeper_training.models import DeepNetwork, Fitted, Logistic, Sample
from storekeeper_training.models.calibration import Calibration
from storekeeper_training.models.ensemble_network import Schedule, Shape, build_members, calibrated, run_network
from storekeeper_training.models.reference_network import import_keras
from training.artefact_record import manifest_of

pytestmark = pytest.mark.slow

NAMES = ("x", "y", "sign", "drift")
SMALL = DeepNetwork(members=2, width=32, epochs=8, learning_rate=1e-2, left_out=("drift",))


def toy(n_rows: int, seed: int) -> Sample:
    """Labels that depend on how inputs agree, and on none of them alone; some nulls in each."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n_rows))
    sign = rng.choice(["same", "other"], n_rows)
    agree = (x * y > 0) == (sign == "same")
    labels = (rng.random(n_rows) < np.where(agree, 0.9, 0.1)).astype(np.int8)
    columns = {
        "x": np.where(rng.random(n_rows) < 0.05, np.nan, np.exp(x)),
        "y": y,
        "sign": np.where(rng.random(n_rows) < 0.05, None, sign.astype(object)),
        "drift": np.arange(n_rows, dtype=np.float64),
    }
    # The logarithm's zero is where x changes its side.
    return Sample(columns, labels)


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int, str]]:
    """What the fit below says of its progress."""
    return []


@pytest.fixture(scope="module")
def fitted(told: list[tuple[int, int, str]]) -> Fitted:
    """A small ensemble, fitted once."""
    return SMALL.fit(toy(2500, 0), toy(800, 1), NAMES, 3, lambda *step: told.append(step))


def test_it_learns_what_a_line_cannot(fitted: Fitted, told: list[tuple[int, int, str]]) -> None:
    """On inputs that tell only together it ranks new rows well and calibrated, where logistic regression guesses."""
    later = toy(2000, 2)
    line = Logistic("auc").fit(toy(2500, 0), toy(800, 1), NAMES, 0, lambda *_: None)
    probabilities = fitted.predict(later.columns)
    assert roc_auc_score(later.labels, line.predict(later.columns)) < 0.6
    assert roc_auc_score(later.labels, probabilities) > 0.8
    likely = probabilities > 0.7
    assert later.labels[likely].mean() == pytest.approx(probabilities[likely].mean(), abs=0.06)
    assert told[-1][0] == told[-1][1] == SMALL.epochs
    assert told[-1][2] == f"epoch {fitted.parameters['best_epoch']} kept"


def test_one_graph_answers_as_the_ensemble_did(fitted: Fitted, tmp_path: Path) -> None:
    """Run by ONNX Runtime, it predicts what Keras did within 1e-5: in batches, row by row, of nulls and the unseen."""
    later = toy(500, 5).columns
    folder = write_artefact(tmp_path, manifest_of(fitted, "dnn"), fitted.save).path
    predictor = load_predictor(folder)
    expected = fitted.predict(later)
    np.testing.assert_allclose(predictor.predict(later), expected, rtol=0, atol=1e-5)
    singly = [predictor.predict({name: values[at : at + 1] for name, values in later.items()}) for at in range(20)]
    np.testing.assert_allclose(np.concatenate(singly), expected[:20], rtol=0, atol=1e-5)
    odd = {"x": [None, 1e30, -1e30], "y": [None, np.inf, 0.0], "sign": ["never met", None, "same"]}
    np.testing.assert_allclose(predictor.predict(odd), fitted.predict(odd), rtol=0, atol=1e-5)
    assert [path.name for path in folder.iterdir() if path.suffix != ".json"] == ["model.onnx"]


def test_unseen_categories_count_as_null(fitted: Fitted) -> None:
    """A category that training never met is answered as a null one, and neither as a known one."""
    rows = {"x": [2.0] * 3, "y": [1.5] * 3, "sign": [None, "never met", "same"]}
    null, unseen, known = fitted.predict(rows)
    assert null == unseen
    assert known > null + 0.05


def test_what_grows_with_the_calendar_is_left_out(fitted: Fitted) -> None:
    """An input that is to be left out is not read, and the encoder says why."""
    assert fitted.encoder.input_names == ("x", "y", "sign")
    assert [(column.name, column.reason) for column in fitted.encoder.left_out] == [
        ("drift", "grows with the calendar")
    ]


def test_the_seed_decides() -> None:
    """The same seed gives the same network to the last bit; members, and networks of other seeds, start apart."""
    tiny = replace(SMALL, members=1, epochs=1)
    train, later = toy(600, 0), toy(200, 1)
    first, again = (tiny.fit(train, later, NAMES, 1, lambda *_: None).predict(later.columns) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    starts = [run_network(*untrained(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(starts[0] - starts[2]).min() > 1e-4
    assert np.abs(np.diff(starts[0], axis=1)).min() > 1e-4


def test_calibration_is_part_of_the_graph() -> None:
    """The whole network is the sigmoid of the scaled and shifted mean of its members' logits."""
    members, matrix = untrained()
    logits = run_network(members, matrix)
    assert logits.shape == (3, 4)
    whole = run_network(calibrated(import_keras(), members, Calibration(0.5, -1.0)), matrix)
    np.testing.assert_allclose(whole[:, 0], 1 / (1 + np.exp(1.0 - 0.5 * logits.mean(axis=1))), rtol=1e-5)
    assert run_network(members, matrix[:0]).shape == (0, 4)


def test_slots_of_different_columns_share_nothing() -> None:
    """Each column has rows of its own in the embedding table, null's first."""
    members, _ = untrained()
    (layer,) = [each for each in members.layers if type(each).__name__ == "TableRows"]
    rows = np.array([[0, 0], [1, 1], [2, 6]], dtype=np.float32)
    assert np.asarray(layer(rows)).tolist() == [[0, 3], [1, 4], [2, 9]]
    dropped = np.asarray(layer(np.ones((2000, 2), np.float32), training=True))
    assert set(np.unique(dropped)) == {0, 1, 3, 4}
    assert (dropped == [0, 3]).mean() == pytest.approx(0.25, abs=0.03)


def untrained(seed: int = 0) -> tuple[Any, np.ndarray]:
    """Four members on a number and two categories, and three rows for them."""
    encoder = Encoder(
        (NumericColumn("x"),),
        (CategoricalColumn("c", ("a", "b"), "row"), CategoricalColumn("d", (), "row", 6)),
    )
    network = build_members(import_keras(), encoder, Shape(4, 8, 1, 0.1, 0.25, 3), Schedule(1e-3, 1e-2, 10), seed)
    return network, np.array([[0.5, 1, 4], [-1.0, 0, 0], [2.0, 2, 6]], dtype=np.float32)
