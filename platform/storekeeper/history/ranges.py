"""Answers over index intervals [lo, hi) of one array: extremes, distinct values, slices."""

import numpy as np

from storekeeper.history.exact import Ends
from storekeeper.history.order import stable_order

_ELEMENTS_AT_ONCE = 10_000_000
_STEPS_AN_ELEMENT = 4


def range_extreme(values: np.ndarray, lo: np.ndarray, hi: np.ndarray, *, largest: bool) -> np.ndarray:
    """Minimum or maximum over each interval; undefined (0) for empty ones.

    Short intervals are walked. Else values between neighbouring ends of intervals become one, and two overlapping
    power-of-two blocks of those cover each interval: a sparse table (Bender and Farach-Colton, "The LCA problem
    revisited", 2000) of which one level at a time is kept.

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
    result = np.zeros(len(lo), values.dtype)
    filled = np.flatnonzero(hi > lo)
    if not len(filled):
        return result
    lo, hi = lo[filled], hi[filled]
    walked = int((hi - lo).sum() + np.maximum(lo[1:] - hi[:-1], 0).sum())
    if walked <= _STEPS_AN_ELEMENT * (len(values) + len(lo)):
        result[filled] = _walk(values, lo, hi, pick)
        return result
    ends = Ends.of(lo, hi, len(values))
    between = pick.reduceat(values, ends.places[:-1] if ends.places[-1] == len(values) else ends.places)
    result[filled] = _sparse_table(between, ends.lo, ends.hi, pick)
    return result


def _walk(values: np.ndarray, lo: np.ndarray, hi: np.ndarray, pick: np.ufunc) -> np.ndarray:
    """Look at every element of every interval. What `reduceat` finds between two intervals is thrown away."""
    found = np.empty(len(lo), values.dtype)
    last = hi == len(values)
    if last.any():
        begin = int(lo[last].min())
        found[last] = pick.accumulate(values[begin:][::-1])[::-1][lo[last] - begin]
        lo, hi = lo[~last], hi[~last]
    if len(lo):
        found[~last] = pick.reduceat(values, np.column_stack([lo, hi]).ravel())[::2]
    return found


def _sparse_table(values: np.ndarray, lo: np.ndarray, hi: np.ndarray, pick: np.ufunc) -> np.ndarray:
    level_of = np.frexp((hi - lo).astype(np.float64))[1].astype(np.int8) - 1
    by_level = np.argsort(level_of, kind="stable")
    ends = np.cumsum(np.bincount(level_of))
    found = np.empty(len(lo), values.dtype)
    table = values
    for level, end in enumerate(ends):
        if level:
            half = 1 << (level - 1)
            table = pick(table[:-half], table[half:])
        rows = by_level[ends[level - 1] if level else 0 : end]
        found[rows] = pick(table[lo[rows]], table[hi[rows] - (1 << level)])
    return found


def range_distinct(previous: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Number of distinct values in each interval.

    An element is the first of its value in [lo, hi) exactly when its previous occurrence lies before lo, so the
    answer counts elements with `previous < lo`. Few or short intervals are counted element by element; else each is
    one rank query in a wavelet matrix (Claude, Navarro and Ordonez, Information Systems 47, 2015), which is built
    and asked one bit at a time, at a cost that doesn't depend on how long the intervals are.

    Parameters
    ----------
    previous
        (n,) int64, from `previous_equal`.
    lo, hi
        (n_rows,) int64.

    Returns
    -------
    numpy.ndarray
        (n_rows,) int64.
    """
    if not len(previous) or not len(lo):
        return np.zeros(len(lo), np.int64)
    levels = len(previous).bit_length() + 1
    if int((hi - lo).sum()) <= levels * (len(previous) + len(lo)):
        return _count_each(previous, lo, hi)
    return _rank(previous + 1, lo, hi, levels)


def _count_each(previous: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Look at every element of every interval, a bounded number at a time."""
    count = np.zeros(len(lo), np.int64)
    ends = np.cumsum(hi - lo)
    cuts = np.searchsorted(ends, np.arange(_ELEMENTS_AT_ONCE, ends[-1], _ELEMENTS_AT_ONCE), side="right")
    for rows in np.split(np.arange(len(lo)), np.unique(cuts)):
        positions, offsets = range_slices(lo[rows], hi[rows])
        row = np.repeat(np.arange(len(rows)), np.diff(offsets))
        count[rows] = np.bincount(row[previous[positions] < lo[rows][row]], minlength=len(rows))
    return count


def _rank(symbols: np.ndarray, lo: np.ndarray, hi: np.ndarray, levels: int) -> np.ndarray:
    """For each interval, how many symbols are at most lo."""
    count = np.zeros(len(lo), np.int64)
    bound, left, right = lo + 1, lo.copy(), hi.copy()
    for bit in range(levels - 1, -1, -1):
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


def previous_equal(values: np.ndarray) -> np.ndarray:
    """Position of the previous equal value, (n,) int64; -1 for a first occurrence."""
    order = np.argsort(values, kind="stable") if values.dtype == np.float64 else stable_order(values)
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
