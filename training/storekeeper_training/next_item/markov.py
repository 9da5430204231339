"""Model `markov`: what follows the last few items, by counted transitions."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from storekeeper_training.models.model import FitProgress, Parameters
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.choose import best_of, chosen
from storekeeper_training.next_item.folder import (
    read_array,
    read_card,
    read_catalogue,
    read_sparse,
    sparse_arrays,
    write_ranker,
)
from storekeeper_training.next_item.model import FittedRanker, Scores, check_catalogue
from storekeeper_training.next_item.popularity import Shares, item_shares
from storekeeper_training.next_item.positions import Positions, count_matrix, lagged_pairs, weighted_history
from storekeeper_training.next_item.sequences import Sequences


@dataclass(frozen=True, eq=False)
class MarkovRanker:
    """A mixture of the chances of what follows each of the last items.

    An item seen n times goes over to its followers with weight n / (n + smoothing), else to popularity.

    Attributes
    ----------
    catalogue
        The items.
    transitions
        CSR `(n_items, n_items) float32`: rows sum to n / (n + smoothing).
    shares
        `(n_items,) float32`: popularity.
    decay, lags
        What an item counts for each place further back, and how many of the last items count.
    parameters
        Its settings.
    """

    catalogue: Catalogue
    transitions: Any
    shares: Shares
    decay: float
    lags: int
    parameters: Parameters

    kind: ClassVar[str] = "markov"

    def scores(self, sequences: Sequences) -> Scores:
        """Chances, which sum to 1 a row: `(n_rows, n_items) float32`. Without a history they are popularity."""
        check_catalogue(self.catalogue, sequences)
        last = weighted_history(sequences.history, len(self.catalogue), self.decay, self.lags)
        total = np.asarray(last.sum(axis=1)).reshape(-1, 1)
        known = (last @ self.transitions).toarray() / np.where(total > 0, total, 1)
        rest = np.maximum(0.0, 1 - known.sum(axis=1, keepdims=True))
        scores: Scores = (known + rest * self.shares).astype(np.float32)
        return scores

    def save(self, folder: Path) -> None:
        """Write transitions and popularity."""
        arrays = {
            **sparse_arrays("transitions", self.transitions),
            "shares": self.shares,
            "decay": np.array(self.decay),
            "lags": np.array(self.lags),
        }
        write_ranker(folder, self.kind, self.catalogue, self.parameters, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        catalogue = read_catalogue(folder)
        transitions = read_sparse(folder, "transitions", len(catalogue))
        decay, lags = float(read_array(folder, "decay")), int(read_array(folder, "lags"))
        return cls(catalogue, transitions, read_array(folder, "shares"), decay, lags, read_card(folder).parameters)


@dataclass(frozen=True)
class Markov:
    """Counts followers up to some places later; lags, decay and smoothing are chosen on validation.

    Attributes
    ----------
    lags
        How many of the last items count, and how far apart two items are counted as followers.
    decays
        What a place further back counts, the same in counting and in scoring.
    smoothings
        How many counts popularity is worth.
    positions
        Which followers count.
    """

    lags: tuple[int, ...] = (1, 3, 10)
    decays: tuple[float, ...] = (0.5, 0.8)
    smoothings: tuple[float, ...] = (0.5, 5.0)
    positions: Positions = "every"

    name: ClassVar[str] = "markov"
    packages: ClassVar[tuple[str, ...]] = ("scipy",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> MarkovRanker:
        """Count transitions once a setting."""
        shares = item_shares(train, self.positions)
        settings = [
            (lags, decay, smoothing)
            for lags, decay, smoothing in product(self.lags, self.decays, self.smoothings)
            if lags > 1 or decay == self.decays[0]
        ]

        def fit_setting(setting: tuple[int, float, float]) -> MarkovRanker:
            lags, decay, smoothing = setting
            transitions = count_transitions(train, self.positions, lags, decay, smoothing)
            parameters: Parameters = {
                "lags": lags,
                "decay": decay,
                "smoothing": smoothing,
                "positions": self.positions,
            }
            return MarkovRanker(train.catalogue, transitions, shares, decay, lags, parameters)

        return best_of(settings, fit_setting, validation, seed, progress)

    def settled(self, ranker: FittedRanker) -> "Markov":
        """With the lags, decay and smoothing that were chosen."""
        lags, decay, smoothing = (chosen(ranker, name) for name in ("lags", "decay", "smoothing"))
        return replace(self, lags=(int(lags),), decays=(decay,), smoothings=(smoothing,))


def count_transitions(train: Sequences, positions: Positions, lags: int, decay: float, smoothing: float) -> Any:
    """Smoothed transitions: CSR `(n_items, n_items) float32`, each count divided by its row's sum plus `smoothing`."""
    earlier, later, lag, _ = lagged_pairs(train, positions, lags)
    n_items = len(train.catalogue)
    counts = count_matrix(earlier, later, np.power(decay, lag, dtype=np.float64), (n_items, n_items))
    totals = np.asarray(counts.sum(axis=1)).reshape(-1)
    counts.data = (counts.data / np.repeat(totals + smoothing, np.diff(counts.indptr))).astype(np.float32)
    return counts
