"""Evaluate: how good probabilities are, against what happened."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from storekeeper.errors import DataError

Labels = npt.NDArray[np.int8]
Probabilities = npt.NDArray[np.float64]

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one period.

    Attributes
    ----------
    rows, positives
        How many rows, and how many of them have label 1.
    auc, average_precision
        How well the order of the probabilities separates the labels; greater is better.
    log_loss, brier
        How far the probabilities are from the labels; smaller is better. Logarithms are natural.
    calibration_error
        Mean gap between predicted and observed rate over 15 bins of equal mass.
    threshold
        The probability from which on the answer is yes.
    accuracy, precision, recall, f1
        Of those answers; precision is 0 where no answer is yes.
    """

    rows: int
    positives: int
    auc: float
    average_precision: float
    log_loss: float
    brier: float
    calibration_error: float
    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def evaluate(labels: Labels, probabilities: Probabilities, threshold: float) -> Evaluation:
    """All figures at once.

    Parameters
    ----------
    labels
        `(n,)` of 0 and 1.
    probabilities
        `(n,) float64` in [0, 1].
    threshold
        Chosen beforehand, on other rows.

    Raises
    ------
    DataError
        If a class is missing (most figures would be undefined) or a probability is out of range or not a number.
    """
    _check(labels, probabilities)
    answers = probabilities >= threshold
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, answers, average="binary", zero_division=0
    )
    return Evaluation(
        rows=len(labels),
        positives=int(labels.sum()),
        auc=float(metrics.roc_auc_score(labels, probabilities)),
        average_precision=float(metrics.average_precision_score(labels, probabilities)),
        log_loss=float(metrics.log_loss(labels, probabilities, labels=[0, 1])),
        brier=float(np.mean((probabilities - labels) ** 2)),
        calibration_error=calibration_error(labels, probabilities),
        threshold=threshold,
        accuracy=float(metrics.accuracy_score(labels, answers)),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
    )


def best_threshold(labels: Labels, probabilities: Probabilities) -> float:
    """The probability at which F1 is greatest; of several, the greatest.

    Raises
    ------
    DataError
        As `evaluate` does.
    """
    _check(labels, probabilities)
    precision, recall, thresholds = metrics.precision_recall_curve(labels, probabilities)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.flatnonzero(f1 == f1.max())[-1]])


def calibration_bins(
    labels: Labels, probabilities: Probabilities, bins: int = CALIBRATION_BINS
) -> tuple[Probabilities, Probabilities, npt.NDArray[np.int64]]:
    """Mean probability, observed rate and rows of bins of (nearly) equal mass, in ascending order of probability."""
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    predicted = np.array([probabilities[part].mean() for part in parts])
    observed = np.array([labels[part].mean() for part in parts])
    return predicted, observed, np.array([len(part) for part in parts])


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: |mean probability - observed rate| averaged over the rows of equal-mass bins."""
    predicted, observed, rows = calibration_bins(labels, probabilities, bins)
    return float(np.average(np.abs(predicted - observed), weights=rows))


def _check(labels: Labels, probabilities: Probabilities) -> None:
    if len(labels) != len(probabilities):
        raise DataError(f"There are {len(labels)} labels but {len(probabilities)} probabilities.")
    if not len(labels) or labels.min() == labels.max():
        raise DataError(
            f"Evaluation needs rows of both classes. Received {len(labels)} rows, {int(labels.sum())} with label 1. "
            f"Choose other boundaries of the split, or build a larger dataset."
        )
    if not (np.isfinite(probabilities).all() and probabilities.min() >= 0 and probabilities.max() <= 1):
        raise DataError("Probabilities must be numbers between 0 and 1. The model gave others.")
