"""Run a trained model from its folder: the one predictor, for serving and for checking what was trained.

XGBoost runs natively and networks in ONNX Runtime, one thread each; formulas in NumPy. TensorFlow is never needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from storekeeper.artefact.blend import member_folder, read_blend
from storekeeper.artefact.columns import Columns
from storekeeper.artefact.encoder import Encoder, Matrix, read_encoder
from storekeeper.artefact.formulas import (
    Probabilities,
    read_linear,
    read_log_linear,
    read_rule,
    read_weighted_sum,
)
from storekeeper.artefact.manifest import Manifest, Runtime, read_manifest
from storekeeper.errors import DataError, NotFoundError, UsageError, listing

XGBOOST_FILE = "model.ubj"
ONNX_FILE = "model.onnx"
LEVEL_FILE = "level.json"

Scorer = Callable[[Matrix], Probabilities]
"""`(n_rows, n_encoded) float32` to probabilities, or quantities, `(n_rows,) float64`."""


@dataclass(frozen=True)
class Predictor:
    """A loaded model.

    Attributes
    ----------
    manifest
        What it is and what it reads.
    encoder
        Columns to matrix.
    scorer
        Matrix to probabilities or quantities. Safe to call from several threads.
    """

    manifest: Manifest
    encoder: Encoder
    scorer: Scorer

    def predict(self, columns: Columns) -> Probabilities:
        """Probabilities, or numbers where quantities are predicted: `(n_rows,) float64` in the order of the rows.

        Parameters
        ----------
        columns
            The manifest's `inputs` by name: NumPy array, Arrow array or list, nulls allowed.

        Raises
        ------
        DataError
            If a column is missing, of another length, or of a kind that can't be encoded.
        """
        matrix = self.encoder.transform(columns)
        return self.scorer(matrix) if len(matrix) else np.empty(0, dtype=np.float64)


def load_predictor(folder: Path) -> Predictor:
    """Load an artefact.

    Raises
    ------
    NotFoundError
        If the folder or one of its files is missing.
    DataError
        If the format is unknown or a file is damaged; the message names it.
    UsageError
        If the package that runs this model is not installed; the message says which extra brings it.
    """
    manifest = read_manifest(folder)
    if manifest.runtime not in _SCORERS:
        raise UsageError(
            f"'{folder}' holds a model of kind '{manifest.runtime}', which orders items and gives no number a row: it "
            f"can be evaluated (storekeeper evaluate {manifest.task}), not served or explained yet."
        )
    return Predictor(manifest, read_encoder(folder), _SCORERS[manifest.runtime](folder))


def open_booster(folder: Path) -> tuple[Any, Any]:
    """XGBoost, and a native booster on one thread: with more, idle OpenMP threads cost 20 ms a call."""
    path = _weights(folder, XGBOOST_FILE)
    xgboost = _package("xgboost", "xgboost")
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise DataError(f"{path} is not a model that XGBoost can read: train it again.") from error
    booster.set_param({"nthread": 1})
    return xgboost, booster


def _load_xgboost(folder: Path) -> Scorer:
    """Trees alone."""
    _, booster = open_booster(folder)

    def score(matrix: Matrix) -> Probabilities:
        scores: Probabilities = booster.inplace_predict(matrix, validate_features=False).astype(np.float64)
        return scores

    return score


def _load_scaled_xgboost(folder: Path) -> Scorer:
    """Trees that say by how much a level, a sum of inputs, is to be multiplied."""
    level, factor = read_weighted_sum(folder, LEVEL_FILE), _load_xgboost(folder)

    def score(matrix: Matrix) -> Probabilities:
        return level(matrix) * factor(matrix)

    return score


def open_session(folder: Path, name: str = ONNX_FILE) -> Any:
    """An ONNX session on one thread."""
    path = _weights(folder, name)
    runtime = _package("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except RuntimeError as error:
        raise DataError(f"{path} is not a model that ONNX Runtime can read: train it again.") from error
    except runtime.capi.onnxruntime_pybind11_state.InvalidProtobuf as error:
        raise DataError(f"{path} is not a model that ONNX Runtime can read: train it again.") from error


def _load_onnx(folder: Path) -> Scorer:
    """A network."""
    session = open_session(folder)
    name = session.get_inputs()[0].name

    def score(matrix: Matrix) -> Probabilities:
        scores: Probabilities = session.run(None, {name: matrix})[0].reshape(-1).astype(np.float64)
        return scores

    return score


def _load_blend(folder: Path) -> Scorer:
    """Each member on its part of the matrix."""
    mixture, parts = read_blend(folder), read_encoder(folder).parts
    if len(parts) != len(mixture.members):
        raise DataError(
            f"'{folder}' blends {len(mixture.members)} models and encodes for {len(parts)}: train it again."
        )
    scorers = [_SCORERS[member.runtime](member_folder(folder, member.model)) for member in mixture.members]
    ends = np.cumsum([len(part.output_names) for part in parts])[:-1]

    def score(matrix: Matrix) -> Probabilities:
        blocks = map(np.ascontiguousarray, np.split(matrix, ends, axis=1))
        return mixture([run(block) for run, block in zip(scorers, blocks, strict=True)])

    return score


def _weights(folder: Path, name: str) -> str:
    """The path of a file of weights, which the libraries want as text."""
    path = folder / name
    if not path.is_file():
        found = listing(entry.name for entry in folder.iterdir())
        raise NotFoundError(f"No {name} in '{folder}'. It holds: {found}. Train the model again.")
    return str(path)


def _package(package: str, runtime: str) -> Any:
    """A package that only this kind of model needs."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"A model of kind '{runtime}' needs the package '{package}', which is not installed. "
            f"Install it: pip install 'storekeeper[serve]'."
        ) from error


_SCORERS: Mapping[Runtime, Callable[[Path], Scorer]] = {
    "xgboost": _load_xgboost,
    "xgboost-scaled": _load_scaled_xgboost,
    "onnx": _load_onnx,
    "logistic": read_linear,
    "rule": read_rule,
    "log-linear": read_log_linear,
    "weighted-sum": read_weighted_sum,
    "blend": _load_blend,
}
