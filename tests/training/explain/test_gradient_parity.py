"""The graph that explains a network against TensorFlow's own gradients."""

from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import CategoricalColumn, Encoder, NumericColumn
from storekeeper.artefact.runtime import ONNX_FILE
from storekeeper.explain import Background
from storekeeper.explain.network import open_network
from storekeeper_training.explain.gradient_graph import write_gradient
from storekeeper_training.models.calibration import Calibration
from storekeeper_training.models.ensemble_network import Schedule, Shape, build_members, calibrated
from storekeeper_training.models.reference_network import export_onnx, import_keras

pytestmark = pytest.mark.slow

ENCODER = Encoder(
    (NumericColumn("x"), NumericColumn("y")),
    (CategoricalColumn("c", ("a", "b"), "row"), CategoricalColumn("d", ("a", "b", "c"), "row")),
)


def test_gradients_are_tensorflows(tmp_path: Path) -> None:
    """Of an ensemble with embeddings, contributions are those of a gradient tape over the same steps within 1e-5."""
    keras = import_keras()
    import tensorflow as tf

    members = build_members(keras, ENCODER, Shape(2, 16, 2, 0.1, 0.1, 3), Schedule(1e-3, 1e-2, 10), seed=4)
    network = calibrated(keras, members, Calibration(0.8, -0.2))
    rng = np.random.default_rng(0)
    slots = np.column_stack([rng.integers(0, 3, 300), rng.integers(0, 4, 300)])
    matrix = np.hstack([rng.normal(0.5, 1.5, (300, 2)), slots]).astype(np.float32)
    expected_probabilities = np.asarray(network(matrix, training=False))[:, 0]
    export_onnx(network, tmp_path / ONNX_FILE)
    steps = write_gradient(tmp_path, matrix, (2, 3))

    # What is embedded is where the tape begins: it can't see past whole numbers.
    embedded = [layer.output for layer in members.layers if type(layer).__name__ == "Flatten"]
    front = keras.Model(members.inputs[0], embedded)
    numbers, parts = matrix[:, :2], [np.asarray(part) for part in front(matrix)]
    given = [numbers, *parts]
    kinds = [keras.Input((part.shape[1],)) for part in given]
    back = _from_embedded(keras, members, kinds)
    means = [part.mean(axis=0, keepdims=True) for part in given]
    summed = [np.zeros_like(part) for part in given]
    for at in (np.arange(steps) + 0.5) / steps:
        points = [
            tf.constant((mean + at * (part - mean)).astype(np.float32)) for mean, part in zip(means, given, strict=True)
        ]
        with tf.GradientTape() as tape:
            tape.watch(points)
            logits = 0.8 * tf.reduce_mean(back(points, training=False), axis=1)
        gradients = tape.gradient(logits, points)
        summed = [total + gradient.numpy() / steps for total, gradient in zip(summed, gradients, strict=True)]
    flows = [total * (part - mean) for total, part, mean in zip(summed, given, means, strict=True)]
    by_column = np.column_stack(
        [flows[0], *(sum(flow[:, at : at + 3].sum(axis=1) for flow in flows[1:]) for at in (0, 3))]
    )
    found = open_network(tmp_path, Background())(matrix)
    np.testing.assert_allclose(found.parts, by_column, atol=1e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-found.margin)), expected_probabilities, atol=1e-6)


def _from_embedded(keras: object, members: object, kinds: list[object]) -> object:
    """The members as a network of the numbers and of each member's embeddings, with the same layers."""
    layers = keras.layers  # type: ignore[attr-defined]
    dense = [layer for layer in members.layers if type(layer).__name__ == "Dense"]  # type: ignore[attr-defined]
    by_depth = {width: [layer for layer in dense if layer.units == width] for width in (16, 1)}
    # Layers are listed by how deep they lie: of each depth one a member, in the members' order.
    logits = []
    for at, embedded in enumerate(kinds[1:]):
        read = layers.Concatenate()([kinds[0], embedded])
        first, second = by_depth[16][at], by_depth[16][2 + at]
        logits.append(by_depth[1][at](layers.Concatenate()([second(first(read)), read])))
    return keras.Model(kinds, layers.Concatenate()(logits))  # type: ignore[attr-defined]
