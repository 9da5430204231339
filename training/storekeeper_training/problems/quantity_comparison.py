"""How sure a difference between two forecasts is, when another set of entities might have come."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from storekeeper_training.bootstrap import DRAWS, Interval, draw_entities
from storekeeper_training.problems.quantity_figures import scaled_errors
from storekeeper_training.problems.scales import SeriesScales

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_LOW, _HIGH = 0.025, 0.975


@dataclass(frozen=True)
class QuantityComparison:
    """The best model minus another, on the same rows.

    Attributes
    ----------
    best, other
        Names of the models.
    rmsse, wape
        Their difference; below 0 the best one is better.
    entities, draws
        How many entities were drawn from, and how often.
    """

    best: str
    other: str
    rmsse: Interval
    wape: Interval
    entities: int
    draws: int

    @property
    def parts(self) -> tuple[tuple[str, Interval], ...]:
        """The differences by their titles."""
        return ("RMSSE", self.rmsse), ("WAPE", self.wape)

    def as_dict(self) -> dict[str, object]:
        """The comparison for machines."""
        return asdict(self)


class QuantityBootstrap:
    """The same draws of entities for every forecast of a run.

    Parameters
    ----------
    labels, series
        `(n_rows,)` each; series are places in `scales`.
    drawn
        `(n_rows,) int64`: whose row it is. Rows of one entity, and so its series, come and go together.
    scales
        Of the series.
    seed, draws
        Of the draws, and how many.
    """

    def __init__(
        self, labels: Floats, series: Codes, drawn: Codes, scales: SeriesScales, seed: int, draws: int = DRAWS
    ) -> None:
        self._labels, self._series, self._scales, self._draws = labels, series, scales, draws
        codes = np.unique(drawn, return_inverse=True)[1].astype(np.int64)
        self._entities = int(codes.max()) + 1
        # The rows as they are come first.
        weights = np.vstack([np.ones(self._entities), draw_entities(self._entities, seed, draws)])
        owner = np.zeros(len(scales.squared), np.int64)
        owner[series] = codes
        self._weights = weights[:, owner]

    def figures(self, predictions: Floats) -> tuple[Floats, Floats]:
        """RMSSE and WAPE, `(1 + draws,) float64` each: of the rows as they are, then of each draw."""
        errors, count = predictions - self._labels, len(self._scales.squared)
        root = np.sqrt(scaled_errors(errors, self._series, self._scales)[0])
        known = ~np.isnan(root)
        missed, sold = (
            np.bincount(self._series, weights=part, minlength=count) for part in (np.abs(errors), self._labels)
        )
        rmsse = self._weights[:, known] @ root[known] / self._weights[:, known].sum(axis=1)
        return rmsse, self._weights @ missed / (self._weights @ sold)

    def compare(self, best: tuple[str, Floats], others: Sequence[tuple[str, Floats]]) -> tuple[QuantityComparison, ...]:
        """The best model against each other, by name and predictions `(n_rows,) float64`."""
        first = self.figures(best[1])
        found = []
        for name, predictions in others:
            rmsse, wape = (_interval(one - other) for one, other in zip(first, self.figures(predictions), strict=True))
            found.append(QuantityComparison(best[0], name, rmsse, wape, self._entities, self._draws))
        return tuple(found)


def _interval(differences: Floats) -> Interval:
    low, high = np.quantile(differences[1:], (_LOW, _HIGH))
    return Interval(float(differences[0]), float(low), float(high))
