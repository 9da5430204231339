"""How well one model ranks one period, and how sure its lead over another is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from storekeeper_training.bootstrap import DRAWS, Interval
from storekeeper_training.next_item.intervals import mean_interval
from storekeeper_training.next_item.model import Scorer
from storekeeper_training.next_item.ranking import DEFAULT_CUTOFFS, Floats, RowFigures, evaluate_ranker
from storekeeper_training.next_item.sequences import Sequences

_COMPARED = (("NDCG@10", "ndcg_at_10"), ("HR@10", "hr_at_10"))


@dataclass(frozen=True)
class RankingEvaluation:
    """Figures of one model on one period, means over its rows.

    Attributes
    ----------
    rows, targets
        How many rows, and how many next items they have.
    reachable
        The share of those items that the catalogue holds.
    ndcg_at_10, ndcg_at_20, hr_at_10, hr_at_20, recall_at_10, recall_at_20, mrr
        See `ranking.row_metrics`; greater is better.
    """

    rows: int
    targets: int
    reachable: float
    ndcg_at_10: float
    ndcg_at_20: float
    hr_at_10: float
    hr_at_20: float
    recall_at_10: float
    recall_at_20: float
    mrr: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


@dataclass(frozen=True)
class RankingComparison:
    """The best model minus another, on the same rows.

    Attributes
    ----------
    best, other
        Names of the models.
    ndcg_at_10, hr_at_10
        Their difference; above 0 the best one is better.
    entities, draws
        How many entities were drawn from, and how often.
    """

    best: str
    other: str
    ndcg_at_10: Interval
    hr_at_10: Interval
    entities: int
    draws: int

    @property
    def parts(self) -> tuple[tuple[str, Interval], ...]:
        """The differences by their titles."""
        return tuple((title, getattr(self, field)) for title, field in _COMPARED)

    def as_dict(self) -> dict[str, object]:
        """The comparison for machines."""
        return asdict(self)


def evaluate_ranking(ranker: Scorer, sequences: Sequences) -> tuple[RankingEvaluation, RowFigures]:
    """All figures, and each row's."""
    found = evaluate_ranker(ranker, sequences, DEFAULT_CUTOFFS)
    means = found.means
    names = [name for name in RankingEvaluation.__dataclass_fields__ if name in means]
    reachable = 1 - found.missed / max(found.targets, 1)
    return (
        RankingEvaluation(len(found.rows), found.targets, reachable, **{name: means[name] for name in names}),
        found,
    )


def compare_rankings(
    best: tuple[str, RowFigures],
    others: Sequence[tuple[str, RowFigures]],
    entities: npt.NDArray[np.int64],
    seed: int,
) -> tuple[RankingComparison, ...]:
    """Paired bootstrap: entities `(n_rows,)` of the period are drawn anew, all rows of one together."""
    groups = entities[best[1].rows]
    drawn = len(np.unique(groups))
    found = []
    for name, rows in others:
        ndcg, hits = (_difference(best[1], rows, field, groups, seed) for _, field in _COMPARED)
        found.append(RankingComparison(best[0], name, ndcg, hits, drawn, DRAWS))
    return tuple(found)


def _difference(one: RowFigures, other: RowFigures, field: str, groups: npt.NDArray[np.int64], seed: int) -> Interval:
    lead: Floats = one.figures[field] - other.figures[field]
    found = mean_interval(lead, seed, groups)
    return Interval(found.value, found.low, found.high)
