"""What an error of each series is measured by: how far its own last value would have been off in training."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SeriesScales:
    """Errors in training of the forecast "as many as one horizon before", by series.

    Attributes
    ----------
    absolute, squared
        `(n_series,) float64`: mean absolute and mean squared error; NaN where a series has no two training rows one
        horizon apart, or its labels never changed.
    """

    absolute: Floats
    squared: Floats


def series_scales(
    labels: Floats, times: npt.NDArray[np.datetime64], series: Codes, horizon: timedelta, count: int
) -> SeriesScales:
    """Scales of all series from training rows.

    Labels one horizon apart follow each other without overlap, so that the earlier is the seasonal-naive (last
    season's) forecast of the later: the denominators of MASE (Hyndman and Koehler, 2006, "Another look at measures of
    forecast accuracy") and of RMSSE (the M5 competition's guide, 2020), `mean |y_t - y_(t-1)|` and
    `mean (y_t - y_(t-1))²` over the training period.

    Parameters
    ----------
    labels, times, series
        `(n,)` each, training rows in any order.
    count
        How many series there are.
    """
    instants = times.astype("datetime64[us]").astype(np.int64)
    step = int(horizon / timedelta(microseconds=1))
    order = np.lexsort((instants, series))
    who, when, what = series[order], instants[order], labels[order]
    # The earlier row needn't be the neighbour: rows may be closer together than a horizon.
    span = int(when.max() - when.min()) + step + 1 if len(when) else 1
    axis = who * span + (when - when.min()) if len(when) else when
    at = np.searchsorted(axis, axis - step)
    found = np.flatnonzero((axis[np.minimum(at, len(axis) - 1)] == axis - step) & (who[at] == who)) if len(axis) else at
    change = what[found] - what[at[found]]
    pairs = np.bincount(who[found], minlength=count)
    return SeriesScales(*(_means(errors, who[found], pairs) for errors in (np.abs(change), change**2)))


def _means(errors: Floats, series: Codes, pairs: npt.NDArray[np.int64]) -> Floats:
    totals = np.bincount(series, weights=errors, minlength=len(pairs))
    means = np.full(len(pairs), np.nan)
    np.divide(totals, pairs, out=means, where=(pairs > 0) & (totals > 0))
    return means
