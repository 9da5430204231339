"""Answers over index intervals [lo, hi) of one array: extremes, distinct values, slices."""

import numpy as np


def range_extreme(values: np.ndarray, lo: np.ndarray, hi: np.ndarray, *, largest: bool) -> np.ndarray:
    """Minimum or maximum over each interval; undefined (0) for empty ones.

    A sparse table (Bender and Farach-Colton, "The LCA problem revisited", 2000) of which one level at a time is
    kept: two overlapping power-of-two blocks cover every interval.

    Parameters
    ----------
    values
        (n,) int64 or float64 without NaN.
    lo, hi
        (n_rows,) int64.

    Returns
    -------
    numpy.ndarray
        (n_rows,) of the dtype of `values`.
    """
    pick = np.maximum if largest else np.minimum
    length = hi - lo
    result = np.zeros(len(lo), values.dtype)
    filled = np.flatnonzero(length > 0)
    if not len(filled):
        return result
    level_of = np.frexp(length[filled].astype(np.float64))[1] - 1
    by_level = filled[np.argsort(level_of, kind="stable")]
    ends = np.cumsum(np.bincount(level_of))
    table = values
    for level, end in enumerate(ends):
        if level:
            half = 1 << (level - 1)
            table = pick(table[:-half], table[half:])
        rows = by_level[ends[level - 1] if level else 0 : end]
        result[rows] = pick(table[lo[rows]], table[hi[rows] - (1 << level)])
    return result


def range_distinct(values: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Number of distinct values in each interval.

    An element is the first of its value in [lo, hi) exactly when its previous occurrence lies before lo, so the
    answer counts elements with `previous < lo`: one rank query each in a wavelet matrix (Claude, Navarro and
    Ordonez, Information Systems 47, 2015), which is built and asked one bit at a time.

    Parameters
    ----------
    values
        (n,) int64 or float64 without NaN.
    lo, hi
        (n_rows,) int64.

    Returns
    -------
    numpy.ndarray
        (n_rows,) int64.
    """
    count = np.zeros(len(lo), np.int64)
    if not len(values) or not len(lo):
        return count
    symbols = _previous(values) + 1
    bound, left, right = lo + 1, lo.copy(), hi.copy()
    for bit in range(len(values).bit_length(), -1, -1):
        ones = (symbols >> bit) & 1
        zeros_before = np.concatenate([[0], np.cumsum(1 - ones)])
        zeros = int(zeros_before[-1])
        left_zero, right_zero = zeros_before[left], zeros_before[right]
        upper = ((bound >> bit) & 1).astype(bool)
        count += np.where(upper, right_zero - left_zero, 0)
        left = np.where(upper, zeros + left - left_zero, left_zero)
        right = np.where(upper, zeros + right - right_zero, right_zero)
        symbols = np.concatenate([symbols[ones == 0], symbols[ones == 1]])
    return count


def _previous(values: np.ndarray) -> np.ndarray:
    """Position of the previous equal value, (n,) int64; -1 for a first occurrence."""
    order = np.argsort(values, kind="stable")
    previous = np.full(len(values), -1, np.int64)
    same = values[order[1:]] == values[order[:-1]]
    previous[order[1:][same]] = order[:-1][same]
    return previous


def range_slices(lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All positions of all intervals laid end to end.

    Returns
    -------
    positions : numpy.ndarray
        (sum of lengths,) int64.
    offsets : numpy.ndarray
        (n_rows + 1,) int64: interval i's positions are positions[offsets[i]:offsets[i + 1]].
    """
    lengths = hi - lo
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    positions = np.arange(offsets[-1]) + np.repeat(lo - offsets[:-1], lengths)
    return positions, offsets
