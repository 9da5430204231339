"""The article's network, kept exactly as published: the reference that later networks are measured against."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.runtime import ONNX_FILE
from storekeeper_training.encode import fit_standard_encoder
from storekeeper_training.models.model import FitProgress, Fitted, Probabilities, Sample

# How many batches run in one TensorFlow call; the updates are the same ones. With batches of 32 the calls cost
# more than the arithmetic: 1 s an epoch of 100k rows instead of 5 s.
BATCHES_PER_CALL = 128

SCORING_BATCH = 8192


@dataclass(frozen=True)
class ReferenceNetwork:
    """Dense ReLU, dense ReLU, sigmoid; Adam on binary cross-entropy.

    Attributes
    ----------
    units
        Width of both hidden layers.
    epochs, batch_size
        How long and in what steps it learns; there is no early stopping.
    validation_share
        The last share of the training period that is watched and not learnt from, as the article does.
    """

    units: int = 128
    epochs: int = 10
    batch_size: int = 32
    validation_share: float = 0.2

    name: ClassVar[str] = "dnn-reference"
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime")
    extra: ClassVar[str] = "tensorflow"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:  # noqa: ARG002
        """Learn for all epochs on the first four fifths of the training period."""
        keras = import_keras()
        encoder = fit_standard_encoder(train.columns, names)
        matrix = encoder.transform(train.columns)
        keras.utils.set_random_seed(seed)
        network = self._build(keras, matrix.shape[1])
        network.fit(
            matrix,
            train.labels.astype(np.float32),
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_split=self.validation_share,
            validation_batch_size=SCORING_BATCH,
            verbose=0,
            callbacks=[_progress_callback(keras, progress, self.epochs)],
        )

        def score(rows: Matrix) -> Probabilities:
            scores: Probabilities = network.predict(rows, batch_size=SCORING_BATCH, verbose=0)[:, 0]
            return scores.astype(np.float64)

        def write(folder: Path) -> None:
            export_onnx(network, folder / ONNX_FILE)

        return Fitted(encoder, score, "onnx", write, asdict(self))

    def _build(self, keras: Any, width: int) -> Any:
        """The compiled network."""
        layers = keras.layers
        network = keras.Sequential(
            [
                keras.Input((width,), name="features"),
                layers.Dense(self.units, activation="relu"),
                layers.Dense(self.units, activation="relu"),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        network.compile(
            optimizer=keras.optimizers.Adam(),
            loss="binary_crossentropy",
            steps_per_execution=BATCHES_PER_CALL,
            jit_compile=False,
        )
        return network


def import_keras() -> Any:
    """Keras on TensorFlow, without TensorFlow's chatter.

    oneDNN's rewrites are off: they gain nothing on layers this small and change the last digits. Two threads at most,
    unless the environment says otherwise: more gain nothing either.
    """
    threads = str(min(2, os.cpu_count() or 1))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", threads)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import keras

    return keras


def export_onnx(network: Any, path: Path) -> None:
    """Write a Keras network, called at least once, as ONNX."""
    with warnings.catch_warnings():
        # Keras patches tf2onnx for NumPy 2 and looks at `np.object` to do so.
        warnings.simplefilter("ignore", FutureWarning)
        network.export(str(path), format="onnx", verbose=False)


def _progress_callback(keras: Any, progress: FitProgress, total: int) -> Any:
    """Keras' callback for a progress bar."""

    class Tell(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            progress(epoch + 1, total, f"loss {logs['loss']:.4f}, held out {logs['val_loss']:.4f}")

    return Tell()
