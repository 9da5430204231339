"""Which mixture of rankers ranks best on validation rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from storekeeper_training.models.model import FitProgress
from storekeeper_training.next_item.model import FittedRanker, Scores
from storekeeper_training.next_item.ranking import row_metrics, rows_at_once, target_ranks
from storekeeper_training.next_item.sequences import Sequences

Weights = npt.NDArray[np.float64]

Scale = Literal["standard", "asinh"]
"""How scores come on one scale, row by row: mean 0 and deviation 1, or the asinh of that, which keeps a few scores far
above the others from drowning the other members."""

SCALES: tuple[Scale, ...] = ("standard", "asinh")


@dataclass(frozen=True, eq=False)
class Mixture:
    """The choice.

    Attributes
    ----------
    weights
        `(n_members,) float64`, at least 0, their sum 1.
    scale
        How scores come on one scale.
    ndcg
        NDCG@10 on the rows that it was chosen by.
    """

    weights: Weights
    scale: Scale
    ndcg: float


def on_scale(scores: Scores, sequences: Sequences, scale: Scale) -> Scores:
    """Scores of mean 0 and deviation 1 a row: `(n_rows, n_items) float32`; a row of equal scores gives zeros.

    Where nothing repeats, the history's items neither count nor stand out.
    """
    counted = np.ones(scores.shape, dtype=bool)
    if not sequences.repeats:
        counted[sequences.history.rows, sequences.history.values] = False
    counts = np.maximum(1, counted.sum(axis=1, keepdims=True))
    means = (scores * counted).sum(axis=1, keepdims=True) / counts
    centred = np.where(counted, scores - means, 0.0)
    deviations = np.sqrt((centred**2).sum(axis=1, keepdims=True) / counts)
    standard = (centred / np.where(deviations > 0, deviations, 1.0)).astype(np.float32)
    found: Scores = np.arcsinh(standard) if scale == "asinh" else standard
    return found


def choose_mixture(
    members: Sequence[FittedRanker], validation: Sequences, steps: int, progress: FitProgress
) -> Mixture:
    """The weights, in steps of 1 / `steps`, and the scale with the greatest NDCG@10; the first among equals."""
    asked = validation.take(np.flatnonzero(validation.n_targets > 0))
    grid = np.array(list(_simplex(len(members), steps))) / steps
    ranks = {scale: np.empty((len(grid), len(asked.targets.values)), dtype=np.int64) for scale in SCALES}
    size = rows_at_once(len(asked.catalogue) * max(1, len(members)))
    for place, batch in asked.batches(size):
        first, end = asked.targets.offsets[[place.start, place.stop]]
        raw = [member.scores(batch) for member in members]
        for scale in SCALES:
            scores = np.stack([on_scale(values, batch, scale) for values in raw])
            for at, weights in enumerate(grid):
                mixed = np.tensordot(weights.astype(np.float32), scores, axes=1)
                ranks[scale][at, first:end] = target_ranks(mixed, batch)
        progress(place.stop, len(asked), "weights")
    found = [
        Mixture(weights, scale, float(row_metrics(asked.targets, own, asked.n_targets, (10,))["ndcg_at_10"].mean()))
        for scale in SCALES
        for weights, own in zip(grid, ranks[scale], strict=True)
    ]
    return max(found, key=lambda mixture: mixture.ndcg)


def _simplex(n_members: int, steps: int) -> Iterator[tuple[int, ...]]:
    """Every way to share `steps` among the members."""
    for shares in product(range(steps + 1), repeat=n_members - 1):
        if sum(shares) <= steps:
            yield (*shares, steps - sum(shares))
