"""Cross-fitting: every known row is scored by models that didn't learn from it, later rows by the mean of all folds.

So small sets teach with all their rows, early stopping and penalties are decided on held-out rows, and choices and
blends rest on the scores of all known rows instead of a few.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from storekeeper.artefact import Columns
from storekeeper.errors import DataError
from storekeeper_training.benchmark.protocol import Tell
from storekeeper_training.models.model import Model, Sample

Labels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Places of the rows that teach, and of those held out."""

Prepare = Callable[[pd.DataFrame, Labels, Sequence[pd.DataFrame]], list[pd.DataFrame]]
"""`prepare(train, labels, others)`: features of the training rows and of each other frame; only training rows teach."""


@dataclass(frozen=True)
class Candidate:
    """A model with the columns that it reads.

    Attributes
    ----------
    model
        A way to fit.
    columns
        Its inputs, of what the preparation gives.
    variant
        What sets it apart from other candidates of the same model; validation keeps one of these.
    """

    model: Model
    columns: tuple[str, ...]
    variant: str = ""


@dataclass(frozen=True, eq=False)
class Scores:
    """What one candidate said.

    Attributes
    ----------
    model, variant
        Whose scores these are.
    validation
        `(n_validation,) float64`: chances of rows that it didn't learn from; what choices are made by.
    test
        `(n_test,) float64`.
    seconds
        What all its fits took.
    """

    model: str
    variant: str
    validation: Floats
    test: Floats
    seconds: float = 0.0


def as_given(train: pd.DataFrame, labels: Labels, others: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:  # noqa: ARG001
    """The preparation of frames whose columns are features already."""
    return [train, *others]


def cross_fit(
    candidates: Sequence[Candidate],
    known: tuple[pd.DataFrame, Labels],
    test: pd.DataFrame,
    folds: Sequence[Fold],
    *,
    prepare: Prepare = as_given,
    seed: int = 0,
    tell: Tell,
) -> list[Scores]:
    """Fit every candidate once a fold; `validation` are the known rows' held-out scores, in their order.

    Raises
    ------
    DataError
        If the folds don't hold out every known row exactly once.
    """
    frame, labels = known
    if not np.array_equal(np.sort(np.concatenate([held for _, held in folds])), np.arange(len(frame))):
        raise DataError(f"Folds must hold out each of {len(frame)} rows once, and no other.")
    held_out = np.zeros((len(candidates), len(frame)))
    later = np.zeros((len(candidates), len(test)))
    seconds = np.zeros(len(candidates))
    for number, (teaching, held) in enumerate(folds, start=1):
        train = frame.iloc[teaching]
        prepared = prepare(train, labels[teaching], [frame.iloc[held], test])
        columns = [as_columns(part) for part in prepared]
        for at, candidate in enumerate(candidates):
            tell(f"{candidate.model.name} {candidate.variant}, fold {number} of {len(folds)}")
            started = time.perf_counter()
            samples = Sample(columns[0], labels[teaching]), Sample(columns[1], labels[held])
            fitted = candidate.model.fit(*samples, candidate.columns, seed + number, _silent)
            held_out[at, held] = fitted.predict(columns[1])
            later[at] += logit(fitted.predict(columns[2])) / len(folds)
            seconds[at] += time.perf_counter() - started
    return [
        Scores(candidate.model.name, candidate.variant, held_out[at], sigmoid(later[at]), float(seconds[at]))
        for at, candidate in enumerate(candidates)
    ]


def random_folds(labels: Labels, count: int, seed: int) -> list[Fold]:
    """Folds of equal shares of both classes, each in the order of rows."""
    from sklearn.model_selection import StratifiedKFold

    parts: Iterator[Fold] = StratifiedKFold(count, shuffle=True, random_state=seed).split(labels, labels)
    return list(parts)


def as_columns(frame: pd.DataFrame) -> Columns:
    """A frame's columns as arrays; NaN is null."""
    return {str(name): pa.array(frame[name], from_pandas=True) for name in frame.columns}


def logit(chances: Floats) -> Floats:
    """Log odds of chances, which are kept off 0 and 1 by 1e-6."""
    kept = np.clip(chances, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)))


def sigmoid(logits: Floats) -> Floats:
    """Chances of log odds."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def blend(parts: Sequence[Scores], labels: Labels) -> Scores:
    """Log odds added up with weights from 0 on and a constant, those of the least log loss on validation."""
    from scipy.optimize import minimize

    validation = np.column_stack([logit(part.validation) for part in parts])
    signs = np.where(labels == 1, 1.0, -1.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        margins = signs * (validation @ weights[:-1] + weights[-1])
        slopes = -signs * sigmoid(-margins) / len(signs)
        return float(np.logaddexp(0, -margins).mean()), np.append(validation.T @ slopes, slopes.sum())

    start = np.append(np.full(len(parts), 1 / len(parts)), 0.0)
    bounds = [*[(0.0, None)] * len(parts), (None, None)]
    weights = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    test = reduce(np.add, [weight * logit(part.test) for weight, part in zip(weights, parts, strict=False)])
    shares = ", ".join(f"{weight:.2f} {part.model}" for weight, part in zip(weights, parts, strict=False))
    chances = sigmoid(validation @ weights[:-1] + weights[-1])
    return Scores("blend", shares, chances, sigmoid(test + weights[-1]), sum(part.seconds for part in parts))


def _silent(done: int, total: int, note: str) -> None:
    """Nobody looks at single fits."""
