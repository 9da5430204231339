"""Explain what a model on disk predicts: loaded apart from the predictor, which knows nothing of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from storekeeper.artefact.blend import member_folder, read_blend
from storekeeper.artefact.columns import Columns
from storekeeper.artefact.encoder import Encoder, Matrix, read_encoder
from storekeeper.artefact.manifest import Runtime, read_manifest
from storekeeper.errors import UsageError, listing
from storekeeper.explain.background import Background, read_background
from storekeeper.explain.explanations import Attributed, Attribution, Explanations, Scale, all_finite, sum_by_input
from storekeeper.explain.formulas import open_log_linear, open_logistic, open_rule, open_sum
from storekeeper.explain.network import open_network
from storekeeper.explain.trees import open_scaled_trees, open_trees

_MEAN, _ZERO = "the mean margin of the training rows", "a row whose encoded values are all 0"


@dataclass(frozen=True)
class Explainer:
    """Takes a model's margins apart. Safe to call from several threads.

    Attributes
    ----------
    encoder
        Columns to matrix.
    attribute
        Matrix to margins, taken apart by encoded column.
    scale, method, reference
        What `Explanations` says of them.
    """

    encoder: Encoder
    attribute: Attribution
    scale: Scale
    method: str
    reference: str

    def explain(self, columns: Columns) -> Explanations:
        """Contributions of each input to each row's margin.

        Parameters
        ----------
        columns
            The manifest's `inputs` by name, as `Predictor.predict` takes them: nulls and unseen values are values as
            others are.

        Raises
        ------
        DataError
            If a column is missing, of another length, or of a kind that can't be encoded.
        """
        matrix = self.encoder.transform(columns)
        attributed = all_finite(self.attribute(matrix), matrix) if len(matrix) else _nothing(matrix)
        inputs = self.encoder.input_names
        contributions = sum_by_input(attributed.parts, self.encoder.sources, inputs)
        return Explanations(
            inputs, attributed.base, contributions, attributed.margin, self.scale, self.method, self.reference
        )


def load_explainer(folder: Path) -> Explainer:
    """Load what explains an artefact.

    Raises
    ------
    NotFoundError
        If the folder or one of its files is missing.
    DataError
        If the format is unknown or a file is damaged; the message names it.
    UsageError
        If models of its kind can't be explained, a package that runs it is not installed, or training left nothing to
        explain a network by.
    """
    runtime, background = read_manifest(folder).runtime, read_background(folder)
    if runtime not in _OPENERS:
        raise UsageError(
            f"Models of kind '{runtime}' can't be explained: contributions are told of {listing(_OPENERS)}."
        )
    attribute = _OPENERS[runtime](folder, background)
    return Explainer(read_encoder(folder), attribute, _SCALES.get(runtime, "logit"), *_described(runtime, background))


def _described(runtime: Runtime, background: Background) -> tuple[str, str]:
    """The method, and what its base stands for."""
    if runtime in ("xgboost", "xgboost-scaled"):
        by_level = "" if runtime == "xgboost" or background.rows else "; of the level, 1"
        return "TreeSHAP", f"the trees' mean over the training rows that each leaf had{by_level}"
    if runtime == "onnx":
        return (
            f"integrated gradients, {background.steps} midpoint steps",
            "the network's answer to the mean of the training rows",
        )
    if runtime == "blend":
        return "the members' contributions, weighed", "the members' bases, weighed"
    return "weights", _MEAN if background.rows else _ZERO


def _open_blend(folder: Path, background: Background) -> Attribution:
    """The calibrated mean of the members' logits."""
    mixture, parts = read_blend(folder), read_encoder(folder).parts
    members = [
        _OPENERS[member.runtime](member_folder(folder, member.model), background.part(at))
        for at, member in enumerate(mixture.members)
    ]
    weights = [mixture.scale * member.weight for member in mixture.members]
    ends = np.cumsum([len(part.output_names) for part in parts])[:-1]

    def attribute(matrix: Matrix) -> Attributed:
        blocks = map(np.ascontiguousarray, np.split(matrix, ends, axis=1))
        found = [member(block) for member, block in zip(members, blocks, strict=True)]
        base, margin = (
            np.sum([w * of(one) for w, one in zip(weights, found, strict=True)], axis=0) + mixture.shift
            for of in (_base, _margin)
        )
        return Attributed(base, np.hstack([w * one.parts for w, one in zip(weights, found, strict=True)]), margin)

    return attribute


def _base(attributed: Attributed) -> np.ndarray:
    return attributed.base


def _margin(attributed: Attributed) -> np.ndarray:
    return attributed.margin


def _nothing(matrix: Matrix) -> Attributed:
    return Attributed(np.empty(0), np.empty((0, matrix.shape[1])), np.empty(0))


_OPENERS: Mapping[Runtime, Callable[[Path, Background], Attribution]] = {
    "xgboost": open_trees,
    "xgboost-scaled": open_scaled_trees,
    "onnx": open_network,
    "logistic": open_logistic,
    "rule": open_rule,
    "log-linear": open_log_linear,
    "weighted-sum": open_sum,
    "blend": _open_blend,
}
_SCALES: Mapping[Runtime, Scale] = {"xgboost-scaled": "log", "log-linear": "log", "weighted-sum": "units"}
