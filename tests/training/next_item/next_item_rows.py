"""Small random shops for the tests of next-item models."""

import numpy as np

from storekeeper_training.next_item import Sequences, build_sequences, fit_catalogue
from storekeeper_training.next_item.catalogue import Catalogue


def random_lists(n_rows: int, n_items: int, longest: int, seed: int) -> list[list[int]]:
    """Rows of 0 to `longest` items from 10, 20, 30 and so on."""
    rng = np.random.default_rng(seed)
    return [(10 * (1 + rng.integers(0, n_items, rng.integers(0, longest + 1)))).tolist() for _ in range(n_rows)]


def random_sequences(seed: int, *, n_rows: int = 40, n_items: int = 12, repeats: bool = True) -> Sequences:
    """Histories of up to 8 items and sets of up to 3 targets; a sixth of the items lie outside the catalogue."""
    catalogue = Catalogue(np.arange(10, 10 * n_items, 10, dtype=np.int64))
    histories, targets = random_lists(n_rows, n_items + 1, 8, seed), random_lists(n_rows, n_items + 1, 3, seed + 1)
    return build_sequences(catalogue, histories, targets, repeats=repeats)


def walks(n_rows: int, n_items: int, seed: int, length: int = 8) -> Sequences:
    """Rows that walk around a ring, but for one step in ten; the last item is the target."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random((n_rows, length)) < 0.9, 1, rng.integers(0, n_items, (n_rows, length)))
    rows = (rng.integers(0, n_items, (n_rows, 1)) + np.cumsum(steps, axis=1)) % n_items
    catalogue = fit_catalogue(np.arange(n_items))
    return build_sequences(catalogue, list(rows[:, :-1]), list(rows[:, -1:]))
