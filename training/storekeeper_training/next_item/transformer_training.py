"""How the Transformer learns: AdamW with averaged weights, until NDCG@10 on validation stops rising."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from storekeeper_training.models.model import FitProgress
from storekeeper_training.next_item.choose import VALIDATION_ROWS
from storekeeper_training.next_item.model import Scores
from storekeeper_training.next_item.ranking import evaluate_ranker
from storekeeper_training.next_item.sequences import Sequences
from storekeeper_training.next_item.transformer_loss import Loss
from storekeeper_training.next_item.transformer_network import Network
from storekeeper_training.next_item.transformer_tokens import TrainingWindows, history_tokens, length_batches, padded

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class TransformerSchedule:
    """How it learns.

    Attributes
    ----------
    learning_rate, weight_decay
        AdamW's; the rate rises over the first epoch.
    averaging
        The share of the running mean of weights that a step keeps; the mean is what is used.
    epochs
        At most.
    patience
        After how many epochs without gain on validation it stops and goes back to the best; None learns for all
        epochs and keeps the last, as when the number is known from an earlier fit.
    """

    learning_rate: float
    weight_decay: float
    averaging: float
    epochs: int
    patience: int | None


@dataclass(frozen=True)
class Learnt:
    """How a fit went: the epoch that was kept, from 1, and its NDCG@10 on validation, NaN where none was asked for."""

    epoch: int
    ndcg: float


@dataclass(frozen=True, eq=False)
class KerasScorer:
    """Scores from the Keras network itself.

    Attributes
    ----------
    model
        Tokens to scores and attention.
    length
        The longest window.
    """

    model: Any
    length: int

    def scores(self, sequences: Sequences) -> Scores:
        """After the last token of each row."""
        n_items = len(sequences.catalogue)
        scores = np.empty((len(sequences), n_items), dtype=np.float32)
        for rows in length_batches(sequences.history, _ROWS_AT_ONCE):
            tokens = padded(history_tokens(sequences.history.take(rows), n_items, self.length))
            scores[rows] = self.model(tokens, training=False)[0].numpy()
        return scores


def learn(
    keras: Any,
    network: Network,
    loss: Loss,
    windows: TrainingWindows,
    scorer: KerasScorer,
    validation: Sequences,
    schedule: TransformerSchedule,
    seed: int,
    progress: FitProgress,
) -> Learnt:
    """Train in place; the network ends with the averaged weights of the epoch that is kept."""
    rng = np.random.default_rng(seed)
    step, optimizer = _step(keras, network, loss, schedule)
    asked = validation.sample(VALIDATION_ROWS, seed)
    best, kept, raw = Learnt(0, -1.0), _values(network), _values(network)
    for epoch in range(1, schedule.epochs + 1):
        _assign(network, raw)
        optimizer.learning_rate.assign(schedule.learning_rate * (0.5 if epoch == 1 else 1.0))
        losses = [
            float(step(batch.tokens, batch.row, batch.place, batch.target, batch.weight))
            for batch in windows.epoch(rng)
        ]
        raw = _values(network)
        optimizer.finalize_variable_values(network.variables)
        if schedule.patience is None:
            best, kept = Learnt(epoch, np.nan), _values(network)
            progress(epoch, schedule.epochs, f"loss {np.mean(losses):.4f}")
            continue
        ndcg = evaluate_ranker(scorer, asked, (10,)).means["ndcg_at_10"]
        progress(epoch, schedule.epochs, f"loss {np.mean(losses):.4f}, validation NDCG@10 {ndcg:.4f}")
        if ndcg > best.ndcg:
            best, kept = Learnt(epoch, ndcg), _values(network)
        if epoch - best.epoch >= schedule.patience:
            break
    _assign(network, kept)
    return best


def _step(keras: Any, network: Network, loss: Loss, schedule: TransformerSchedule) -> tuple[Any, Any]:
    """One step of the optimiser as a TensorFlow function, and the optimiser."""
    import tensorflow as tf

    optimizer = keras.optimizers.AdamW(
        schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        beta_2=0.98,
        global_clipnorm=5.0,
        use_ema=True,
        ema_momentum=schedule.averaging,
    )
    optimizer.build(network.variables)
    numbers = tf.TensorSpec((None,), tf.int32)
    signature = [tf.TensorSpec((None, None), tf.int32), numbers, numbers, numbers]

    @tf.function(input_signature=[*signature, tf.TensorSpec((None,), tf.float32)])  # type: ignore[untyped-decorator]
    def step(tokens: Any, row: Any, place: Any, target: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            states = network.hidden(tokens, training=True)[0]
            value = loss(tf.gather_nd(states, tf.stack([row, place], axis=1)), target, weight)
        optimizer.apply(tape.gradient(value, network.variables), network.variables)
        return value

    return step, optimizer


def _values(network: Network) -> list[Any]:
    return [variable.numpy() for variable in network.variables]


def _assign(network: Network, values: list[Any]) -> None:
    for variable, value in zip(network.variables, values, strict=True):
        variable.assign(value)
