"""Importance: which inputs a model leans on."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from storekeeper.artefact import read_encoder
from storekeeper.artefact.runtime import XGBOOST_FILE, Predictor
from storekeeper_training.models import Sample
from storekeeper_training.models.boosted_trees import import_xgboost
from storekeeper_training.problems import Loss

# Each shuffle of each input predicts again: so many rows tell, and more would only take longer.
PERMUTATION_ROWS = 5000
PERMUTATION_ROUNDS = 2


def permutation_importance(
    predictor: Predictor,
    sample: Sample,
    loss: Loss,
    seed: int,
    rows: int = PERMUTATION_ROWS,
    rounds: int = PERMUTATION_ROUNDS,
) -> dict[str, float]:
    """How much the loss grows on these rows when one input is shuffled among them, greatest first.

    All encoded columns of an input are shuffled together. Of inputs that say the same, each alone looks dispensable.

    Parameters
    ----------
    predictor
        The model.
    sample
        Rows of the test period.
    loss
        Labels and predictions to a figure that grows as predictions get worse.
    seed
        Of the choice of rows and of the shuffles.
    rows, rounds
        How many rows at most, and over how many shuffles the loss is averaged.
    """
    rng = np.random.default_rng(seed)
    matrix = predictor.encoder.transform(sample.columns)
    chosen = np.sort(rng.permutation(len(matrix))[:rows])
    matrix, labels = matrix[chosen], sample.labels[chosen]
    whole = loss(labels, predictor.scorer(matrix))
    sources = np.array(predictor.encoder.sources)
    losses: dict[str, float] = {}
    for name in predictor.encoder.input_names:
        columns = np.flatnonzero(sources == name)
        original = matrix[:, columns].copy()
        scores = []
        for _ in range(rounds):
            matrix[:, columns] = original[rng.permutation(len(matrix))]
            scores.append(loss(labels, predictor.scorer(matrix)))
        matrix[:, columns] = original
        losses[name] = float(np.mean(scores) - whole)
    return _descending(losses)


def gain_importance(folder: Path) -> dict[str, float]:
    """Share of the total gain of an XGBoost artefact by input, greatest first; sums to 1."""
    booster = import_xgboost().Booster()
    booster.load_model(str(folder / XGBOOST_FILE))
    encoder = read_encoder(folder)
    totals = dict.fromkeys(encoder.input_names, 0.0)
    for feature, gain in booster.get_score(importance_type="total_gain").items():
        totals[encoder.sources[int(feature.removeprefix("f"))]] += float(gain)
    whole = sum(totals.values()) or 1.0
    return _descending({name: gain / whole for name, gain in totals.items()})


def _descending(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))
