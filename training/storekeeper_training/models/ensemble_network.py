"""The Keras network of model `dnn`: several members that learn side by side on the rows of one encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from storekeeper.artefact import Encoder
from storekeeper.artefact.encoder import Matrix
from storekeeper_training.models.calibration import Calibration, Floats

# How many batches run in one TensorFlow call: the calls cost more than the arithmetic.
BATCHES_PER_CALL = 32

SCORING_BATCH = 8192


@dataclass(frozen=True)
class Shape:
    """What the network is made of.

    Attributes
    ----------
    members
        How many networks, alike but for their random start and their dropout; their mean logit is the answer.
    width, depth
        Units of a hidden layer, and how many of these.
    dropout
        The share of hidden units that a training step leaves out.
    category_dropout
        The share of categories that a training step takes for null, so that null's embedding is learnt even where the
        training rows have none.
    embedding
        Numbers a category's slot is embedded in.
    """

    members: int
    width: int
    depth: int
    dropout: float
    category_dropout: float
    embedding: int


@dataclass(frozen=True)
class Schedule:
    """How the network learns: AdamW, its rate falling along a half cosine to zero.

    Attributes
    ----------
    learning_rate, weight_decay
        AdamW's, at the start.
    steps
        After how many batches the rate reaches zero.
    """

    learning_rate: float
    weight_decay: float
    steps: int


def build_members(keras: Any, encoder: Encoder, shape: Shape, schedule: Schedule, seed: int) -> Any:
    """A compiled network from an encoder's matrix `(n, n_encoded) float32` to the members' logits `(n, members)`."""
    slots = [column.n_slots for column in encoder.categorical]
    n_numbers = len(encoder.output_names) - len(slots)
    rows = keras.Input((n_numbers + len(slots),), name="features")
    numbers = rows[:, :n_numbers]
    places = _rows_layer(keras)(slots, shape.category_dropout, seed)(rows[:, n_numbers:]) if slots else None
    logits = [_member(keras, shape, numbers, places, slots, seed + 1000 * (at + 1)) for at in range(shape.members)]
    network = keras.Model(rows, keras.layers.Concatenate(name="logits")(logits) if len(logits) > 1 else logits[0])
    rate = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, schedule.steps)
    network.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay),
        loss=_summed_loss(keras),
        steps_per_execution=BATCHES_PER_CALL,
        jit_compile=False,
    )
    return network


def calibrated(keras: Any, members: Any, calibration: Calibration) -> Any:
    """The whole network: the members, their mean logit, the calibration and the sigmoid, as one."""
    layer = keras.layers.Dense(1, activation="sigmoid", name="probability")
    network = keras.Model(members.inputs[0], layer(members.outputs[0]))
    n_members = members.outputs[0].shape[-1]
    kernel = np.full((n_members, 1), calibration.scale / n_members, dtype=np.float32)
    layer.set_weights([kernel, np.array([calibration.shift], dtype=np.float32)])
    # The export wants a network that has been called.
    run_network(network, np.zeros((1, members.inputs[0].shape[-1]), dtype=np.float32))
    return network


def run_network(network: Any, rows: Matrix) -> Floats:
    """A network's outputs `(n_rows, n_outputs) float64`, for no rows too.

    Called as it is: Keras' `predict` would trace the network anew for each fit, which takes longer than these layers.
    """
    starts = range(0, max(len(rows), 1), SCORING_BATCH)
    return np.concatenate(
        [np.asarray(network(rows[at : at + SCORING_BATCH], training=False), dtype=np.float64) for at in starts]
    )


def _member(keras: Any, shape: Shape, numbers: Any, places: Any, slots: list[int], seed: int) -> Any:
    """One member's logit: hidden layers, and past them a straight way for what is additive."""
    layers, start = keras.layers, keras.initializers
    read = numbers
    if places is not None:
        table = layers.Embedding(
            sum(slots) + len(slots), shape.embedding, embeddings_initializer=start.RandomNormal(stddev=0.1, seed=seed)
        )
        embedded = layers.Flatten()(table(places))
        read = layers.Concatenate()([numbers, embedded]) if numbers.shape[-1] else embedded
    hidden = read
    for at in range(shape.depth):
        uniform = start.HeUniform(seed=seed + 10 * at + 1)
        hidden = layers.Dense(shape.width, activation="relu", kernel_initializer=uniform)(hidden)
        hidden = layers.Dropout(shape.dropout, seed=seed + 10 * at + 2)(hidden)
    last = start.GlorotUniform(seed=seed + 3)
    return layers.Dense(1, kernel_initializer=last)(layers.Concatenate()([hidden, read]))


def _rows_layer(keras: Any) -> Callable[[list[int], float, int], Any]:
    """The class of the layer that reads categories; made here, since Keras is imported late."""
    ops = keras.ops

    class TableRows(keras.layers.Layer):  # type: ignore[misc]
        """Rows of each column's table, as floats, to rows of one table for all; each column's first is that of null.

        The encoder gives no NaN, since a choice such as `where` is exported as a sum of products, which NaN survives.
        """

        def __init__(self, slots: list[int], dropout: float, seed: int) -> None:
            super().__init__()
            self.offsets = np.cumsum([0, *(count + 1 for count in slots[:-1])]).astype(np.int32)
            self.dropout = dropout
            self.random = keras.random.SeedGenerator(seed)

        def call(self, columns: Any, training: bool = False) -> Any:
            rows = ops.cast(columns, "int32")
            if training and self.dropout:
                kept = keras.random.uniform(ops.shape(columns), seed=self.random) >= self.dropout
                rows = rows * ops.cast(kept, "int32")
            return rows + self.offsets

    return TableRows


def _summed_loss(keras: Any) -> Callable[[Any, Any], Any]:
    """Binary cross-entropy of each member, summed over the members: each learns as if it were alone."""
    ops = keras.ops

    def loss(labels: Any, logits: Any) -> Any:
        return ops.sum(ops.softplus(logits) - ops.reshape(labels, (-1, 1)) * logits, axis=-1)

    return loss
