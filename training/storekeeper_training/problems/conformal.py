"""Intervals from what a model missed on rows that it was not fitted on."""

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Interval

Floats = npt.NDArray[np.float64]

LEVEL = 0.8
_POWER = 0.5
_GROUPS = 5
# With fewer rows in a group, its outer quantiles are a few rows' chance.
_LEAST_ROWS = 50


def conformal_interval(labels: Floats, predictions: Floats, level: float = LEVEL) -> Interval:
    """Split conformal prediction, in groups of like predictions.

    Residuals are taken by `(1 + prediction) ** 0.5`, as counts spread about, and in groups of equal mass of the
    prediction; a group's quantiles are those of n + 1 rows, so that as many of the rows to come lie within as `level`
    says, at least, while they are like these (Vovk, Gammerman and Shafer, 2005, "Algorithmic Learning in a Random
    World", ch. 4: Mondrian conformal predictors).

    Parameters
    ----------
    labels, predictions
        `(n,) float64`, of rows that the model did not learn from.
    """
    groups = max(1, min(_GROUPS, len(labels) // _LEAST_ROWS))
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, groups + 1)[1:-1]))
    group = np.searchsorted(edges, predictions, side="right")
    residuals = (labels - predictions) / (1.0 + predictions) ** _POWER
    tail = (1.0 - level) / 2
    bounds = [
        _bounds(residuals[group == at] if (group == at).any() else residuals, tail) for at in range(len(edges) + 1)
    ]
    low, high = zip(*bounds, strict=True)
    return Interval(level, _POWER, tuple(map(float, edges)), low, high)


def _bounds(residuals: Floats, tail: float) -> tuple[float, float]:
    """The outer order statistics of n + 1 rows; the outermost where there are too few."""
    ordered = np.sort(residuals)
    rank = int(np.floor(tail * (len(ordered) + 1)))
    return float(ordered[max(rank - 1, 0)]), float(ordered[min(len(ordered) - rank, len(ordered) - 1)])
