"""What every next-item model offers."""

from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError
from storekeeper_training.models.model import FitProgress, Packaged, Parameters
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.sequences import Sequences

Scores = npt.NDArray[np.float32]


class Scorer(Protocol):
    """What can be ranked by."""

    def scores(self, sequences: Sequences) -> Scores:
        """A finite score for each item, greater is likelier: `(n_rows, n_items) float32`.

        Scores of two rows can't be compared unless the model says so.

        Raises
        ------
        DataError
            If the sequences are coded by another catalogue.
        """


class FittedRanker(Scorer, Protocol):
    """A trained model: data alone, which NumPy, SciPy or ONNX Runtime runs."""

    kind: ClassVar[str]

    @property
    def catalogue(self) -> Catalogue:
        """The items that it scores."""

    @property
    def parameters(self) -> Parameters:
        """Its settings, with what was chosen on validation, for the record."""

    def save(self, folder: Path) -> None:
        """Write it into a folder, as JSON, `.npy` and ONNX files: `load_ranker` reads it."""


class NextItemModel(Packaged, Protocol):
    """A way to fit."""

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> FittedRanker:
        """Fit on the training rows.

        Parameters
        ----------
        train
            Histories and targets, coded by the catalogue of these rows.
        validation
            Later rows in the same codes: only settings and the time to stop are chosen by them.
        seed
            The seed of every random choice: the same inputs and seed give the same ranker.
        progress
            Called after each step.
        """

    def settled(self, ranker: FittedRanker) -> "NextItemModel":
        """The same way to fit with what `ranker`, a fit of this model, chose: fitted again it asks no validation rows.

        So a model can be taught by all rows once its settings are known.
        """


def check_catalogue(catalogue: Catalogue, sequences: Sequences) -> None:
    """Refuse sequences whose codes mean other items than the ranker's."""
    if not catalogue.same_as(sequences.catalogue):
        raise DataError(
            f"The ranker knows {len(catalogue)} items by its own codes; the sequences are coded by another catalogue, "
            f"of {len(sequences.catalogue)} items. Build them with the ranker's: build_sequences(ranker.catalogue, …)."
        )
