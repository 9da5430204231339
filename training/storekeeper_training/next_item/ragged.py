"""Rows of different lengths in two arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError

Codes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ragged:
    """A list of codes a row.

    Attributes
    ----------
    values
        `(n_values,) int32`: all rows, one after the other.
    offsets
        `(n_rows + 1,) int64`: row i is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: Codes
    offsets: Numbers

    def __post_init__(self) -> None:
        ends = self.offsets
        if not len(ends) or ends[0] != 0 or ends[-1] != len(self.values) or (np.diff(ends) < 0).any():
            raise DataError(f"Offsets must rise from 0 to the number of values, {len(self.values)}. They are: {ends}.")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Numbers:
        """Values a row: `(n_rows,) int64`."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> Numbers:
        """Whose value it is: `(n_values,) int64`."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ages(self) -> Numbers:
        """How many values of the row come after each value, 0 for the last: `(n_values,) int64`."""
        return np.repeat(self.offsets[1:], self.lengths) - np.arange(len(self.values)) - 1

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "Ragged":
        """The values for which `wanted`, `(n_values,)`, holds, in their rows."""
        counts = np.bincount(self.rows[wanted], minlength=len(self))
        return Ragged(self.values[wanted], offsets_of(counts))

    def take(self, rows: Numbers) -> "Ragged":
        """These rows, in this order."""
        lengths = self.lengths[rows]
        offsets = offsets_of(lengths)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Ragged(self.values[np.repeat(self.offsets[:-1][rows], lengths) + within], offsets)

    def last(self, limit: int) -> "Ragged":
        """At most the last `limit` values of each row.

        >>> Ragged(np.array([1, 2, 3, 4], np.int32), np.array([0, 3, 4])).last(2).as_lists()
        [[2, 3], [4]]
        """
        return self.keep(self.ages < limit)

    def followed_by(self, other: "Ragged") -> "Ragged":
        """Each row with the other's row at its end."""
        offsets = self.offsets + other.offsets
        values = np.empty(offsets[-1], dtype=np.int32)
        values[np.arange(len(self.values)) + np.repeat(other.offsets[:-1], self.lengths)] = self.values
        values[np.arange(len(other.values)) + np.repeat(self.offsets[1:], other.lengths)] = other.values
        return Ragged(values, offsets)

    def as_lists(self) -> list[list[int]]:
        """The rows as Python lists."""
        return [row.tolist() for row in np.split(self.values, self.offsets[1:-1])] if len(self) else []


def offsets_of(lengths: npt.NDArray[np.integer]) -> Numbers:
    """Where rows of these lengths start and the last one ends: `(n_rows + 1,) int64`."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
