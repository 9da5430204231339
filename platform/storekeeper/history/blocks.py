"""Sums and spreads over index intervals by merging aligned power-of-two blocks: nothing is ever subtracted.

Differences of prefixes carry the rounding of all earlier values into every window; one wild value spoils its
neighbours. Here an interval is a union of at most two blocks a level, so its error depends on its own values only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from storekeeper.history.compensated import two_sum


def range_sum(values: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Sum of (n,) float64 values over each interval, (n_rows,) float64, with pairwise rounding."""
    total = np.zeros(len(lo))
    level = 0
    for depth, rows, blocks in _decompose(lo, hi):
        while level < depth:
            values, level = _halves(values)[0] + _halves(values)[1], level + 1
        total[rows] += values[blocks]
    return total


@dataclass
class Spread:
    """Count, mean and sum of squares about the mean of some sets of values; means are pairs (high, low)."""

    count: np.ndarray
    mean: np.ndarray
    mean_low: np.ndarray
    squares: np.ndarray

    def take(self, rows: np.ndarray) -> "Spread":
        """Some of the sets."""
        return Spread(self.count[rows], self.mean[rows], self.mean_low[rows], self.squares[rows])

    def merge(self, other: "Spread") -> "Spread":
        """The unions, set by set (Chan, Golub and LeVeque, "Updating formulae", 1979)."""
        count = self.count + other.count
        size = np.maximum(count, 1)
        apart = (other.mean - self.mean) + (other.mean_low - self.mean_low)
        mean, low = two_sum(self.mean, apart * (other.count / size))
        squares = self.squares + other.squares + apart * apart * (self.count * (other.count / size))
        # An empty set has no mean: the union is the other as it stands, rounded nowhere.
        empty = self.count == 0
        return Spread(
            count,
            np.where(empty, other.mean, mean),
            np.where(empty, other.mean_low, self.mean_low + low),
            np.where(empty, other.squares, squares),
        )


def range_spread(values: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> Spread:
    """Count, mean and spread of (n,) int64 or float64 values over each interval."""
    high, low = split_values(values)
    blocks = Spread(np.ones(len(high)), high, low, np.zeros(len(high)))
    zeros = np.zeros(len(lo))
    found = Spread(zeros.copy(), zeros.copy(), zeros.copy(), zeros.copy())
    level = 0
    for depth, rows, positions in _decompose(lo, hi):
        while level < depth:
            blocks, level = _merge_pairs(blocks), level + 1
        merged = found.take(rows).merge(blocks.take(positions))
        found.count[rows], found.mean[rows] = merged.count, merged.mean
        found.mean_low[rows], found.squares[rows] = merged.mean_low, merged.squares
    return found


def split_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values as float64 and what that rounds away: integers beyond 2^53 lose nothing."""
    high = values.astype(np.float64)
    if values.dtype == np.float64:
        return high, np.zeros(len(values))
    rounded = np.where(high >= 2.0**63, np.float64(2.0**63 - 1024), high)
    return rounded, (values - rounded.astype(np.int64)).astype(np.float64)


def _merge_pairs(blocks: Spread) -> Spread:
    even = len(blocks.mean) // 2 * 2
    return blocks.take(np.arange(0, even, 2)).merge(blocks.take(np.arange(1, even, 2)))


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    even = len(values) // 2 * 2
    return values[0:even:2], values[1:even:2]


def _decompose(lo: np.ndarray, hi: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Triples (level, rows, block of that level), blocks from the outside in; each row at most once a triple."""
    rows = np.flatnonzero(lo < hi)
    left, right = lo[rows].copy(), hi[rows].copy()
    level = 0
    while len(rows):
        odd = (left & 1) == 1
        yield level, rows[odd], left[odd]
        left = left + odd
        odd = ((right & 1) == 1) & (left < right)
        yield level, rows[odd], right[odd] - 1
        right = right - odd
        left, right, level = left >> 1, right >> 1, level + 1
        open_ = left < right
        rows, left, right = rows[open_], left[open_], right[open_]
