"""How sure ranking figures are: bootstrap over rows, or over groups of rows such as sessions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError
from storekeeper_training.bootstrap import DRAWS, draw_entities
from storekeeper_training.next_item.ranking import Floats

# Draws that are weighed at once, so that memory is 20 numbers a group.
_AT_ONCE = 20

_LOW, _HIGH = 0.025, 0.975


@dataclass(frozen=True)
class MeanInterval:
    """A mean over rows and where 95 % of the draws lie.

    Attributes
    ----------
    value
        The mean of the rows as they are.
    low, high
        The 2.5th and the 97.5th percentile of the draws.
    """

    value: float
    low: float
    high: float


def mean_interval(
    values: Floats, seed: int, groups: npt.NDArray[np.generic] | None = None, draws: int = DRAWS
) -> MeanInterval:
    """The interval of a metric's mean, `(n_rows,) float64`; rows of one group come and go together.

    The same seed, number of rows and groups give the same draws: the interval of a difference between two models is
    that of the difference of their values, row by row.

    Raises
    ------
    DataError
        If there are no rows.
    """
    if not len(values):
        raise DataError("There are no rows with a target, so no interval can be drawn.")
    codes = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    means = _drawn_means(
        np.bincount(codes, values).astype(np.float64), np.bincount(codes).astype(np.float64), seed, draws
    )
    low, high = np.quantile(means, (_LOW, _HIGH))
    return MeanInterval(float(values.mean()), float(low), float(high))


def _drawn_means(sums: Floats, counts: Floats, seed: int, draws: int) -> Floats:
    """The mean of each draw of groups: `(draws,) float64`."""
    means = []
    for start in range(0, draws, _AT_ONCE):
        weights = draw_entities(len(sums), seed + start, min(_AT_ONCE, draws - start))
        means.append((weights @ sums) / (weights @ counts))
    return np.concatenate(means)
