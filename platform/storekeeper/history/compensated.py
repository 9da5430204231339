"""Prefix sums of floats that lose nothing: each is an unevaluated pair (high, low), about 106 bits.

Windows are differences of prefixes, so a plain prefix would carry the rounding of all history into every window.
The error-free transformation is Knuth's TwoSum (Ogita, Rump and Oishi, "Accurate sum and dot product", SIAM J. Sci.
Comput. 26(6), 2005).
"""

from dataclasses import dataclass

import numpy as np

_PIECE = 32_768


@dataclass(frozen=True)
class Prefix:
    """Prefix sums, (n + 1,) float64 each; the sum of the first k values is `high[k] + low[k]`."""

    high: np.ndarray
    low: np.ndarray

    def between(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over [low, high) as pairs (value, correction), (n_rows,) float64."""
        total, error = two_sum(self.high[high], -self.high[low])
        return total, error + (self.low[high] - self.low[low])


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`a + b` rounded, and exactly what the rounding lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def prefix(values: np.ndarray) -> Prefix:
    """Prefix sums of (n,) float64 values."""
    high, low = np.zeros(len(values) + 1), np.zeros(len(values) + 1)
    # In pieces that stay in the processor's cache.
    for start in range(0, len(values), _PIECE):
        piece = values[start : start + _PIECE]
        end = start + len(piece)
        sums = piece.copy()
        sums[0] += high[start]
        np.cumsum(sums, out=high[start + 1 : end + 1])
        _, lost = two_sum(high[start:end], piece)
        lost[0] += low[start]
        np.cumsum(lost, out=low[start + 1 : end + 1])
    return Prefix(high, low)
