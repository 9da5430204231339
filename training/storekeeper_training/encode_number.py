"""Fit the encoding of one number: what its training values say about scale, ranks and bins."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import NumericColumn
from storekeeper.artefact.numeric_column import LEAST_STEP

Floats = npt.NDArray[np.float64]

# Skewness from which on a non-negative number is taken as heavy-tailed; an exponential distribution has 2.
HEAVY_SKEWNESS = 2.0

# Corners of the line that gives a number its normal score; 256 tell apart what a network can.
SCORE_CORNERS = 256

# Corners nearer than this share of the column's span are one.
_RESOLUTION = 1e-12


def fit_standard(name: str, values: Floats) -> NumericColumn:
    """Centre, scale and fill of one number, from its training values."""
    known = values[~np.isnan(values)]
    log1p = is_heavy_tailed(known)
    shaped = np.log1p(known) if log1p else known
    center = float(shaped.mean()) if shaped.size else 0.0
    deviation = float(shaped.std()) if shaped.size else 0.0
    scale = deviation if deviation > 0 else 1.0
    fill = (float(np.median(shaped)) - center) / scale if shaped.size else 0.0
    return NumericColumn(name, "standard", log1p, center, scale, fill, indicator=bool(known.size < values.size))


def fit_quantile(name: str, values: Floats, corners: int = SCORE_CORNERS) -> NumericColumn:
    """A number's normal score: the standard normal's quantile at its mid-rank among the known training values.

    With no more known values than corners the scores at these values are exact; null becomes 0, the median's score.

    Parameters
    ----------
    name
        The column.
    values
        `(n_rows,)`, null as NaN.
    corners
        How many corners the line has at most.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return fit_standard(name, values)
    n_levels = min(corners, known.size)
    levels = (np.arange(n_levels) + 0.5) / n_levels
    places, ties = np.unique(np.sort(known)[(levels * known.size).astype(np.intp)], return_inverse=True)
    ranks = np.bincount(ties, weights=levels) / np.bincount(ties)
    keep = _apart(places)
    normal = NormalDist()
    return NumericColumn(
        name,
        "quantile",
        indicator=bool(known.size < values.size),
        corners=tuple(places[keep].tolist()),
        scores=tuple(normal.inv_cdf(rank) for rank in ranks[keep]),
    )


def fit_piecewise_linear(name: str, values: Floats, bins: int) -> NumericColumn:
    """A number in bins that part the known training values evenly; standardised where these are all equal.

    Parameters
    ----------
    name
        The column.
    values
        `(n_rows,)`, null as NaN.
    bins
        How many bins at most.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return fit_standard(name, values)
    log1p = is_heavy_tailed(known)
    ordered = np.sort(np.log1p(known) if log1p else known)
    places = np.unique(ordered[np.linspace(0, known.size - 1, bins + 1).round().astype(np.intp)])
    places = places[_apart(places)]
    if len(places) < 2:
        return fit_standard(name, values)
    marked = bool(known.size < values.size)
    return NumericColumn(name, "piecewise_linear", log1p, indicator=marked, corners=tuple(places.tolist()))


def is_heavy_tailed(values: Floats) -> bool:
    """Whether finite values are non-negative and so skewed that their logarithm is the better number."""
    if values.size < 3 or values.min() < 0:
        return False
    centred = values - values.mean()
    deviation = centred.std()
    return bool(deviation > 0 and np.mean((centred / deviation) ** 3) > HEAVY_SKEWNESS)


def _apart(places: Floats) -> npt.NDArray[np.intp]:
    """Which of ascending values to keep, so that each is clearly beyond the one kept before it."""
    step = max(2 * LEAST_STEP, _RESOLUTION * float(places[-1] - places[0]))
    kept = [0]
    for at, place in enumerate(places):
        if place - places[kept[-1]] > step:
            kept.append(at)
    return np.array(kept)
