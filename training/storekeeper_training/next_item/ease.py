"""Model `ease`: one matrix from what is held to what else is, in closed form.

H. Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from storekeeper.errors import UsageError
from storekeeper_training.models.model import FitProgress, Parameters
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.choose import best_of, chosen
from storekeeper_training.next_item.folder import read_array, read_card, read_catalogue, write_ranker
from storekeeper_training.next_item.model import FittedRanker, Scores, check_catalogue
from storekeeper_training.next_item.positions import count_matrix, weighted_history
from storekeeper_training.next_item.sequences import Sequences

# Two float64 matrices of so many items squared are 1.6 GB.
LARGEST_CATALOGUE = 10_000


@dataclass(frozen=True, eq=False)
class EaseRanker:
    """Each item of the history speaks for others, those further back less.

    Attributes
    ----------
    catalogue
        The items.
    weights
        `(n_items, n_items) float32`, its diagonal 0.
    decay
        What an item counts for each place further back.
    parameters
        Its settings.
    """

    catalogue: Catalogue
    weights: npt.NDArray[np.float32]
    decay: float
    parameters: Parameters

    kind: ClassVar[str] = "ease"

    def scores(self, sequences: Sequences) -> Scores:
        """The decayed history times the weights."""
        check_catalogue(self.catalogue, sequences)
        history = weighted_history(sequences.history, len(self.catalogue), self.decay)
        return np.asarray(history @ self.weights, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the weights."""
        arrays = {"weights": self.weights, "decay": np.array(self.decay)}
        write_ranker(folder, self.kind, self.catalogue, self.parameters, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        weights, decay = read_array(folder, "weights"), float(read_array(folder, "decay"))
        return cls(read_catalogue(folder), weights, decay, read_card(folder).parameters)


@dataclass(frozen=True)
class Ease:
    """Solves once a regularisation; it and the decay at scoring are chosen on validation.

    Attributes
    ----------
    regularisations
        The weight of the ridge.
    decays
        What a place further back counts when scoring; 1 is EASE as published.
    """

    regularisations: tuple[float, ...] = (50.0, 200.0, 800.0)
    decays: tuple[float, ...] = (1.0, 0.98, 0.9, 0.7)

    name: ClassVar[str] = "ease"
    packages: ClassVar[tuple[str, ...]] = ("scipy",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> EaseRanker:
        """Solve for what each training row holds, histories and targets.

        Raises
        ------
        UsageError
            If the catalogue has more than 10,000 items: the matrix would fill the memory.
        """
        n_items = len(train.catalogue)
        if n_items > LARGEST_CATALOGUE:
            raise UsageError(
                f"Model 'ease' solves for catalogues of up to {LARGEST_CATALOGUE} items; there are {n_items}. "
                f"Leave it out: --models markov,session-knn,transformer."
            )
        gram = _gram(train)
        solved: dict[float, npt.NDArray[np.float32]] = {}

        def fit_setting(setting: tuple[float, float]) -> EaseRanker:
            ridge, decay = setting
            if ridge not in solved:
                solved.clear()
                solved[ridge] = solve_ease(gram, ridge)
            return EaseRanker(train.catalogue, solved[ridge], decay, {"regularisation": ridge, "decay": decay})

        return best_of(product(self.regularisations, self.decays), fit_setting, validation, seed, progress)

    def settled(self, ranker: FittedRanker) -> "Ease":
        """With the ridge and the decay that were chosen."""
        return replace(self, regularisations=(chosen(ranker, "regularisation"),), decays=(chosen(ranker, "decay"),))


def solve_ease(gram: npt.NDArray[np.float64], ridge: float) -> npt.NDArray[np.float32]:
    """The weights that minimise |X − XB|² + ridge |B|² with a zero diagonal, X of Gram matrix `(n_items, n_items)`."""
    inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def _gram(train: Sequences) -> npt.NDArray[np.float64]:
    """How many rows hold both of two items."""
    held = train.history.followed_by(train.targets)
    matrix = count_matrix(held.rows, held.values, np.ones(len(held.values)), (len(held), len(train.catalogue)))
    matrix.data[:] = 1
    together: npt.NDArray[np.float64] = (matrix.T @ matrix).toarray().astype(np.float64)
    return together
