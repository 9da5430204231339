"""Explanations: signed contributions of inputs to margins, and how far they are from adding up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from storekeeper.artefact.encoder import Matrix
from storekeeper.errors import DataError

Floats = npt.NDArray[np.float64]

#: In what a margin is told: the log-odds of a chance, the logarithm of a quantity, or the quantity itself.
Scale = Literal["logit", "log", "units"]


@dataclass(frozen=True, eq=False)
class Attributed:
    """Margins taken apart by encoded column.

    Attributes
    ----------
    base
        `(n_rows,)`: the margin without any contribution.
    parts
        `(n_rows, n_encoded)`: what each column adds.
    margin
        `(n_rows,)`: the model's own answer, before the link that makes a chance or a quantity of it.
    """

    base: Floats
    parts: Floats
    margin: Floats


Attribution = Callable[[Matrix], Attributed]
"""`(n_rows, n_encoded) float32` to margins, taken apart. Safe in threads."""


@dataclass(frozen=True)
class Contribution:
    """What one input adds to one row's margin, or takes from it."""

    name: str
    value: float


@dataclass(frozen=True, eq=False)
class Explanations:
    """Margins of some rows taken apart by input: `base + contributions.sum(axis=1)` is `margin`, but for `residual`.

    Attributes
    ----------
    inputs
        Names of the inputs, all that the model reads.
    base
        `(n_rows,) float64`: the margin without any contribution.
    contributions
        `(n_rows, n_inputs) float64`, signed; encoded columns of one input are summed.
    margin
        `(n_rows,) float64`: the model's own answer, before the link and any bound on what it gives.
    scale
        In what all of them are told.
    method
        How the contributions were found.
    reference
        What the base stands for.
    """

    inputs: tuple[str, ...]
    base: Floats
    contributions: Floats
    margin: Floats
    scale: Scale
    method: str
    reference: str

    @property
    def residual(self) -> Floats:
        """`(n_rows,) float64`: how far base and contributions are from the margin."""
        missed: Floats = np.abs(self.base + self.contributions.sum(axis=1) - self.margin)
        return missed

    def top(self, row: int, count: int) -> tuple[Contribution, ...]:
        """The greatest contributions to a row by size, of equal ones the first by name; those of 0 are left out."""
        ranked = sorted(
            zip(self.inputs, self.contributions[row].tolist(), strict=True), key=lambda pair: (-abs(pair[1]), pair[0])
        )
        return tuple(Contribution(name, value) for name, value in ranked[:count] if value)

    def importance(self) -> Mapping[str, float]:
        """Mean size of each input's contributions, greatest first."""
        sizes = np.abs(self.contributions).mean(axis=0) if len(self.contributions) else np.zeros(len(self.inputs))
        pairs = zip(self.inputs, sizes.tolist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def sum_by_input(parts: Floats, sources: tuple[str, ...], inputs: tuple[str, ...]) -> Floats:
    """`(n_rows, n_encoded)` contributions to `(n_rows, n_inputs)`: those of one input's columns together.

    Parameters
    ----------
    sources
        The input of each encoded column.
    """
    if parts.shape[1] != len(sources):
        raise DataError(f"There are contributions of {parts.shape[1]} columns; the encoder makes {len(sources)}.")
    places = {name: at for at, name in enumerate(inputs)}
    belongs = np.zeros((len(sources), len(inputs)))
    belongs[np.arange(len(sources)), [places[name] for name in sources]] = 1.0
    summed: Floats = parts @ belongs
    return summed


def all_finite(attributed: Attributed, matrix: Matrix) -> Attributed:
    """The same, if it can be shown.

    Raises
    ------
    DataError
        If a margin or contribution is not a number.
    """
    for values in (attributed.base, attributed.parts, attributed.margin):
        if not np.isfinite(values).all():
            raise DataError(f"Contributions to {len(matrix)} rows are not all numbers: train the model again.")
    return attributed
