"""What the Transformer's states are held against: all items, or sampled ones where the catalogue is large."""

from collections.abc import Callable
from typing import Any

from storekeeper_training.next_item.transformer_network import Network

# Up to so many items the full softmax is affordable, and better.
LARGEST_SOFTMAX = 20_000

Loss = Callable[[Any, Any, Any], Any]
"""States `(n, width)`, targets `(n,) int32` and weights `(n,)` to one number."""


def softmax_loss(tf: Any, network: Network) -> Loss:
    """Cross-entropy over the whole catalogue."""

    def loss(states: Any, targets: Any, weights: Any) -> Any:
        logits = network.output(states)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(each * weights) / tf.reduce_sum(weights)

    return loss


def sampled_loss(tf: Any, network: Network, n_items: int, negatives: int, t: float) -> Loss:
    """gBCE: the target's sigmoid, to the power β, against those of `negatives` items drawn for each example.

    A. Petrov and C. Macdonald, gSASRec, RecSys 2023: β = α (t (1 − 1/α) + 1/α), where α is the share of items drawn;
    t = 0 is plain binary cross-entropy, t = 1 gives calibrated scores.
    """
    beta = gbce_power(n_items, negatives, t)

    def loss(states: Any, targets: Any, weights: Any) -> Any:
        items, bias = network.output.items(), network.output.bias
        drawn = tf.random.uniform((tf.shape(targets)[0], negatives), 0, n_items, tf.int32)
        positive = tf.reduce_sum(states * tf.gather(items, targets), axis=1)
        positive += tf.gather(bias, targets)
        negative = tf.einsum("nw,nkw->nk", states, tf.gather(items, drawn))
        negative += tf.gather(bias, drawn)
        # A drawn target would be pushed both ways.
        kept = tf.cast(drawn != targets[:, None], tf.float32)
        each = beta * tf.nn.softplus(-positive)
        each += tf.reduce_sum(tf.nn.softplus(negative) * kept, axis=1)
        return tf.reduce_sum(each * weights) / tf.reduce_sum(weights)

    return loss


def gbce_power(n_items: int, negatives: int, t: float) -> float:
    """The power β of the target's sigmoid.

    >>> gbce_power(1001, 1000, 0.75), gbce_power(1001, 100, 0.0), gbce_power(1001, 100, 1.0)
    (1.0, 1.0, 0.1)
    """
    share = negatives / (n_items - 1)
    return share * (t * (1 - 1 / share) + 1 / share)
