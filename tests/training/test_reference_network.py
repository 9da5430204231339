"""The article's network: trained, exported, read back."""

from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import load_predictor
from storekeeper_training.models import ReferenceNetwork
from storekeeper_training.models.reference_network import import_keras
from storekeeper_training.tasks import Task
from storekeeper_training.train import train

pytestmark = pytest.mark.slow


def test_network_survives_export(small_task: Task, dataset_folder: Path, tmp_path: Path) -> None:
    """Run by ONNX Runtime, the network predicts what Keras did within 1e-5, in batches and row by row."""
    told: list[object] = []
    result = train(
        small_task,
        dataset_folder,
        tmp_path / "models",
        tmp_path / "reports",
        ["dnn-reference"],
        progress=lambda *step: told.append(step[-1]),
    )
    model = result.best
    predictor = load_predictor(model.artefact.path)
    columns = result.dataset.columns(result.split.test)
    np.testing.assert_allclose(predictor.predict(columns), model.probabilities, rtol=0, atol=1e-5)
    one = {name: values.slice(0, 1) for name, values in columns.items()}
    np.testing.assert_allclose(predictor.predict(one), model.probabilities[:1], rtol=0, atol=1e-5)
    assert model.test.auc > 0.6
    assert sum(str(note).startswith("loss") for note in told) == 10
    kept = {path.name for path in model.artefact.path.iterdir()}
    assert kept >= {"background.json", "encoder.json", "explain.onnx", "manifest.json", "model.onnx"}


def test_network_is_the_published_one() -> None:
    """Two dense layers of 128 with ReLU, a sigmoid, Adam, binary cross-entropy; 10 epochs, batch 32, 20% held out."""
    reference = ReferenceNetwork()
    network = reference._build(import_keras(), 7)
    layers = [(layer.units, layer.activation.__name__) for layer in network.layers]
    assert layers == [(128, "relu"), (128, "relu"), (1, "sigmoid")]
    assert type(network.optimizer).__name__ == "Adam"
    assert network.loss == "binary_crossentropy"
    assert (reference.epochs, reference.batch_size, reference.validation_share) == (10, 32, 0.2)
