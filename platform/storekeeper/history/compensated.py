"""Prefix sums of floats that lose nothing: each is an unevaluated pair (high, low), about 106 bits.

Windows are differences of prefixes, so a plain prefix would carry the rounding of all history into every window.
The error-free transformations are Knuth's TwoSum and Dekker's TwoProduct (Ogita, Rump and Oishi, "Accurate sum
and dot product", SIAM J. Sci. Comput. 26(6), 2005).
"""

from dataclasses import dataclass

import numpy as np

_SPLITTER = 134217729.0  # 2**27 + 1


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


def two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`a * b` rounded, and exactly what the rounding lost (|a|, |b| < 1e150)."""
    product = a * b
    a_high = (_SPLITTER * a) - (_SPLITTER * a - a)
    b_high = (_SPLITTER * b) - (_SPLITTER * b - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def prefix(values: np.ndarray, corrections: np.ndarray | None = None) -> Prefix:
    """Prefix sums of (n,) float64 values, each with an optional correction far smaller than itself."""
    high = np.concatenate([[0.0], np.cumsum(values)])
    _, lost = two_sum(high[:-1], values)
    if corrections is not None:
        lost = lost + corrections
    return Prefix(high, np.concatenate([[0.0], np.cumsum(lost)]))
