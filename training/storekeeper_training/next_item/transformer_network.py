"""The Keras network of model `transformer`: causal self-attention over tokens, its item table tied to the output."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_MASKED = -1e9


@dataclass(frozen=True)
class TransformerShape:
    """What the network is made of.

    Attributes
    ----------
    length
        The longest window of tokens.
    width, heads, blocks
        Numbers a token, heads of attention, and how many blocks.
    dropout
        The share of numbers that a training step leaves out, of embeddings, attention and hidden units.
    """

    length: int
    width: int
    heads: int
    blocks: int
    dropout: float


@dataclass(frozen=True, eq=False)
class Network:
    """The parts that are trained together.

    Attributes
    ----------
    hidden
        Keras model of tokens `(n, n_places) int32` to states `(n, n_places, width)` and the attention of each block
        `(n, heads, n_places, n_places)`.
    output
        The layer of states `(n, width)` to scores `(n, n_items)`.
    """

    hidden: Any
    output: Any

    @property
    def variables(self) -> list[Any]:
        """What is learnt."""
        return [*self.hidden.trainable_variables, self.output.bias]


def build_network(keras: Any, n_items: int, shape: TransformerShape, shares: npt.NDArray[np.float32]) -> Network:
    """An untrained network, whose scores start near the logarithm of popularity, `shares` `(n_items,)`."""
    kinds = _layers(keras)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    table = kinds["EmbeddedTokens"](n_items, shape)
    states, attention = table(tokens), []
    for _ in range(shape.blocks):
        states, weights = kinds["Block"](shape)(states, tokens)
        attention.append(weights)
    states = keras.layers.LayerNormalization(epsilon=1e-6)(states)
    hidden = keras.Model(tokens, [states, *attention])
    output = kinds["TiedOutput"](table, n_items)
    output(np.zeros((1, shape.width), np.float32))
    output.bias.assign(np.log(shares + 1.0 / max(1, 10 * n_items)).astype(np.float32))
    return Network(hidden, output)


def scoring_model(keras: Any, network: Network) -> Any:
    """Tokens to scores `(n, n_items)` after the last token, and how much attention each token had `(n, n_places)`."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    states, *attention = network.hidden(tokens)
    scores = network.output(states[:, -1])
    return keras.Model(tokens, [scores, _layers(keras)["Rollout"]()(attention)])


@cache
def _layers(keras: Any) -> dict[str, Any]:
    """The classes of our layers; made here, since Keras is imported late."""
    ops, layers = keras.ops, keras.layers

    class EmbeddedTokens(keras.layers.Layer):  # type: ignore[misc]
        """Embeddings of the tokens and of their places, counted from the last."""

        def __init__(self, n_items: int, shape: TransformerShape) -> None:
            super().__init__()
            self.length = shape.length
            normal = keras.initializers.RandomNormal(stddev=shape.width**-0.5)
            self.table = self.add_weight(shape=(n_items + 2, shape.width), initializer=normal, name="table")
            self.places = self.add_weight(shape=(shape.length, shape.width), initializer=normal, name="places")
            self.dropout = layers.Dropout(shape.dropout)

        def call(self, tokens: Any, training: bool = False) -> Any:
            ages = ops.shape(tokens)[1] - 1 - ops.arange(ops.shape(tokens)[1])
            embedded = ops.take(self.table, tokens, axis=0) + ops.take(self.places, ages, axis=0)
            return self.dropout(embedded, training=training)

    class Block(keras.layers.Layer):  # type: ignore[misc]
        """Self-attention to what came before, and a dense part, each past a normalisation; gives its attention too."""

        def __init__(self, shape: TransformerShape) -> None:
            super().__init__()
            self.heads, self.size = shape.heads, shape.width // shape.heads
            self.before = layers.LayerNormalization(epsilon=1e-6)
            self.between = layers.LayerNormalization(epsilon=1e-6)
            self.projection = layers.Dense(3 * shape.width)
            self.joined = layers.Dense(shape.width)
            self.wide = layers.Dense(2 * shape.width, activation=lambda x: keras.activations.gelu(x, approximate=True))
            self.narrow = layers.Dense(shape.width)
            self.dropout = layers.Dropout(shape.dropout)
            self.distances = self.add_weight(shape=(shape.length, shape.heads), initializer="zeros", name="distances")

        def call(self, states: Any, tokens: Any, training: bool = False) -> Any:
            mixed, weights = self._attend(self.before(states), tokens, training)
            states = states + self.dropout(self.joined(mixed), training=training)
            inner = self.dropout(self.wide(self.between(states)), training=training)
            return states + self.dropout(self.narrow(inner), training=training), weights

        def _attend(self, states: Any, tokens: Any, training: bool) -> Any:
            rows, places = ops.shape(states)[0], ops.shape(states)[1]
            parts = ops.reshape(self.projection(states), (rows, places, 3, self.heads, self.size))
            query, key, value = (ops.transpose(parts[:, :, at], (0, 2, 1, 3)) for at in range(3))
            at = ops.arange(places)
            distance = ops.expand_dims(at, 1) - ops.expand_dims(at, 0)
            near = ops.transpose(ops.take(self.distances, ops.maximum(distance, 0), axis=0), (2, 0, 1))
            seen = ops.logical_and(distance >= 0, ops.not_equal(tokens, 0)[:, None, None, :])
            raw = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / self.size**0.5 + near
            weights = ops.softmax(ops.where(seen, raw, _MASKED), axis=-1)
            mixed = ops.matmul(self.dropout(weights, training=training), value)
            return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (rows, places, self.heads * self.size)), weights

    class TiedOutput(keras.layers.Layer):  # type: ignore[misc]
        """States times the items' embeddings, plus a bias an item."""

        def __init__(self, tokens: Any, n_items: int) -> None:
            super().__init__()
            self.tokens = tokens
            self.n_items = n_items
            self.bias = self.add_weight(shape=(n_items,), initializer="zeros", name="bias")

        def items(self) -> Any:
            return self.tokens.table[1 : self.n_items + 1]

        def call(self, states: Any) -> Any:
            return ops.matmul(states, ops.transpose(self.items())) + self.bias

    class Rollout(keras.layers.Layer):  # type: ignore[misc]
        """The last token's attention through all blocks, half of each block's going past it.

        S. Abnar and W. Zuidema, Quantifying Attention Flow in Transformers, ACL 2020.
        """

        def call(self, attention: Any) -> Any:
            last = ops.mean(attention[-1][:, :, -1:, :], axis=1)
            for weights in reversed(attention[:-1]):
                last = 0.5 * last + 0.5 * ops.matmul(last, ops.mean(weights, axis=1))
            return last[:, 0, :]

    return {"EmbeddedTokens": EmbeddedTokens, "Block": Block, "TiedOutput": TiedOutput, "Rollout": Rollout}
