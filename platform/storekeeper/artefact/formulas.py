"""Models small enough to be a formula: their weights are JSON and NumPy runs them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from storekeeper.artefact.document import read_document, write_document
from storekeeper.artefact.encoder import Matrix
from storekeeper.errors import DataError

FORMULA_FILE = "model.json"

Probabilities = npt.NDArray[np.float64]


def sigmoid(logits: Probabilities) -> Probabilities:
    """`1 / (1 + exp(-x))`, without overflow for large negative logits."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1.0 + small)


@dataclass(frozen=True)
class LinearFormula:
    """Logistic regression: `sigmoid(matrix @ coefficients + intercept)`.

    Attributes
    ----------
    coefficients
        One a column of the encoder's matrix.
    intercept
        The logit of a row of zeros.
    """

    coefficients: tuple[float, ...]
    intercept: float

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __call__(self, matrix: Matrix) -> Probabilities:
        """Probabilities `(n_rows,) float64` of a `(n_rows, n_encoded) float32` matrix."""
        return sigmoid(matrix.astype(np.float64) @ np.asarray(self.coefficients) + self.intercept)

    def write(self, folder: Path) -> None:
        """Write `model.json` into an artefact's folder."""
        write_document(folder / FORMULA_FILE, self)


@dataclass(frozen=True)
class RuleFormula:
    """A rule over one number, calibrated: a broken line from value to probability.

    Attributes
    ----------
    values
        Corners of the line, ascending. Beyond the ends the end's probability holds.
    probabilities
        The probability at each corner.
    null_probability
        The probability where the value is null.
    """

    values: tuple[float, ...]
    probabilities: tuple[float, ...]
    null_probability: float

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse a line that isn't one."""
        if not self.values or len(self.values) != len(self.probabilities):
            raise DataError("A rule has as many values as probabilities, and at least one.")
        if any(later < earlier for earlier, later in zip(self.values, self.values[1:], strict=False)):
            raise DataError("A rule's values must ascend.")

    def __call__(self, matrix: Matrix) -> Probabilities:
        """Probabilities `(n_rows,) float64` of a `(n_rows, 1) float32` matrix; NaN is null."""
        value = matrix[:, 0].astype(np.float64)
        line = np.interp(value, self.values, self.probabilities)
        return np.where(np.isnan(value), self.null_probability, line)

    def write(self, folder: Path) -> None:
        """Write `model.json` into an artefact's folder."""
        write_document(folder / FORMULA_FILE, self)


@dataclass(frozen=True)
class LogLinearFormula:
    """A regression of the logarithm of a quantity: `exp(matrix @ coefficients + intercept)`.

    Attributes
    ----------
    coefficients
        One a column of the encoder's matrix.
    intercept
        The logarithm of the quantity of a row of zeros.
    greatest
        No prediction is above it: an exponential of what was never met knows no bounds.
    """

    coefficients: tuple[float, ...]
    intercept: float
    greatest: float

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __call__(self, matrix: Matrix) -> Probabilities:
        """Quantities `(n_rows,) float64` of a `(n_rows, n_encoded) float32` matrix."""
        exponents = matrix.astype(np.float64) @ np.asarray(self.coefficients) + self.intercept
        quantities: Probabilities = np.exp(np.minimum(exponents, np.log(self.greatest)))
        return quantities

    def write(self, folder: Path) -> None:
        """Write `model.json` into an artefact's folder."""
        write_document(folder / FORMULA_FILE, self)


@dataclass(frozen=True)
class WeightedSum:
    """A sum of some numbers, such as last week's units, and at least a floor.

    Attributes
    ----------
    columns
        Places of the numbers in the encoder's matrix.
    weights
        What each counts.
    floor
        The least answer; also that of rows without any of the numbers.
    """

    columns: tuple[int, ...]
    weights: tuple[float, ...]
    floor: float = 0.0

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse a sum of nothing."""
        if not self.columns or len(self.columns) != len(self.weights):
            raise DataError("A weighted sum has as many weights as columns, and at least one.")

    def __call__(self, matrix: Matrix) -> Probabilities:
        """Quantities `(n_rows,) float64` of a `(n_rows, n_encoded) float32` matrix; NaN counts as 0."""
        numbers = np.nan_to_num(matrix[:, list(self.columns)].astype(np.float64))
        sums: Probabilities = np.maximum(numbers @ np.asarray(self.weights), self.floor)
        return sums

    def write(self, folder: Path, name: str = FORMULA_FILE) -> None:
        """Write it into an artefact's folder."""
        write_document(folder / name, self)


def read_linear(folder: Path) -> LinearFormula:
    """Read a logistic regression; NotFoundError or DataError where it can't be read."""
    return read_document(folder / FORMULA_FILE, LinearFormula)


def read_rule(folder: Path) -> RuleFormula:
    """Read a rule; NotFoundError or DataError where it can't be read."""
    return read_document(folder / FORMULA_FILE, RuleFormula)


def read_log_linear(folder: Path) -> LogLinearFormula:
    """Read a log-linear regression; NotFoundError or DataError where it can't be read."""
    return read_document(folder / FORMULA_FILE, LogLinearFormula)


def read_weighted_sum(folder: Path, name: str = FORMULA_FILE) -> WeightedSum:
    """Read a weighted sum; NotFoundError or DataError where it can't be read."""
    return read_document(folder / name, WeightedSum)
