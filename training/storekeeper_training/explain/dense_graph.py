"""What a dense network's ONNX graph is made of, and where it can be taken apart: the tensors that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError, listing

Places = npt.NDArray[np.int64]

#: Operations whose gradient is known, and those that end a walk: what a leaf is made by.
DENSE = ("MatMul", "Gemm", "Add", "Relu", "Concat")


@dataclass(frozen=True, eq=False)
class Leaf:
    """A tensor that the network reads, in which the way from the mean to a row is a straight line.

    Attributes
    ----------
    name
        Of the tensor, `(n_rows, width)`.
    places
        `(width,)`: the encoded column of each of its numbers; those of an embedding belong to one column.
    """

    name: str
    places: Places


@dataclass(frozen=True, eq=False)
class DenseGraph:
    """A network from its leaves to its logit.

    Attributes
    ----------
    model
        The ONNX model.
    constants
        Weights by name.
    logit
        The tensor before the last sigmoid, `(n_rows, 1)`.
    nodes
        What makes it of the leaves, in order.
    leaves
        What it reads.
    width
        How many encoded columns there are.
    """

    model: Any
    constants: dict[str, npt.NDArray[Any]]
    logit: str
    nodes: list[Any] = field(default_factory=list)
    leaves: dict[str, Leaf] = field(default_factory=dict)
    width: int = 0

    @property
    def front(self) -> list[Any]:
        """The nodes that make the leaves of the encoded columns, in order."""
        wanted, found = set(self.leaves), []
        for node in reversed(self.model.graph.node):
            if wanted & set(node.output):
                wanted |= set(node.input)
                found.append(node)
        return found[::-1]


def read_dense_graph(path: str, slots: Sequence[int]) -> DenseGraph:
    """Read a network.

    Parameters
    ----------
    path
        Its ONNX file: one input, one output behind a sigmoid.
    slots
        The encoded columns that hold slots of categories, which embeddings are looked up by, in order.

    Raises
    ------
    DataError
        If it is made of more than dense layers with ReLU and embeddings; the message names the operation.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    last = _maker(graph, graph.output[0].name)
    if last is None or last.op_type != "Sigmoid":
        raise DataError("its answer does not come from a sigmoid")
    width = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    found = DenseGraph(model, constants, last.input[0], width=width)
    _walk(found, found.logit, slots)
    return found


def _walk(found: DenseGraph, name: str, slots: Sequence[int]) -> None:
    """Gather the nodes behind a tensor, back to the leaves, so that each comes after what it reads."""
    if name in found.constants or name in found.leaves or any(name in node.output for node in found.nodes):
        return
    graph = found.model.graph
    if (leaf := _leaf(found, name, slots)) is not None:
        found.leaves[name] = leaf
        return
    node = _maker(graph, name)
    if node is None or node.op_type not in DENSE:
        kind = "an input" if node is None else node.op_type
        raise DataError(f"the gradient of {kind} is not known; those of {listing(DENSE)} are")
    for behind in node.input:
        _walk(found, behind, slots)
    found.nodes.append(node)


def _leaf(found: DenseGraph, name: str, slots: Sequence[int]) -> Leaf | None:
    """The leaf that a tensor is: all columns, a stretch of them, or embeddings; None where it is none."""
    graph = found.model.graph
    if name == graph.input[0].name:
        return Leaf(name, np.arange(found.width))
    node = _maker(graph, name)
    if node is None:
        return None
    if node.op_type == "Slice" and node.input[0] == graph.input[0].name:
        return Leaf(name, _sliced(found, node))
    behind = _maker(graph, node.input[0])
    if node.op_type == "Reshape" and behind is not None and behind.op_type == "Gather":
        table = found.constants.get(behind.input[0])
        shape = found.constants.get(node.input[1])
        if table is None or shape is None or tuple(shape)[1:] != (len(slots) * table.shape[1],):
            raise DataError("its embeddings are not those of all categories, side by side")
        return Leaf(name, np.repeat(np.asarray(slots, dtype=np.int64), table.shape[1]))
    return None


def _sliced(found: DenseGraph, node: Any) -> Places:
    """Which encoded columns a slice takes."""
    starts, ends, axes, *steps = [found.constants[name].tolist() for name in node.input[1:] if name]
    places = np.arange(found.width)
    for start, end, axis, step in zip(starts, ends, axes, *(steps or [[1] * len(axes)]), strict=True):
        if axis == 1:
            places = places[start:end:step]
    return places


def _maker(graph: Any, name: str) -> Any:
    """The node that makes a tensor; None for weights and inputs."""
    return next((node for node in graph.node if name in node.output), None)
