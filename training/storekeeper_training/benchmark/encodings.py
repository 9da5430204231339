"""Categories as numbers for small sets: smoothed label rates and frequencies, each row's own label left out."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from storekeeper_training.benchmark.cross_fit import Labels, logit, random_folds

Floats = npt.NDArray[np.float64]
_FOLDS = 5


def rate_columns(
    train: pd.DataFrame,
    labels: Labels,
    others: Sequence[pd.DataFrame],
    names: Sequence[str],
    prior: float,
    seed: int = 1,
) -> list[pd.DataFrame]:
    """Log odds of each category's label rate, columns `NAME_rate`.

    A training row's rate is of other folds' rows, another row's of all training rows.

    Parameters
    ----------
    prior
        A category's rate counts as if this many rows of the overall rate had been seen with it. An unknown category
        has the overall rate.
    """
    folds = random_folds(labels, _FOLDS, seed)
    inside = pd.DataFrame(index=train.index)
    outside = [pd.DataFrame(index=other.index) for other in others]
    for name in names:
        values = train[name]
        encoded = np.zeros(len(train))
        for teaching, held in folds:
            encoded[held] = _rates(values.iloc[teaching], labels[teaching], values.iloc[held], prior)
        inside[f"{name}_rate"] = encoded
        for frame, other in zip(outside, others, strict=True):
            frame[f"{name}_rate"] = _rates(values, labels, other[name], prior)
    return [inside, *outside]


def frequency_columns(train: pd.DataFrame, others: Sequence[pd.DataFrame], names: Sequence[str]) -> list[pd.DataFrame]:
    """log(1 + how many *other* training rows have the category), columns `NAME_seen`.

    A training row doesn't count itself: else a category of one row would have 1 in training and 0 when served.
    """
    found = [pd.DataFrame(index=frame.index) for frame in (train, *others)]
    for name in names:
        counts = train[name].value_counts()
        for place, frame in enumerate((train, *others)):
            seen = frame[name].map(counts).fillna(0).to_numpy(dtype=np.float64)
            found[place][f"{name}_seen"] = np.log1p(seen - (place == 0))
    return found


def _rates(values: pd.Series, labels: Labels, asked: pd.Series, prior: float) -> Floats:
    """Smoothed rates of the asked categories as log odds."""
    overall = float(labels.mean())
    grouped = pd.Series(labels.astype(np.float64), index=values.to_numpy()).groupby(level=0)
    rates = (grouped.sum() + prior * overall) / (grouped.size() + prior)
    return logit(np.asarray(asked.map(rates).fillna(overall), dtype=np.float64))
