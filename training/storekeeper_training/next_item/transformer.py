"""Model `transformer`: causal self-attention over the history (SASRec), by full softmax or gBCE.

W.-C. Kang and J. McAuley, Self-Attentive Sequential Recommendation, ICDM 2018; the losses as in A. Petrov and
C. Macdonald, gSASRec, RecSys 2023.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from storekeeper.errors import CheckFailedError
from storekeeper_training.models.model import FitProgress, Parameters
from storekeeper_training.models.reference_network import export_onnx, import_keras
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.choose import chosen
from storekeeper_training.next_item.model import FittedRanker
from storekeeper_training.next_item.popularity import item_shares
from storekeeper_training.next_item.positions import Positions
from storekeeper_training.next_item.sequences import Sequences
from storekeeper_training.next_item.transformer_loss import LARGEST_SOFTMAX, Loss, sampled_loss, softmax_loss
from storekeeper_training.next_item.transformer_network import Network, TransformerShape, build_network, scoring_model
from storekeeper_training.next_item.transformer_ranker import ONNX_FILE, TransformerRanker
from storekeeper_training.next_item.transformer_tokens import PADDING, TrainingWindows
from storekeeper_training.next_item.transformer_training import KerasScorer, TransformerSchedule, learn

# The greatest difference between the scores of Keras and of ONNX Runtime, of those that are 1 or less, and relative
# to those that are more.
PARITY = 1e-5

_PARITY_ROWS = 64


@dataclass(frozen=True)
class Transformer:
    """Learns the next item at each place of the history.

    Attributes
    ----------
    length, width, heads, blocks, dropout
        The network's shape; `TransformerShape` says what they are.
    batch_rows
        Windows of histories a step.
    learning_rate, weight_decay, averaging, epochs, patience
        How it learns; `TransformerSchedule` says what they are.
    negatives, t
        Of gBCE, where the catalogue has more than 20,000 items.
    positions
        Which next items teach.
    """

    length: int = 50
    width: int = 64
    heads: int = 2
    blocks: int = 2
    dropout: float = 0.3
    batch_rows: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    averaging: float = 0.99
    epochs: int = 60
    patience: int | None = 6
    negatives: int = 256
    t: float = 0.75
    positions: Positions = "every"

    name: ClassVar[str] = "transformer"
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "scipy")
    extra: ClassVar[str] = "tensorflow"

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> TransformerRanker:
        """Learn until NDCG@10 on validation stops rising, then go over to ONNX.

        Raises
        ------
        CheckFailedError
            If ONNX Runtime's scores aren't Keras'.
        """
        keras = import_keras()
        keras.utils.set_random_seed(seed)
        shape = TransformerShape(self.length, self.width, self.heads, self.blocks, self.dropout)
        n_items = len(train.catalogue)
        network = build_network(keras, n_items, shape, item_shares(train, self.positions))
        model = scoring_model(keras, network)
        windows = TrainingWindows(train, self.positions, self.length, self.batch_rows)
        scorer = KerasScorer(model, self.length)
        schedule = TransformerSchedule(
            self.learning_rate, self.weight_decay, self.averaging, self.epochs, self.patience
        )
        loss = self._loss(network, n_items)
        learnt = learn(keras, network, loss, windows, scorer, validation, schedule, seed, progress)
        parameters: Parameters = {**asdict(self), "best_epoch": learnt.epoch, "loss": self._loss_name(n_items)}
        ranker = to_onnx(model, train.catalogue, self.length, parameters)
        check_parity(ranker, scorer, validation.take(np.arange(min(_PARITY_ROWS, len(validation)))))
        progress(self.epochs, self.epochs, f"epoch {learnt.epoch} kept")
        return ranker

    def settled(self, ranker: FittedRanker) -> "Transformer":
        """For as many epochs as were best."""
        return replace(self, epochs=int(chosen(ranker, "best_epoch")), patience=None)

    def _loss_name(self, n_items: int) -> str:
        return "softmax" if n_items <= LARGEST_SOFTMAX else "gbce"

    def _loss(self, network: Network, n_items: int) -> Loss:
        import tensorflow as tf

        if self._loss_name(n_items) == "softmax":
            return softmax_loss(tf, network)
        return sampled_loss(tf, network, n_items, self.negatives, self.t)


def to_onnx(model: Any, catalogue: Catalogue, length: int, parameters: Parameters) -> TransformerRanker:
    """The Keras model of tokens to scores and attention as a ranker that needs no Keras."""
    # Keras refuses to export what was never called, as after a fit without validation.
    model(np.array([[PADDING, len(catalogue) + 1]], dtype=np.int32))
    with TemporaryDirectory() as folder:
        path = Path(folder) / ONNX_FILE
        export_onnx(model, path)
        return TransformerRanker(catalogue, path.read_bytes(), length, parameters)


def check_parity(ranker: TransformerRanker, scorer: KerasScorer, sequences: Sequences) -> float:
    """The greatest difference between ONNX Runtime's and Keras' scores, relative to those beyond 1.

    Raises
    ------
    CheckFailedError
        If it is above 1e-5.
    """
    if not len(sequences):
        return 0.0
    expected = scorer.scores(sequences)
    difference = np.abs(ranker.scores(sequences) - expected) / np.maximum(1.0, np.abs(expected))
    if (greatest := float(difference.max())) > PARITY:
        raise CheckFailedError(
            f"The Transformer's scores differ by {greatest:.1e} between Keras and ONNX Runtime, "
            f"of which {PARITY:.0e} is allowed. "
            f"Compare the versions of keras, tf2onnx and onnxruntime with constraints.txt."
        )
    return greatest
