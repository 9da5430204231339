"""The graph that explains a dense network: integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) as ONNX.

It is made of the network's own graph, so that what is explained is what is served. Embeddings can't be walked between
by their slots, so the way from the mean of the training rows to a row leads through what the embeddings are; numbers
are walked as they are encoded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.formulas import sigmoid
from storekeeper.artefact.runtime import ONNX_FILE, open_session
from storekeeper.errors import DataError
from storekeeper.explain.background import Background
from storekeeper.explain.explanations import Attributed
from storekeeper.explain.network import GRADIENT_FILE, OUTPUTS, open_network
from storekeeper_training.explain.dense_graph import DenseGraph, Leaf, read_dense_graph

# How many steps the way may have: each number is tried until the contributions add up well enough.
STEPS = (32, 64, 128, 256)

# Contributions may miss the margin by this share of what they are in all, on 99 of 100 rows.
ALLOWED_RESIDUAL = 0.01

# So many rows tell.
_CHECKED_ROWS = 256
_TOLERANCE = 1e-5


def write_gradient(folder: Path, matrix: Matrix, slots: Sequence[int]) -> int:
    """Write `explain.onnx` beside a network's `model.onnx`.

    Parameters
    ----------
    folder
        An artefact's folder.
    matrix
        `(n_rows, n_encoded)`: encoded training rows, whose mean the contributions count from.
    slots
        The encoded columns that hold slots of categories, in order.

    Returns
    -------
    int
        How many steps there are on the way from the mean to a row.

    Raises
    ------
    DataError
        If the network is made of more than dense layers with ReLU and embeddings, or the graph answers otherwise than
        the network; no graph is left.
    """
    import onnx

    network = read_dense_graph(str(folder / ONNX_FILE), slots)
    means = _leaf_means(network, matrix)
    rows = matrix[np.linspace(0, len(matrix) - 1, min(len(matrix), _CHECKED_ROWS)).astype(np.int64)]
    for steps in STEPS:
        onnx.save(_GraphMaker(network, means, steps).make(), str(folder / GRADIENT_FILE))
        attributed = open_network(folder, Background())(rows)
        _check(folder, rows, attributed)
        if np.quantile(_residuals(attributed), 0.99) <= ALLOWED_RESIDUAL:
            break
    return steps


def _check(folder: Path, rows: Matrix, attributed: Attributed) -> None:
    """Refuse a graph whose margin is not the network's."""
    session = open_session(folder)
    expected = session.run(None, {session.get_inputs()[0].name: rows})[0].reshape(-1)
    furthest = float(np.abs(sigmoid(attributed.margin) - expected).max())
    if not furthest <= _TOLERANCE:
        (folder / GRADIENT_FILE).unlink()
        raise DataError(f"its gradient's graph answers otherwise than the network, by {furthest:.3g}")


def _residuals(attributed: Attributed) -> npt.NDArray[np.float64]:
    """How far each row's contributions are from the margin, as a share of what they are in all."""
    missed = np.abs(attributed.base + attributed.parts.sum(axis=1) - attributed.margin)
    shares: npt.NDArray[np.float64] = missed / np.maximum(np.abs(attributed.parts).sum(axis=1), 1e-6)
    return shares


def _leaf_means(network: DenseGraph, matrix: Matrix) -> dict[str, npt.NDArray[np.float32]]:
    """The mean of each leaf over rows, `(1, width)`."""
    import onnx
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(network.model)
    names = list(network.leaves)
    told = [name for name in names if name != network.model.graph.input[0].name]
    shown.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in told)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = dict(zip(told, session.run(told, {session.get_inputs()[0].name: matrix}) if told else [], strict=True))
    return {
        name: values.get(name, matrix).mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        for name in names
    }


