"""Stable orders at the speed of a plain sort.

NumPy sorts int64 values several times faster than it finds their order. So each value is packed with its position
into one word, the words are sorted, and the positions are read back. Where both don't fit, the value's low bits are
left out, and the few rows that only those bits tell apart are put right afterwards. Small codes are sorted by radix.
"""

import numpy as np

from storekeeper.history.parallel import WORTHWHILE, side_by_side

_WORD_BITS = 63
_DIGIT_BITS = 16


def stable_order(values: np.ndarray) -> np.ndarray:
    """Order that sorts (n,) int64 values, equal ones by position; (n,) int64."""
    count = len(values)
    if count < 2 or np.all(values[1:] >= values[:-1]):
        return np.arange(count)
    lowest, highest = int(values.min()), int(values.max())
    place_bits = (count - 1).bit_length()
    shift = max(0, (highest - lowest).bit_length() + place_bits - _WORD_BITS)
    words = values - lowest if highest - lowest < 2**63 else values.astype(np.uint64) - np.uint64(lowest % 2**64)
    if shift:
        words >>= shift
    words = words.view(np.int64)
    words <<= place_bits
    words |= np.arange(count)
    _sort(words)
    order = words & ((1 << place_bits) - 1)
    return _mend(values, order, words >> place_bits) if shift else order


def _sort(words: np.ndarray) -> None:
    """Sort in place. Two sorted halves are merged by the stable sort, which looks for such runs."""
    count = len(words)
    if count < WORTHWHILE:
        words.sort()
        return
    side_by_side(lambda half: half.sort(), (words[: count // 2], words[count // 2 :]), rows=count)
    words.sort(kind="stable")


def _mend(values: np.ndarray, order: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Sort within the runs that share their high bits, where that is needed."""
    same = coarse[1:] == coarse[:-1]
    sorted_values = values[order]
    if not np.any(same & (sorted_values[1:] < sorted_values[:-1])):
        return order
    member = np.zeros(len(order), bool)
    member[1:] |= same
    member[:-1] |= same
    rows = np.flatnonzero(member)
    order[rows] = order[rows][np.lexsort((order[rows], sorted_values[rows], coarse[rows]))]
    return order


def order_by_code(codes: np.ndarray, count: int) -> np.ndarray:
    """Order that sorts (n,) int32 codes in [0, count), equal ones by position; (n,) int64.

    The codes' digits of 16 bits are sorted by radix, the least first; halves of the codes on two cores.
    """
    if len(codes) < WORTHWHILE:
        return np.argsort(codes, kind="stable")
    middle = _median_code(codes, count)
    lower = codes < middle
    halves = side_by_side(np.flatnonzero, (lower, ~lower), rows=len(codes))
    return np.concatenate(side_by_side(lambda rows: rows[_radix(codes[rows], count)], halves, rows=len(codes)))


def _median_code(codes: np.ndarray, count: int) -> int:
    """A code that parts the rows about in half."""
    sample = codes[:: max(1, len(codes) // 10_000)]
    return min(int(np.median(sample)) + 1, count)


def _radix(codes: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    for shift in range(_DIGIT_BITS, max(count - 1, 1).bit_length(), _DIGIT_BITS):
        digit = (codes >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order
