"""Our network for tables: numbers in bins, embedded categories, an ensemble in one graph, calibrated."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from storekeeper.artefact import Encoder, LeftOut
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.runtime import ONNX_FILE
from storekeeper_training.encode import fit_network_encoder
from storekeeper_training.models.calibration import Labels, fit_calibration, log_loss
from storekeeper_training.models.ensemble_network import Schedule, Shape, build_members, calibrated, run_network
from storekeeper_training.models.model import FitProgress, Fitted, Parameters, Probabilities, Sample
from storekeeper_training.models.reference_network import export_onnx, import_keras

# An epoch is about so many batches, within the bounds of a batch below.
_BATCHES_PER_EPOCH = 64
_SMALLEST_BATCH, _LARGEST_BATCH = 32, 2048

# From so many training rows on the hidden layers are twice as wide.
_MANY_ROWS = 200_000


@dataclass(frozen=True)
class DeepNetwork:
    """Dense networks on bins and embeddings; AdamW, cosine rate, early stopping; mean logit, Platt-scaled.

    Attributes
    ----------
    numbers, bins
        How numbers are encoded: `fit_network_encoder` says how.
    members, width, depth, dropout, category_dropout, embedding
        The network's shape. The width doubles from 200,000 training rows on.
    learning_rate, weight_decay
        AdamW's, at the start.
    epochs, patience
        How many passes at most, and after how many without gain on validation it stops.
    left_out
        Inputs that it does not read: those that grow with the calendar.
    """

    numbers: Literal["quantile", "piecewise_linear"] = "piecewise_linear"
    bins: int = 16
    members: int = 3
    width: int = 128
    depth: int = 2
    dropout: float = 0.4
    category_dropout: float = 0.2
    embedding: int = 4
    learning_rate: float = 5e-4
    weight_decay: float = 0.1
    epochs: int = 24
    patience: int = 6
    left_out: tuple[str, ...] = ()

    name: ClassVar[str] = "dnn"
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "scikit-learn")
    extra: ClassVar[str] = "tensorflow"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:
        """Learn until the ensemble's log loss on the validation period stops falling; keep the best epoch's weights."""
        keras = import_keras()
        encoder = self._encoder(train, names)
        matrix, later = encoder.transform(train.columns), encoder.transform(validation.columns)
        batch = batch_size(len(matrix))
        keras.utils.set_random_seed(seed)
        schedule = Schedule(self.learning_rate, self.weight_decay, self.epochs * -(-len(matrix) // batch))
        members = build_members(keras, encoder, self._shape(len(matrix)), schedule, seed)
        watch = _watch(keras, later, validation.labels, progress, self.epochs, self.patience)
        labels = train.labels.astype(np.float32)
        members.fit(matrix, labels, epochs=self.epochs, batch_size=batch, verbose=0, callbacks=[watch])
        members.set_weights(watch.best_weights)
        calibration = fit_calibration(watch.best_logits, validation.labels)
        network = calibrated(keras, members, calibration)
        progress(self.epochs, self.epochs, f"epoch {watch.best_epoch} kept")

        def score(rows: Matrix) -> Probabilities:
            return run_network(network, rows)[:, 0]

        def write(folder: Path) -> None:
            export_onnx(network, folder / ONNX_FILE)

        parameters: Parameters = {
            **{name: value for name, value in asdict(self).items() if name != "left_out"},
            "width": self._shape(len(matrix)).width,
            "batch_size": batch,
            "best_epoch": watch.best_epoch,
            "calibration_scale": round(calibration.scale, 6),
            "calibration_shift": round(calibration.shift, 6),
        }
        return Fitted(encoder, score, "onnx", write, parameters)

    def _encoder(self, train: Sample, names: Sequence[str]) -> Encoder:
        """Fitted on the training rows; says what was left out, and why."""
        read = [name for name in names if name not in self.left_out]
        reasons = tuple(LeftOut(name, "grows with the calendar") for name in names if name in self.left_out)
        encoder = fit_network_encoder(train.columns, read, self.numbers, self.bins)
        return replace(encoder, left_out=(*encoder.left_out, *reasons))

    def _shape(self, n_rows: int) -> Shape:
        width = self.width * 2 if n_rows >= _MANY_ROWS else self.width
        return Shape(self.members, width, self.depth, self.dropout, self.category_dropout, self.embedding)


def batch_size(n_rows: int) -> int:
    """The power of two that gives an epoch of 64 to 128 batches, or the nearest that is allowed.

    >>> [batch_size(n_rows) for n_rows in (500, 10_000, 100_000, 10_000_000)]
    [32, 128, 1024, 2048]
    """
    power = 1 << max(0, (n_rows // _BATCHES_PER_EPOCH).bit_length() - 1)
    return min(max(power, _SMALLEST_BATCH), _LARGEST_BATCH)


def _watch(keras: Any, later: Matrix, labels: Labels, progress: FitProgress, epochs: int, patience: int) -> Any:
    """Keras' callback that scores the ensemble on the validation rows, remembers the best epoch and ends the fit."""

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        best_loss = np.inf
        best_epoch = 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            logits = run_network(self.model, later).mean(axis=1)
            loss = log_loss(logits, labels)
            if loss < self.best_loss:
                self.best_loss, self.best_epoch, self.best_logits = loss, epoch + 1, logits
                self.best_weights = self.model.get_weights()
            progress(epoch + 1, epochs, f"validation log loss {loss:.4f}")
            self.model.stop_training = epoch + 1 - self.best_epoch >= patience

    return Watch()
