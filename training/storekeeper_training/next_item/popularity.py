"""Model `popularity`: what most rows took lately."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from storekeeper_training.models.model import FitProgress, Parameters
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.choose import best_of, chosen
from storekeeper_training.next_item.folder import read_array, read_card, read_catalogue, write_ranker
from storekeeper_training.next_item.model import FittedRanker, Scores, check_catalogue
from storekeeper_training.next_item.positions import Positions, events
from storekeeper_training.next_item.sequences import Sequences

Shares = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PopularityRanker:
    """The same order for everybody.

    Attributes
    ----------
    catalogue
        The items.
    shares
        `(n_items,) float32`: of all that was taken in the window.
    parameters
        Window and positions.
    """

    catalogue: Catalogue
    shares: Shares
    parameters: Parameters

    kind: ClassVar[str] = "popularity"

    def scores(self, sequences: Sequences) -> Scores:
        """The items' shares, in each row."""
        check_catalogue(self.catalogue, sequences)
        scores: Scores = np.tile(self.shares, (len(sequences), 1))
        return scores

    def save(self, folder: Path) -> None:
        """Write the shares."""
        write_ranker(folder, self.kind, self.catalogue, self.parameters, {"shares": self.shares})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(read_catalogue(folder), read_array(folder, "shares"), read_card(folder).parameters)


@dataclass(frozen=True)
class Popularity:
    """Counts the training rows of a last window, whose length is chosen on validation where rows have times.

    Attributes
    ----------
    windows_days
        Lengths of the window, in days before the last training row; None is all rows.
    positions
        Which items count.
    """

    windows_days: tuple[float | None, ...] = (7, 30, None)
    positions: Positions = "every"

    name: ClassVar[str] = "popularity"
    packages: ClassVar[tuple[str, ...]] = ("scipy",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> PopularityRanker:
        """Count once a window."""
        windows = self.windows_days if train.times is not None else (None,)

        def fit_window(days: float | None) -> PopularityRanker:
            parameters: Parameters = {"window_days": days, "positions": self.positions}
            return PopularityRanker(train.catalogue, item_shares(_window(train, days), self.positions), parameters)

        return best_of(windows, fit_window, validation, seed, progress)

    def settled(self, ranker: FittedRanker) -> "Popularity":
        """With the window that was chosen."""
        whole = ranker.parameters.get("window_days") is None
        return replace(self, windows_days=(None if whole else chosen(ranker, "window_days"),))


def item_shares(train: Sequences, positions: Positions) -> Shares:
    """Each item's share of all that was taken: `(n_items,) float32`, zeros where nothing was."""
    counts = np.bincount(events(train, positions).values, minlength=len(train.catalogue))
    shares: Shares = (counts / max(1, counts.sum())).astype(np.float32)
    return shares


def _window(train: Sequences, days: float | None) -> Sequences:
    if days is None or train.times is None or not len(train):
        return train
    start = train.times.max() - np.timedelta64(round(days * 86400), "s")
    return train.take(np.flatnonzero(train.times > start))