class _GraphMaker:
    """Puts the graph together: the way, the network along it, and back again for the gradient."""

    def __init__(self, network: DenseGraph, means: dict[str, npt.NDArray[np.float32]], steps: int) -> None:
        import onnx

        self._helper, self._onnx = onnx.helper, onnx
        self._network, self._means = network, means
        # Both ends of the way are walked too: they tell the base and the margin, and count nothing.
        self._way = np.concatenate([[0.0, 1.0], (np.arange(steps) + 0.5) / steps]).astype(np.float32)
        self._counts = np.concatenate([[0.0, 0.0], np.full(steps, 1 / steps)]).astype(np.float32)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._widths: dict[str, int] = {}
        self._gradients: dict[str, list[str]] = {}

    def make(self) -> Any:
        """The whole model."""
        source = self._network.model
        self._nodes += self._network.front
        for leaf in self._network.leaves.values():
            self._walk_to(leaf)
        for node in self._network.nodes:
            self._forward(node)
        self._tell_ends()
        one = self._constant("one", np.ones((1, 1), np.float32))
        self._gradients[self._network.logit] = [
            self._add("Expand", [one, self._add("Shape", [_way(self._network.logit)])])
        ]
        for node in reversed(self._network.nodes):
            self._backward(node)
        self._tell_contributions()
        floats = self._onnx.TensorProto.FLOAT
        shapes = ([None, self._network.width], [None], [None])
        outputs = [self._helper.make_tensor_value_info(n, floats, s) for n, s in zip(OUTPUTS, shapes, strict=True)]
        graph = self._helper.make_graph(self._nodes, "explain", source.graph.input, outputs, self._used_constants())
        return self._helper.make_model(graph, opset_imports=source.opset_import, ir_version=source.ir_version)

    def _walk_to(self, leaf: Leaf) -> None:
        """Points on the way to each row, the rows of one point together: `(n_points * n_rows, width)`."""
        mean = self._constant(f"mean of {leaf.name}", self._means[leaf.name])
        way = self._constant("way", self._way.reshape(-1, 1, 1))
        self._widths[leaf.name] = len(leaf.places)
        self._add("Sub", [leaf.name, mean], _far(leaf.name))
        one = self._add("Unsqueeze", [_far(leaf.name), self._constant("axis 0", np.array([0]))])
        points = self._add("Add", [self._add("Mul", [one, way]), mean])
        flat = self._constant(f"flat {len(leaf.places)}", np.array([-1, len(leaf.places)]))
        self._add("Reshape", [points, flat], _way(leaf.name))

    def _forward(self, node: Any) -> None:
        """A node of the network, along the way."""
        copy = self._onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = ""
        named = [name if name in self._network.constants else _way(name) for name in node.input]
        copy.input[:], copy.output[:] = named, [_way(node.output[0])]
        self._nodes.append(copy)
        self._widths[node.output[0]] = self._width_of(node)

    def _width_of(self, node: Any) -> int:
        read = [name for name in node.input if name not in self._network.constants]
        if node.op_type in ("MatMul", "Gemm"):
            return int(self._weights_of(node).shape[1])
        return sum(self._widths[name] for name in read) if node.op_type == "Concat" else self._widths[read[0]]

    def _weights_of(self, node: Any) -> npt.NDArray[np.float32]:
        """A dense layer's weights, `(width of what it reads, its width)`."""
        weights = self._network.constants[node.input[1]]
        is_turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return np.ascontiguousarray(weights.T if is_turned else weights)

    def _backward(self, node: Any) -> None:
        """Hand a node's gradient on to what it reads."""
        whole = self._gradients[node.output[0]]
        gradient = whole[0] if len(whole) == 1 else self._add("Sum", whole)
        read = [name for name in node.input if name not in self._network.constants]
        if node.op_type in ("MatMul", "Gemm"):
            turned = self._constant(f"turned {node.output[0]}", np.ascontiguousarray(self._weights_of(node).T))
            self._hand(node.input[0], self._add("MatMul", [gradient, turned]))
        elif node.op_type == "Relu":
            zero = self._constant("zero", np.zeros((), np.float32))
            above = self._add("Greater", [_way(node.input[0]), zero])
            self._hand(node.input[0], self._add("Where", [above, gradient, zero]))
        elif node.op_type == "Concat":
            widths = np.array([self._widths[name] for name in read])
            outputs = [f"{gradient} part {at} of {node.output[0]}" for at in range(len(read))]
            sizes = self._constant(f"sizes {node.output[0]}", widths)
            self._nodes.append(self._helper.make_node("Split", [gradient, sizes], outputs, axis=1))
            for name, part in zip(read, outputs, strict=True):
                self._hand(name, part)
        else:
            for name in read:
                self._hand(name, gradient)

    def _hand(self, name: str, gradient: str) -> None:
        self._gradients.setdefault(name, []).append(gradient)

    def _tell_ends(self) -> None:
        """The logit at both ends of the way: the base, and the margin."""
        shape = self._constant("points and rows", np.array([len(self._way), -1]))
        logits = self._add("Reshape", [_way(self._network.logit), shape])
        for at, name in ((0, OUTPUTS[1]), (1, OUTPUTS[2])):
            self._nodes.append(
                self._helper.make_node("Gather", [logits, self._constant(f"point {at}", np.array(at))], [name], axis=0)
            )

    def _tell_contributions(self) -> None:
        """Mean gradient times the way's length, put where the encoded columns are."""
        counts = self._constant("counts", self._counts.reshape(-1, 1, 1))
        placed = []
        for leaf in self._network.leaves.values():
            whole = self._gradients[leaf.name]
            gradient = whole[0] if len(whole) == 1 else self._add("Sum", whole)
            shape = self._constant(f"points {len(leaf.places)}", np.array([len(self._way), -1, len(leaf.places)]))
            counted = self._add("Mul", [self._add("Reshape", [gradient, shape]), counts])
            axis = self._constant("axis 0", np.array([0]))
            mean = _own(f"mean gradient of {leaf.name}")
            self._nodes.append(self._helper.make_node("ReduceSum", [counted, axis], [mean], keepdims=0))
            parts = self._add("Mul", [mean, _far(leaf.name)])
            to_columns = np.zeros((len(leaf.places), self._network.width), np.float32)
            to_columns[np.arange(len(leaf.places)), leaf.places] = 1.0
            placed.append(self._add("MatMul", [parts, self._constant(f"places {leaf.name}", to_columns)]))
        self._add("Sum", placed, OUTPUTS[0])

    def _add(self, kind: str, inputs: list[str], output: str = "") -> str:
        """A node with one output; returns the output's name."""
        name = output or _own(f"{kind} {len(self._nodes)}")
        self._nodes.append(self._helper.make_node(kind, inputs, [name]))
        return name

    def _constant(self, what: str, values: npt.NDArray[Any]) -> str:
        name = _own(what)
        if all(tensor.name != name for tensor in self._constants):
            self._constants.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def _used_constants(self) -> list[Any]:
        """Weights that the nodes read, and what was added to them."""
        used = {name for node in self._nodes for name in node.input}
        return [*(t for t in self._network.model.graph.initializer if t.name in used), *self._constants]


def _own(what: str) -> str:
    """A name that no tensor of the network has."""
    return f"explain/{what}"


def _way(name: str) -> str:
    """A tensor of the network along the way."""
    return _own(f"way/{name}")


def _far(name: str) -> str:
    """How far a leaf is from its mean."""
    return _own(f"far/{name}")
