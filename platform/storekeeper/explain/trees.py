"""Boosted trees taken apart by TreeSHAP (Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9), exactly.

What an absent input would have answered is what the trees themselves say: each split is followed both ways, by the
share of training rows that went there (path-dependent expectation).
"""

from pathlib import Path

import numpy as np

from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.formulas import read_weighted_sum
from storekeeper.artefact.runtime import LEVEL_FILE, open_booster
from storekeeper.explain.background import Background
from storekeeper.explain.explanations import Attributed, Attribution
from storekeeper.explain.formulas import attribute_level


def open_trees(folder: Path, background: Background) -> Attribution:  # noqa: ARG001  (the trees know their own)
    """Margins of an XGBoost artefact: logits, or logarithms of quantities. Safe in threads, on one thread each."""
    xgboost, booster = open_booster(folder)

    def attribute(matrix: Matrix) -> Attributed:
        rows = xgboost.DMatrix(matrix, nthread=1)
        contributions = booster.predict(rows, pred_contribs=True, validate_features=False).astype(np.float64)
        margin = booster.predict(rows, output_margin=True, validate_features=False).astype(np.float64)
        return Attributed(contributions[:, -1], contributions[:, :-1], margin)

    return attribute


def open_scaled_trees(folder: Path, background: Background) -> Attribution:
    """Logarithms of quantities by trees that scale a level: the trees', and the level's."""
    trees, level = open_trees(folder, background), read_weighted_sum(folder, LEVEL_FILE)

    def attribute(matrix: Matrix) -> Attributed:
        factor, scaled = trees(matrix), attribute_level(level, background, matrix)
        return Attributed(factor.base + scaled.base, factor.parts + scaled.parts, factor.margin + scaled.margin)

    return attribute
