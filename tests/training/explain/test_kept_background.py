"""What training keeps beside a model, so that it can be explained."""

from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import CategoricalColumn, Encoder, NumericColumn
from storekeeper.artefact.formulas import WeightedSum, sigmoid
from storekeeper.artefact.runtime import LEVEL_FILE, ONNX_FILE
from storekeeper.errors import UsageError
from storekeeper.explain import load_explainer, read_background
from storekeeper_training.explain.background import write_background
from storekeeper_training.result import TrainResult
from storekeeper_training.tasks import Task
from storekeeper_training.train import train


@pytest.fixture(scope="module")
def run(small_task: Task, dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One run of the fast models."""
    root = tmp_path_factory.mktemp("explained")
    return train(small_task, dataset_folder, root / "models", root / "reports", ("rule", "logistic", "xgboost"), seed=1)


def test_every_trained_model_can_be_explained(run: TrainResult) -> None:
    """Of each model, contributions to the test rows add up to the margins of what it predicted."""
    columns = run.dataset.columns(run.split.test)
    for model in run.models:
        found = load_explainer(model.artefact.path).explain(columns)
        assert found.residual.max() < 1e-4
        np.testing.assert_allclose(sigmoid(found.margin), model.probabilities, atol=1e-5)
        assert set(found.inputs) == {column.name for column in model.manifest.inputs}


def test_contributions_count_from_training_rows(run: TrainResult) -> None:
    """A formula's base is its mean margin over the training rows, whose contributions so are 0 in the mean."""
    columns = run.dataset.columns(run.split.train)
    for model in run.models:
        found = load_explainer(model.artefact.path).explain(columns)
        assert read_background(model.artefact.path).rows == len(run.split.train)
        if model.name != "xgboost":
            assert found.base[0] == pytest.approx(found.margin.mean(), abs=1e-4)
            np.testing.assert_allclose(found.contributions.mean(axis=0), 0, atol=1e-4)


def test_a_levels_mean_logarithm_is_kept(tmp_path: Path) -> None:
    """Of trees that scale a level, the mean logarithm of the level is kept."""
    WeightedSum((0,), (1.0,), 0.25).write(tmp_path, LEVEL_FILE)
    encoder = Encoder((NumericColumn("units"),))
    kept = write_background(tmp_path, encoder, "xgboost-scaled", {"units": [1.0, 4.0, None]})
    assert kept == read_background(tmp_path)
    assert kept.margin == pytest.approx(np.log([1.0, 4.0, 0.25]).mean())


def test_a_network_that_cannot_be_explained_is_kept(tmp_path: Path) -> None:
    """A network whose gradient is not known is saved all the same; explaining it is refused with the reason."""
    from dataclasses import replace

    import onnx

    from explain.small_models import MANIFEST
    from training.explain.test_gradient_graph import network

    onnx.save(network("Tanh"), str(tmp_path / ONNX_FILE))
    slots = ("red", "blue")
    encoder = Encoder(
        (NumericColumn("x"), NumericColumn("y")),
        (CategoricalColumn("colour", slots, "index"), CategoricalColumn("size", slots, "index")),
    )
    columns = {"x": [0.0, 1.0], "y": [0.0, 2.0], "colour": ["red", "blue"], "size": ["red", "red"]}
    assert "Tanh" in write_background(tmp_path, encoder, "onnx", columns).unexplained
    encoder.write(tmp_path)
    replace(MANIFEST, runtime="onnx").write(tmp_path)
    with pytest.raises(UsageError, match="gradient of Tanh is not known"):
        load_explainer(tmp_path)
