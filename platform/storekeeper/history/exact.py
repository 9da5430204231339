"""Sums of floats over index intervals, as if added without rounding: prefixes in three exact layers.

Windows are differences of prefixes, so a plain prefix would carry the rounding of all history into every window, and
a window's value would depend on what else was computed beside it. Here each value is cut into parts on grids so coarse
that all sums of parts are exact (Rump, Ogita and Oishi, "Accurate floating-point summation part I", SIAM J. Sci.
Comput. 31(1), 2008, algorithm ExtractVector). Only what lies below the second grid is rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from storekeeper.history.compensated import two_sum

_PIECE = 32_768
_HALF_ULP = 2.0**-53
_LARGEST_EXPONENT = 1000


@dataclass(frozen=True)
class Ends:
    """Where intervals begin and end, each place once, so that prefixes are kept there only.

    Attributes
    ----------
    places
        (m,) int64, ascending.
    lo, hi
        (n_rows,) integers: each interval's ends as positions in `places`.
    """

    places: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    @classmethod
    def of(cls, lo: np.ndarray, hi: np.ndarray, count: int) -> "Ends":
        """The ends of intervals [lo, hi) over `count` values."""
        marked = np.zeros(count + 1, bool)
        marked[lo] = True
        marked[hi] = True
        rank = np.cumsum(marked, dtype=np.int32)
        rank -= 1
        return cls(np.flatnonzero(marked), rank[lo], rank[hi])


def rounding_bound(count: int, largest: float) -> float:
    """By how much `sums_between` may be off, given the largest absolute value; infinite where it can't be used."""
    if not largest:
        return 0.0
    coarse = _coarse_exponent(count, largest)
    if coarse > _LARGEST_EXPONENT:
        return float("inf")
    fine = coarse - 53 + _bits(count)
    return float(float(count) ** 2 * _HALF_ULP * np.ldexp(1.0, fine - 53))


def sums_between(values: np.ndarray, ends: Ends, largest: float) -> np.ndarray:
    """Sum of (n,) float64 values over each interval, (n_rows,) float64.

    Parameters
    ----------
    largest
        At least each value's absolute value.
    """
    if not largest or not len(values):
        return np.zeros(len(ends.lo))
    coarse = _coarse_exponent(len(values), largest)
    grids = (np.ldexp(1.0, coarse), np.ldexp(1.0, coarse - 53 + _bits(len(values))))
    high, middle, low = _prefixes(values, ends.places, grids)
    return _rounded_once(*(layer[ends.hi] - layer[ends.lo] for layer in (high, middle, low)))


def _rounded_once(high: np.ndarray, middle: np.ndarray, low: np.ndarray) -> np.ndarray:
    """The float next to `high + middle + low`.

    Where `middle + low` is no float, what it loses makes the sum's own tail odd before that is added (Boldo and
    Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE
    Trans. Comput. 57(4), 2008): rounding twice could else go the wrong way.
    """
    rest, lost = two_sum(middle, low)
    total = np.asarray(high + rest)
    twice = np.flatnonzero(lost)
    if len(twice):
        near, tail = two_sum(high[twice], rest[twice])
        tail, missing = two_sum(tail, lost[twice])
        bits = tail.view(np.int64)
        bits += np.where((missing != 0) & (bits & 1 == 0), np.where((missing > 0) == (tail > 0), 1, -1), 0)
        total[twice] = near + tail
    return total


def _bits(count: int) -> int:
    return (count + 1).bit_length()


def _coarse_exponent(count: int, largest: float) -> int:
    """Sums of `count` parts on the grid 2^-53 below this power of two need no more than 53 bits."""
    return int(np.frexp(largest)[1]) + _bits(count)


def _prefixes(values: np.ndarray, places: np.ndarray, grids: tuple[float, float]) -> np.ndarray:
    """Prefix sums at `places` of the values' three parts, (3, m) float64."""
    kept = np.zeros((3, len(places)))
    carried = [0.0, 0.0, 0.0]
    for start, inside, target in _pieces(places, len(values)):
        rest = values[start : start + _PIECE]
        for layer, grid in enumerate((*grids, None)):
            part = rest if grid is None else (rest + grid) - grid
            sums = np.empty(len(part) + 1)
            sums[0] = carried[layer]
            np.cumsum(part, out=sums[1:])
            sums[1:] += carried[layer]
            carried[layer] = sums[-1]
            kept[layer, target] = sums[inside]
            rest = rest if grid is None else rest - part
    return kept


def _pieces(places: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray, slice]]:
    """Pieces of the values that stay in the processor's cache: start, the places inside, and which they are."""
    starts = np.arange(0, max(count, 1), _PIECE)
    cuts = np.searchsorted(places, np.append(starts[1:], count + 1))
    begin = 0
    for start, end in zip(starts.tolist(), cuts.tolist(), strict=True):
        yield start, places[begin:end] - start, slice(begin, end)
        begin = end
