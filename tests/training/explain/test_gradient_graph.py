"""The graph that explains a network: against finite differences, and against its own network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.formulas import sigmoid
from storekeeper.artefact.runtime import ONNX_FILE, open_session
from storekeeper.errors import DataError
from storekeeper.explain import Background
from storekeeper.explain.explanations import Attributed
from storekeeper.explain.network import GRADIENT_FILE, open_network
from storekeeper_training.explain.gradient_graph import write_gradient

RNG = np.random.default_rng(11)
#: A network with two numbers and two categories of three slots each, in one table of three numbers a slot.
TABLE = RNG.normal(size=(6, 3)).astype(np.float32)
FIRST, SECOND = (RNG.normal(size=shape).astype(np.float32) for shape in ((8, 16), (16, 16)))
SHIFT = RNG.normal(size=16).astype(np.float32)
LAST = RNG.normal(size=(24, 1)).astype(np.float32)


def network(activation: str = "Relu") -> Any:
    """Dense, dense, and past both a straight way, on numbers and embeddings: what `dnn` is made of."""
    nodes = [
        helper.make_node("Slice", ["rows", "at 0", "at 2", "axis 1"], ["numbers"]),
        helper.make_node("Slice", ["rows", "at 2", "at 4", "axis 1"], ["slots"]),
        helper.make_node("Cast", ["slots"], ["places"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "places"], ["found"], axis=0),
        helper.make_node("Reshape", ["found", "flat"], ["embedded"]),
        helper.make_node("Concat", ["numbers", "embedded"], ["read"], axis=1),
        helper.make_node("MatMul", ["read", "first"], ["first product"]),
        helper.make_node("Add", ["first product", "shift"], ["first sum"]),
        helper.make_node(activation, ["first sum"], ["first hidden"]),
        helper.make_node("Gemm", ["first hidden", "second", "shift"], ["second sum"], transB=1),
        helper.make_node("Relu", ["second sum"], ["second hidden"]),
        helper.make_node("Add", ["second hidden", "first hidden"], ["hidden"]),
        helper.make_node("Concat", ["hidden", "read"], ["all"], axis=-1),
        helper.make_node("MatMul", ["all", "last"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    constants = {
        "at 0": np.array([0]), "at 2": np.array([2]), "at 4": np.array([4]), "axis 1": np.array([1]),
        "flat": np.array([-1, 6]), "table": TABLE, "first": FIRST, "shift": SHIFT, "second": SECOND, "last": LAST,
    }  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def logit(read: np.ndarray) -> np.ndarray:
    """What the network says of numbers and embeddings, `(n, 8)`."""
    first = np.maximum(read @ FIRST.astype(np.float64) + SHIFT, 0)
    hidden = np.maximum(first @ SECOND.T.astype(np.float64) + SHIFT, 0) + first
    return np.hstack([hidden, read]) @ LAST[:, 0].astype(np.float64)


def read_of(matrix: Matrix) -> np.ndarray:
    """Numbers and embeddings of encoded rows."""
    return np.hstack([matrix[:, :2], TABLE[matrix[:, 2:].astype(int)].reshape(len(matrix), 6)]).astype(np.float64)


def rows(count: int, seed: int) -> Matrix:
    """Encoded rows; the second category's slots lie behind the first's."""
    rng = np.random.default_rng(seed)
    slots = np.add(rng.integers(0, 3, (count, 2)), (0, 3))
    return np.hstack([rng.normal(size=(count, 2)), slots]).astype(np.float32)


@pytest.fixture(scope="module")
def training() -> Matrix:
    """What contributions count from the mean of."""
    return rows(500, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, training: Matrix) -> Path:
    """The network and its gradient."""
    folder = tmp_path_factory.mktemp("network")
    onnx.save(network(), str(folder / ONNX_FILE))
    write_gradient(folder, training, (2, 3))
    return folder


@pytest.fixture(scope="module")
def explain(folder: Path) -> Callable[[Matrix], Attributed]:
    """Takes its logits apart."""
    return open_network(folder, Background())


def test_gradients_are_those_of_finite_differences(explain: Any, training: Matrix) -> None:
    """Contributions are the sums, over many small steps from the mean to a row, of what each input's step changes."""
    matrix, mean = rows(40, 1), read_of(training).mean(axis=0)
    read = read_of(matrix)
    steps, nudge = 4000, 1e-6
    summed = np.zeros_like(read)
    for at in (np.arange(steps) + 0.5) / steps:
        point = mean + at * (read - mean)
        for column in range(8):
            aside = np.zeros(8)
            aside[column] = nudge
            summed[:, column] += (logit(point + aside) - logit(point - aside)) / (2 * nudge) / steps
    expected = summed * (read - mean)
    by_column = np.column_stack([expected[:, :2], expected[:, 2:5].sum(axis=1), expected[:, 5:].sum(axis=1)])
    found = explain(matrix)
    size = np.abs(by_column).sum(axis=1, keepdims=True)
    assert (np.abs(found.parts - by_column) / size).max() < 0.02
    assert (np.abs(found.parts - by_column) / size).mean() < 0.002


