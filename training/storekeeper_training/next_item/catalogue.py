"""The items that can be ranked: fixed when a model is trained."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError
from storekeeper_training.next_item.ragged import Codes

Items = npt.NDArray[np.int64]

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items and their codes: an item's code is its place.

    Attributes
    ----------
    items
        `(n_items,) int64`, ascending, each once.
    """

    items: Items

    def __post_init__(self) -> None:
        if self.items.dtype != np.int64 or self.items.ndim != 1 or (np.diff(self.items) <= 0).any():
            raise DataError(f"A catalogue's items are int64, ascending, each once. These are {self.items.dtype}.")

    def __len__(self) -> int:
        return len(self.items)

    def encode(self, items: Items) -> Codes:
        """Codes `(n,) int32` of item ids `(n,) int64`; -1 for an item that the training rows don't have.

        >>> Catalogue(np.array([10, 20], np.int64)).encode(np.array([20, 15], np.int64)).tolist()
        [1, -1]
        """
        if not len(self):
            return np.full(len(items), UNKNOWN, dtype=np.int32)
        places = np.minimum(np.searchsorted(self.items, items), len(self) - 1)
        return np.where(self.items[places] == items, places, UNKNOWN).astype(np.int32)

    def same_as(self, other: "Catalogue") -> bool:
        """Whether each item has the same code in both."""
        return self is other or np.array_equal(self.items, other.items)


def fit_catalogue(*columns: Iterable[int] | Items) -> Catalogue:
    """The catalogue of every item that occurs in the training rows' histories and targets, flat `int64` each."""
    found = [np.unique(np.asarray(column, dtype=np.int64)) for column in columns]
    return Catalogue(np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64))
