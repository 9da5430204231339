"""Calibration: the straight line in logits that makes probabilities mean what they say (Platt scaling)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

# As scikit-learn's C: so weak that it only matters where the labels can be parted without fault.
_INVERSE_PENALTY = 1e4


class Calibration(NamedTuple):
    """`sigmoid(scale * logit + shift)`; `scale` is positive, so that no order changes."""

    scale: float = 1.0
    shift: float = 0.0


def fit_calibration(logits: Floats, labels: Labels) -> Calibration:
    """The scale and shift that are most likely on these rows, which must not be those that the logits were fitted on.

    Where the labels are of one class or don't rise with the logits, nothing can be learnt: the logits stay.

    Parameters
    ----------
    logits
        `(n_rows,)`, finite.
    labels
        `(n_rows,)` of 0 and 1.
    """
    from sklearn.linear_model import LogisticRegression

    spread = float(logits.std()) if len(logits) else 0.0
    if spread == 0.0 or labels.min() == labels.max():
        return Calibration()
    model = LogisticRegression(C=_INVERSE_PENALTY, solver="newton-cholesky", max_iter=100)
    model.fit(logits[:, None] / spread, labels)
    scale = float(model.coef_[0, 0]) / spread
    return Calibration(scale, float(model.intercept_[0])) if scale > 0 else Calibration()


def log_loss(logits: Floats, labels: Labels) -> float:
    """The mean binary cross-entropy of logits, without overflow."""
    return float(np.mean(np.logaddexp(0.0, logits) - labels * logits))
