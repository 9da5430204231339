"""Model `own-frequency`: what the customer took most often, and lately."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from storekeeper_training.models.model import FitProgress, Parameters
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.choose import best_of, chosen
from storekeeper_training.next_item.folder import read_array, read_card, read_catalogue, write_ranker
from storekeeper_training.next_item.model import FittedRanker, Scores, check_catalogue
from storekeeper_training.next_item.popularity import Shares, item_shares
from storekeeper_training.next_item.positions import Positions, weighted_history
from storekeeper_training.next_item.sequences import Sequences

# Popularity only parts items that the customer took equally often, and orders those never taken.
_POPULARITY_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class OwnFrequencyRanker:
    """The history's items by their number, each place back counting less.

    Attributes
    ----------
    catalogue
        The items.
    shares
        `(n_items,) float32`: popularity, which breaks ties.
    decay
        What an item counts for each place further back.
    parameters
        Its settings.
    """

    catalogue: Catalogue
    shares: Shares
    decay: float
    parameters: Parameters

    kind: ClassVar[str] = "own-frequency"

    def scores(self, sequences: Sequences) -> Scores:
        """The decayed count of each item, with a trace of popularity."""
        check_catalogue(self.catalogue, sequences)
        own = weighted_history(sequences.history, len(self.catalogue), self.decay).toarray()
        scores: Scores = own + np.float32(_POPULARITY_WEIGHT) * self.shares
        return scores

    def save(self, folder: Path) -> None:
        """Write popularity and the decay."""
        write_ranker(
            folder, self.kind, self.catalogue, self.parameters, {"shares": self.shares, "decay": np.array(self.decay)}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        shares, decay = read_array(folder, "shares"), float(read_array(folder, "decay"))
        return cls(read_catalogue(folder), shares, decay, read_card(folder).parameters)


@dataclass(frozen=True)
class OwnFrequency:
    """Chooses the decay on validation.

    Attributes
    ----------
    decays
        What may be chosen; 1 is plain counting.
    positions
        Which items make popularity.
    """

    decays: tuple[float, ...] = (1.0, 0.98, 0.9, 0.7)
    positions: Positions = "every"

    name: ClassVar[str] = "own-frequency"
    packages: ClassVar[tuple[str, ...]] = ("scipy",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> OwnFrequencyRanker:
        """Count popularity; the rest is read off each history."""
        shares = item_shares(train, self.positions)

        def fit_decay(decay: float) -> OwnFrequencyRanker:
            return OwnFrequencyRanker(train.catalogue, shares, decay, {"decay": decay, "positions": self.positions})

        return best_of(self.decays, fit_decay, validation, seed, progress)

    def settled(self, ranker: FittedRanker) -> "OwnFrequency":
        """With the decay that was chosen."""
        return replace(self, decays=(chosen(ranker, "decay"),))
