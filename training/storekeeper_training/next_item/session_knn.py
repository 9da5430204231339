"""Model `session-knn`: what like histories went on to."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

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
from storekeeper_training.next_item.positions import Positions, count_matrix, weighted_history
from storekeeper_training.next_item.sequences import Sequences

# Similarities that are held at once: 128 MB of float32.
_SIMILARITIES_AT_ONCE = 32_000_000

# Popularity orders only what no neighbour has.
_POPULARITY_WEIGHT = 1e-4


@dataclass(frozen=True, eq=False)
class SessionKnnRanker:
    """Cosine neighbours among training rows, which vote with their similarity for what they hold.

    Attributes
    ----------
    catalogue
        The items.
    sessions
        CSR `(n_sessions, n_items) float32` of ones: what each training row's history and targets hold.
    weights
        `(n_items,) float32`: what an item counts in a similarity, its inverse document frequency or 1.
    shares
        `(n_items,) float32`: popularity.
    neighbours, decay
        How many neighbours vote, and what a place further back in the asking history counts.
    parameters
        Its settings.
    """

    catalogue: Catalogue
    sessions: Any
    weights: npt.NDArray[np.float32]
    shares: Shares
    neighbours: int
    decay: float
    parameters: Parameters

    kind: ClassVar[str] = "session-knn"

    def scores(self, sequences: Sequences) -> Scores:
        """Votes by item, with a trace of popularity; memory grows with 128 MB of similarities at most."""
        check_catalogue(self.catalogue, sequences)
        votes = np.empty((len(sequences), len(self.catalogue)), dtype=np.float32)
        for place, batch in sequences.batches(max(1, _SIMILARITIES_AT_ONCE // max(1, self.sessions.shape[0]))):
            history = weighted_history(batch.history, len(self.catalogue), self.decay)
            votes[place] = (_strongest(history @ self._comparable, self.neighbours) @ self.sessions).toarray()
        scores: Scores = votes + np.float32(_POPULARITY_WEIGHT) * self.shares
        return scores

    @cached_property
    def _comparable(self) -> Any:
        """What each item adds to the similarity with each session: CSR `(n_items, n_sessions) float32`."""
        norms = np.sqrt(np.maximum(1.0, self.sessions.sum(axis=1))).astype(np.float32)
        matrix = self.sessions.copy()
        matrix.data = self.weights[matrix.indices] / np.repeat(norms, np.diff(matrix.indptr))
        return matrix.T.tocsr()

    def save(self, folder: Path) -> None:
        """Write the sessions: they are the model."""
        arrays = {
            **sparse_arrays("sessions", self.sessions),
            "weights": self.weights,
            "shares": self.shares,
            "neighbours": np.array(self.neighbours),
            "decay": np.array(self.decay),
        }
        write_ranker(folder, self.kind, self.catalogue, self.parameters, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        catalogue = read_catalogue(folder)
        return cls(
            catalogue,
            read_sparse(folder, "sessions", len(catalogue)),
            read_array(folder, "weights"),
            read_array(folder, "shares"),
            int(read_array(folder, "neighbours")),
            float(read_array(folder, "decay")),
            read_card(folder).parameters,
        )


@dataclass(frozen=True)
class SessionKnn:
    """Keeps the training rows; neighbours, decay and the weighing of items are chosen on validation.

    Attributes
    ----------
    neighbours, decays
        What may be chosen.
    rare_items_count
        Whether an item's inverse document frequency weighs in similarities.
    """

    neighbours: tuple[int, ...] = (100, 500)
    decays: tuple[float, ...] = (1.0, 0.8, 0.5)
    rare_items_count: tuple[bool, ...] = (True, False)

    name: ClassVar[str] = "session-knn"
    packages: ClassVar[tuple[str, ...]] = ("scipy",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> SessionKnnRanker:
        """Take each row's history and targets for a session."""
        n_items = len(train.catalogue)
        held = train.history.followed_by(train.targets)
        sessions = count_matrix(held.rows, held.values, np.ones(len(held.values)), (len(held), n_items))
        sessions.data[:] = 1
        rarity = np.log((1 + len(held)) / (1 + sessions.sum(axis=0))).astype(np.float32)
        positions: Positions = "every"
        shares = item_shares(train, positions)

        def fit_setting(setting: tuple[int, float, bool]) -> SessionKnnRanker:
            neighbours, decay, rare = setting
            parameters: Parameters = {"neighbours": neighbours, "decay": decay, "rare_items_count": rare}
            weights = rarity if rare else np.ones(n_items, dtype=np.float32)
            return SessionKnnRanker(train.catalogue, sessions, weights, shares, neighbours, decay, parameters)

        settings = product(self.neighbours, self.decays, self.rare_items_count)
        return best_of(settings, fit_setting, validation, seed, progress)

    def settled(self, ranker: FittedRanker) -> "SessionKnn":
        """With the neighbours, decay and weighing that were chosen."""
        neighbours, decay, rare = (chosen(ranker, name) for name in ("neighbours", "decay", "rare_items_count"))
        return replace(self, neighbours=(int(neighbours),), decays=(decay,), rare_items_count=(bool(rare),))


def _strongest(similarities: Any, limit: int) -> Any:
    """Each row's `limit` greatest values, CSR; those of one size by the order of sessions, later ones first."""
    matrix = sparse.csr_array(similarities)
    matrix.sort_indices()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.indices, -matrix.data, rows))
    places = np.arange(len(order)) - matrix.indptr[:-1][rows]
    kept = order[places < limit]
    return count_matrix(rows[kept], matrix.indices[kept], matrix.data[kept], matrix.shape)
