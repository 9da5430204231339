"""Formulas taken apart: each column's weight times how far its value is from the mean of the training rows."""

from pathlib import Path

import numpy as np

from storekeeper.artefact.blend import logits_of
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.formulas import WeightedSum, read_linear, read_log_linear, read_rule, read_weighted_sum
from storekeeper.explain.background import Background
from storekeeper.explain.explanations import Attributed, Attribution, Floats


def open_logistic(folder: Path, background: Background) -> Attribution:
    """The logit of a logistic regression."""
    formula = read_linear(folder)
    return _weighing(np.asarray(formula.coefficients), formula.intercept, background)


def open_log_linear(folder: Path, background: Background) -> Attribution:
    """The logarithm of a quantity, whatever bound the formula has."""
    formula = read_log_linear(folder)
    return _weighing(np.asarray(formula.coefficients), formula.intercept, background)


def open_sum(folder: Path, background: Background) -> Attribution:
    """A weighted sum, whatever floor it has."""
    formula = read_weighted_sum(folder)

    def attribute(matrix: Matrix) -> Attributed:
        return _weighing(_weights(formula, matrix.shape[1]), 0.0, background)(matrix)

    return attribute


def open_rule(folder: Path, background: Background) -> Attribution:
    """The logit of a rule: all that sets it apart from the mean is its one input's doing."""
    formula = read_rule(folder)

    def attribute(matrix: Matrix) -> Attributed:
        margin = logits_of(formula(matrix))
        base = np.full(len(matrix), background.margin)
        return Attributed(base, (margin - base)[:, None], margin)

    return attribute


def attribute_level(level: WeightedSum, background: Background, matrix: Matrix) -> Attributed:
    """The logarithm of a level. Of several columns each has the share that it has in the sum."""
    margin = np.log(level(matrix))
    base = np.full(len(matrix), background.margin)
    terms = np.abs(np.nan_to_num(matrix.astype(np.float64)) * _weights(level, matrix.shape[1]))
    whole = terms.sum(axis=1, keepdims=True)
    used = np.isin(np.arange(matrix.shape[1]), level.columns)
    shares = np.where(whole > 0, terms / np.where(whole > 0, whole, 1.0), used / used.sum())
    return Attributed(base, (margin - base)[:, None] * shares, margin)


def _weighing(weights: Floats, constant: float, background: Background) -> Attribution:
    """`constant + matrix @ weights`, each column counted from its mean, or from 0 where means weren't kept."""
    means = np.asarray(background.means) if background.means else np.zeros(len(weights))

    def attribute(matrix: Matrix) -> Attributed:
        numbers = np.nan_to_num(matrix.astype(np.float64))
        base = np.full(len(matrix), constant + means @ weights)
        return Attributed(base, (numbers - means) * weights, numbers @ weights + constant)

    return attribute


def _weights(formula: WeightedSum, width: int) -> Floats:
    """The weight of each encoded column, `(n_encoded,)`."""
    weights = np.zeros(width)
    np.add.at(weights, list(formula.columns), formula.weights)
    return weights
