"""Bootstrap: how sure a difference between two models is, when another set of entities might have come."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

DRAWS = 200

# Draws that are weighed at once: with more rows than the test period of a small shop, memory is what runs out.
_AT_ONCE = 20

_LOW, _HIGH = 0.025, 0.975


@dataclass(frozen=True)
class Interval:
    """A difference and where 95 % of the draws lie.

    Attributes
    ----------
    difference
        On the rows as they are.
    low, high
        The 2.5th and the 97.5th percentile of the draws.
    """

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The best model minus another, on the same rows.

    Attributes
    ----------
    best, other
        Names of the models.
    auc, average_precision
        Their difference; above 0 the best one is better.
    entities, draws
        How many entities were drawn from, and how often.
    """

    best: str
    other: str
    auc: Interval
    average_precision: Interval
    entities: int
    draws: int

    @property
    def parts(self) -> tuple[tuple[str, Interval], ...]:
        """The differences by their titles."""
        return ("AUC", self.auc), ("AP", self.average_precision)

    def as_dict(self) -> dict[str, object]:
        """The comparison for machines."""
        return asdict(self)


def draw_entities(count: int, seed: int, draws: int = DRAWS) -> Floats:
    """How often each of `count` entities comes in each draw with replacement: `(draws, count) float64`."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    return drawn.astype(np.float64)


def weighted_figures(labels: npt.NDArray[np.int8], probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """AUC and average precision under each draw's weights, `(draws,) float64` each; rows of one probability tie.

    NaN where a draw has rows of one class only.
    """
    order = np.argsort(-probabilities, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    drawn = weights[:, order]
    hits = np.cumsum(drawn * (labels[order] == 1), axis=1)[:, ends]
    taken = np.cumsum(drawn, axis=1)[:, ends]
    positives, rows = hits[:, -1:], taken[:, -1:]
    misses = taken - hits
    new_hits = np.diff(hits, axis=1, prepend=0.0)
    new_misses = np.diff(misses, axis=1, prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(taken > 0, hits / taken, 0.0)
        average_precision = (new_hits * precision).sum(axis=1) / positives[:, 0]
        area = (new_misses * (hits - new_hits / 2)).sum(axis=1) / (positives * (rows - positives))[:, 0]
    return area, average_precision


class PairedBootstrap:
    """The same draws of entities for every model of a run.

    Parameters
    ----------
    labels
        `(n_rows,)` of 0 and 1.
    entities
        `(n_rows,)`, any values: whose row it is. Rows of one entity come and go together.
    seed, draws
        Of the draws, and how many.
    """

    def __init__(
        self, labels: npt.NDArray[np.int8], entities: npt.NDArray[np.generic], seed: int, draws: int = DRAWS
    ) -> None:
        if not len(labels) or len(labels) != len(entities):
            raise DataError(f"There are {len(labels)} labels but {len(entities)} entities. One each is needed.")
        codes = np.unique(entities, return_inverse=True)[1].astype(np.int64)
        self._labels, self._codes = labels, codes
        self._entities, self._draws = int(codes.max()) + 1, draws
        # The rows as they are come first.
        self._drawn = np.vstack([np.ones(self._entities), draw_entities(self._entities, seed, draws)])

    def figures(self, probabilities: Floats) -> tuple[Floats, Floats]:
        """AUC and average precision, `(1 + draws,) float64` each: of the rows as they are, then of each draw."""
        blocks = (self._drawn[at : at + _AT_ONCE, self._codes] for at in range(0, len(self._drawn), _AT_ONCE))
        found = [weighted_figures(self._labels, probabilities, weights) for weights in blocks]
        return np.concatenate([area for area, _ in found]), np.concatenate([precision for _, precision in found])

    def compare(self, best: tuple[str, Floats], others: list[tuple[str, Floats]]) -> tuple[Comparison, ...]:
        """The best model against each other, by name and probabilities `(n_rows,) float64`."""
        area, precision = self.figures(best[1])
        found = []
        for name, probabilities in others:
            other_area, other_precision = self.figures(probabilities)
            intervals = _interval(area - other_area), _interval(precision - other_precision)
            found.append(Comparison(best[0], name, *intervals, self._entities, self._draws))
        return tuple(found)


def _interval(differences: Floats) -> Interval:
    """The first is of the rows as they are; draws without both classes say nothing."""
    low, high = np.nanquantile(differences[1:], (_LOW, _HIGH))
    return Interval(float(differences[0]), float(low), float(high))