def test_contributions_add_up(explain: Any) -> None:
    """On rows that it was not made by, base and contributions miss the margin by 1% of what they are in all at most."""
    found = explain(rows(1000, 2))
    missed = np.abs(found.base + found.parts.sum(axis=1) - found.margin) / np.abs(found.parts).sum(axis=1)
    assert np.quantile(missed, 0.99) < 0.012
    assert missed.mean() < 0.004


def test_ends_are_the_networks_own(explain: Any, folder: Path, training: Matrix) -> None:
    """The margin is the network's logit, the base that of the mean row; a row alone is told as among others."""
    matrix = rows(50, 3)
    session, found = open_session(folder), explain(matrix)
    np.testing.assert_allclose(sigmoid(found.margin), session.run(None, {"rows": matrix})[0][:, 0], atol=1e-6)
    np.testing.assert_allclose(found.base, logit(read_of(training).mean(axis=0, keepdims=True))[0], rtol=1e-5)
    np.testing.assert_allclose(explain(matrix[7:8]).parts[0], found.parts[7], rtol=1e-4, atol=1e-5)


def save_line(folder: Path, weights: np.ndarray, *nodes: Any) -> None:
    """A network of a weighted sum `sum`, and of what the nodes make of it: `logit`."""
    first, last = helper.make_node("MatMul", ["rows", "w"], ["sum"]), helper.make_node("Sigmoid", ["logit"], ["p"])
    graph = helper.make_graph(
        [first, *nodes, last],
        "line",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.zeros(1, np.float32), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / ONNX_FILE))


def test_a_kink_halfway_is_met_by_the_middle_of_steps(tmp_path: Path) -> None:
    """Where a unit wakes up halfway, the midpoints of an even number of steps tell its contribution exactly."""
    save_line(tmp_path, np.ones((1, 1), np.float32), helper.make_node("Relu", ["sum"], ["logit"]))
    assert write_gradient(tmp_path, np.full((20, 1), -1.0, np.float32), ()) == 32
    found = open_network(tmp_path, Background())(np.array([[1.0]], np.float32))
    assert (found.base[0], found.margin[0]) == (0.0, 1.0)
    assert found.parts[0, 0] == pytest.approx(1.0)


def test_a_straight_line_is_taken_apart_exactly(tmp_path: Path) -> None:
    """Of a logistic regression as a network, contributions are weights times distances from the mean."""
    weights = np.array([[1.0], [-2.0], [0.5]], np.float32)
    save_line(tmp_path, weights, helper.make_node("Add", ["sum", "zero"], ["logit"]))
    matrix = np.random.default_rng(4).normal(1, 1, size=(60, 3)).astype(np.float32)
    assert write_gradient(tmp_path, matrix, ()) == 32
    parts = open_network(tmp_path, Background())(matrix).parts
    np.testing.assert_allclose(parts, (matrix - matrix.mean(axis=0)) * weights[:, 0], atol=1e-5)


def test_what_has_no_known_gradient_is_refused(tmp_path: Path, training: Matrix) -> None:
    """A network of other operations is refused by the operation's name, and no graph is left."""
    onnx.save(network("Tanh"), str(tmp_path / ONNX_FILE))
    with pytest.raises(DataError, match="gradient of Tanh"):
        write_gradient(tmp_path, training, (2, 3))
    assert not (tmp_path / GRADIENT_FILE).exists()
    onnx.save(network(), str(tmp_path / ONNX_FILE))
    with pytest.raises(DataError, match="embeddings"):
        write_gradient(tmp_path, training, (2,))
