"""Evaluate: how good predicted quantities are, against what happened."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Interval
from storekeeper.errors import DataError
from storekeeper_training.problems.scales import SeriesScales

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QuantityEvaluation:
    """Figures of one model on one period.

    Attributes
    ----------
    rows, units
        How many rows, and the sum of their labels.
    unscaled_rows
        Rows of series without a scale: they don't count in RMSSE and MASE.
    rmsse
        Root mean squared error of each series by what last season's value missed in training, averaged over series:
        below 1 is better than that.
    mase
        The same of absolute errors.
    wape
        Sum of the absolute errors by the sum of the labels.
    bias
        Sum of the errors (prediction - label) by the sum of the labels: above 0, too much was predicted.
    rmse, mae
        In units.
    coverage
        The share of labels within the interval.
    width
        Sum of the intervals' widths by the sum of the labels.
    """

    rows: int
    units: float
    unscaled_rows: int
    rmsse: float
    mase: float
    wape: float
    bias: float
    rmse: float
    mae: float
    coverage: float
    width: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def evaluate_quantities(
    labels: Floats, predictions: Floats, series: Codes, scales: SeriesScales, interval: Interval
) -> QuantityEvaluation:
    """All figures at once.

    Parameters
    ----------
    labels, predictions
        `(n,) float64`, from 0 on.
    series
        `(n,) int64`: places in `scales`.
    interval
        Chosen beforehand, on other rows.

    Raises
    ------
    DataError
        If there are no rows, all labels are 0, no series has a scale, or a prediction is below 0 or not a number.
    """
    _check(labels, predictions)
    errors, total = predictions - labels, float(labels.sum())
    squared, absolute = scaled_errors(errors, series, scales)
    known = ~np.isnan(squared)
    if not known.any():
        raise DataError(
            f"None of the series of these {len(labels)} rows has a scale: its training rows never changed, or there "
            f"are none. Build a longer dataset."
        )
    low, high = interval.bounds(predictions)
    return QuantityEvaluation(
        rows=len(labels),
        units=total,
        unscaled_rows=int(np.isnan(squared[series]).sum()),
        rmsse=float(np.sqrt(squared[known]).mean()),
        mase=float(absolute[known].mean()),
        wape=float(np.abs(errors).sum()) / total,
        bias=float(errors.sum()) / total,
        rmse=float(np.sqrt((errors**2).mean())),
        mae=float(np.abs(errors).mean()),
        coverage=float(((labels >= low) & (labels <= high)).mean()),
        width=float((high - low).sum()) / total,
    )


def scaled_errors(errors: Floats, series: Codes, scales: SeriesScales) -> tuple[Floats, Floats]:
    """Mean squared and mean absolute error of each series by its scale; NaN where it has no rows or no scale."""
    count = len(scales.squared)
    rows = np.bincount(series, minlength=count).astype(np.float64)
    rows[rows == 0] = np.nan
    squared = np.bincount(series, weights=errors**2, minlength=count) / rows / scales.squared
    absolute = np.bincount(series, weights=np.abs(errors), minlength=count) / rows / scales.absolute
    return squared, absolute


def _check(labels: Floats, predictions: Floats) -> None:
    if not len(labels) or len(labels) != len(predictions):
        raise DataError(f"There are {len(labels)} labels but {len(predictions)} predictions. One each is needed.")
    if not labels.any():
        raise DataError(f"All {len(labels)} labels are 0: no error can be held against what was sold.")
    if not np.isfinite(predictions).all() or predictions.min() < 0:
        raise DataError("Predicted quantities must be numbers from 0 on. The model gave others.")
