"""Ranks of the targets among all items, and what they say: HR, NDCG, MRR and recall.

Ties count against the model: an item that scores as much as a target and is none itself stands before it. So a model
that scores everything alike gets nothing. Targets of one score stand in the order of their codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError
from storekeeper_training.next_item.model import Scorer, Scores
from storekeeper_training.next_item.ragged import Numbers, Ragged
from storekeeper_training.next_item.sequences import Sequences

Floats = npt.NDArray[np.float64]

DEFAULT_CUTOFFS = (10, 20)

# Scores that are held at once: 64 MB of float32.
_SCORES_AT_ONCE = 16_000_000

# The rank of a target that can't be reached: outside the catalogue, or left out since the history has it.
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class RowFigures:
    """Each row's metrics.

    Attributes
    ----------
    rows
        `(n,) int64`: which rows of the sequences these are. Rows without a target say nothing and are left out.
    figures
        `(n,) float64` by metric: `hr_at_10`, `ndcg_at_10`, `mrr_at_10`, `recall_at_10` and so on for each cut-off, and
        `mrr` without one.
    targets, missed
        How many targets there are, and how many of them lie outside the catalogue.
    """

    rows: Numbers
    figures: Mapping[str, Floats]
    targets: int
    missed: int

    @property
    def means(self) -> dict[str, float]:
        """The mean of each metric over the rows; NaN where there are none."""
        return {name: float(values.mean()) if len(values) else np.nan for name, values in self.figures.items()}


def evaluate_ranker(ranker: Scorer, sequences: Sequences, cutoffs: Sequence[int] = DEFAULT_CUTOFFS) -> RowFigures:
    """Rank the whole catalogue for each row with a target, in batches of bounded memory."""
    rows = np.flatnonzero(sequences.n_targets > 0)
    asked = sequences.take(rows)
    ranks = np.full(len(asked.targets.values), NEVER, dtype=np.int64)
    for place, batch in asked.batches(rows_at_once(len(sequences.catalogue))):
        ends = asked.targets.offsets[[place.start, place.stop]]
        ranks[ends[0] : ends[1]] = target_ranks(ranker.scores(batch), batch)
    figures = row_metrics(Ragged(asked.targets.values, asked.targets.offsets), ranks, asked.n_targets, cutoffs)
    return RowFigures(rows, figures, int(asked.n_targets.sum()), int(asked.missed.sum()))


def rows_at_once(n_items: int) -> int:
    """How many rows' scores fit in 64 MB."""
    return max(1, _SCORES_AT_ONCE // max(1, n_items))


def target_ranks(scores: Scores, sequences: Sequences) -> Numbers:
    """The rank of each target, from 1, in the order of the targets' values: `(n_targets,) int64`.

    Raises
    ------
    DataError
        If the scores aren't `(n_rows, n_items)` or not all finite.
    """
    expected = (len(sequences), len(sequences.catalogue))
    if scores.shape != expected:
        raise DataError(f"Scores of shape {expected} were expected, rows by items. They are {scores.shape}.")
    if not np.isfinite(scores).all():
        raise DataError("A ranker's scores must be finite. Some are NaN or infinite.")
    if not sequences.repeats:
        scores = scores.copy()
        scores[sequences.history.rows, sequences.history.values] = -np.inf
    rows, codes = sequences.targets.rows, sequences.targets.values
    own = scores[rows, codes]
    above = _at_least(scores, rows, own)
    ranks = above - _targets_at_least(rows, own) + _place_among_targets(rows, own)
    return np.where(np.isneginf(own), NEVER, ranks)


def row_metrics(targets: Ragged, ranks: Numbers, n_targets: Numbers, cutoffs: Sequence[int]) -> dict[str, Floats]:
    """Metrics `(n_rows,) float64` of the ranks of each row's targets.

    HR: whether any target is among the first k. Recall: the share of the row's targets that are. NDCG: gain
    1 / log2(1 + rank), over that of min(n_targets, k) hits at the top. MRR: 1 / the best rank, 0 beyond k.
    """
    rows, n_rows = targets.rows, len(targets)
    best = np.full(n_rows, NEVER, dtype=np.int64)
    np.minimum.at(best, rows, ranks)
    reciprocal = np.where(best == NEVER, 0.0, 1.0 / best)
    found: dict[str, Floats] = {}
    for cutoff in cutoffs:
        hits = ranks <= cutoff
        gains = np.where(hits, 1.0 / np.log2(1.0 + np.minimum(ranks, cutoff)), 0.0)
        ideal = np.cumsum(1.0 / np.log2(np.arange(2.0, cutoff + 2)))
        found[f"hr_at_{cutoff}"] = (best <= cutoff).astype(np.float64)
        found[f"ndcg_at_{cutoff}"] = np.bincount(rows, gains, n_rows) / ideal[np.clip(n_targets, 1, cutoff) - 1]
        found[f"mrr_at_{cutoff}"] = np.where(best <= cutoff, reciprocal, 0.0)
        found[f"recall_at_{cutoff}"] = np.bincount(rows, hits, n_rows) / np.maximum(n_targets, 1)
    return found | {"mrr": reciprocal}


def _at_least(scores: Scores, rows: Numbers, own: Scores) -> Numbers:
    """How many items of the row score at least as much as each target, itself among them."""
    counts = np.empty(len(rows), dtype=np.int64)
    step = rows_at_once(scores.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        counts[part] = np.count_nonzero(scores[rows[part]] >= own[part, None], axis=1)
    return counts


def _place_among_targets(rows: Numbers, own: Scores) -> Numbers:
    """The place of each target among its row's targets, from 1: by score, then in their order."""
    order = np.lexsort((-own, rows))
    starts = np.searchsorted(rows, rows)
    places = np.empty(len(rows), dtype=np.int64)
    places[order] = np.arange(len(rows)) - starts + 1
    return places


def _targets_at_least(rows: Numbers, own: Scores) -> Numbers:
    """How many of the row's targets score at least as much as each, itself among them."""
    order = np.lexsort((-own, rows))
    sorted_rows, sorted_own = rows[order], own[order]
    changes = (sorted_rows[1:] != sorted_rows[:-1]) | (sorted_own[1:] != sorted_own[:-1])
    ends = np.flatnonzero(np.append(changes, True)) if len(rows) else np.empty(0, np.int64)
    last = ends[np.searchsorted(ends, np.arange(len(rows)))]
    counts = np.empty(len(rows), dtype=np.int64)
    counts[order] = last - np.searchsorted(rows, sorted_rows) + 1
    return counts
