"""Chance by name: every random number is a hash of the seed, its purpose and whom it concerns.

Nothing is drawn in a sequence, so it makes no difference in which order or in which blocks a shop is simulated, and
a customer's life can be looked up at any moment instead of being kept.
"""

from collections.abc import Sequence
from enum import IntEnum, auto

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_SHORT = np.uint64(0xFFFF)


class Purpose(IntEnum):
    """What a random number decides. Two purposes never share one."""

    SEGMENT = auto()
    TRAITS = auto()
    ACTIVITY = auto()
    LIFE = auto()
    CHANGES = auto()
    PROFILE = auto()
    TASTE = auto()
    VISIT = auto()
    SESSION = auto()
    SLOT = auto()
    INTEREST = auto()
    CHECKOUT = auto()
    MAILING = auto()
    COUPON = auto()
    AFTERMATH = auto()
    RATING = auto()
    DELIVERY = auto()
    PROMOTION = auto()
    CATALOGUE = auto()
    CAMPAIGN = auto()


def mix(bits: Bits) -> Bits:
    """Spread each number over all 64 bits (the finaliser of SplitMix64); a bijection."""
    mixed = bits ^ (bits >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def draw(seed: int, purpose: Purpose, *whom: Bits | Integers | int) -> Bits:
    """64 random bits for each of whom: arrays of ids that broadcast, or single ones.

    >>> bool(np.all(draw(7, Purpose.LIFE, np.arange(3)) == draw(7, Purpose.LIFE, np.arange(5))[:3]))
    True
    """
    bits = mix(np.array([(seed << 6) + purpose], dtype=np.uint64))
    for ids in whom:
        bits = mix(bits + (np.atleast_1d(ids).astype(np.uint64) + np.uint64(1)) * _STEP)
    return bits


def uniform(bits: Bits) -> Floats:
    """Numbers in [0, 1) of 53 bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def two_uniform(bits: Bits) -> tuple[Floats, Floats]:
    """Two independent numbers in [0, 1) of 32 bits each."""
    low, high = bits & _LOW_HALF, bits >> np.uint64(32)
    return low.astype(np.float64) * 2.0**-32, high.astype(np.float64) * 2.0**-32


def four_uniform(bits: Bits) -> tuple[Floats, Floats, Floats, Floats]:
    """Four independent numbers inside (0, 1) of 16 bits each."""
    first, second, third, fourth = (
        (((bits >> np.uint64(shift)) & _SHORT).astype(np.float64) + 0.5) * 2.0**-16 for shift in (0, 16, 32, 48)
    )
    return first, second, third, fourth


def bell(bits: Bits) -> Floats:
    """Numbers of mean 0 and variance 1, near enough to normal: sums of four uniform ones, so within ±3.5."""
    first, second, third, fourth = four_uniform(bits)
    return np.asarray((first + second + third + fourth - 2.0) * 3.0**0.5)


def pick(shares: Sequence[float] | Floats, chance: Floats) -> npt.NDArray[np.int64]:
    """Which part of a whole each number in [0, 1) falls into; the shares needn't sum to 1."""
    edges = np.cumsum(shares)
    return np.searchsorted(edges[:-1] / edges[-1], chance, side="right").astype(np.int64)


def poisson_edges(mean: float, most: int) -> Floats:
    """Cumulative probabilities of 0 to `most - 1`, for drawing a Poisson count of at most `most` by `searchsorted`."""
    terms = [np.exp(-mean)]
    for count in range(1, most):
        terms.append(terms[-1] * mean / count)
    return np.asarray(np.cumsum(terms))


def branch(keys: Bits, purpose: Purpose, *whom: Integers | int) -> Bits:
    """64 random bits for each of whom under a key that is itself random, such as a session's."""
    bits = mix(keys ^ np.uint64(purpose))
    for ids in whom:
        bits = mix(bits + (np.atleast_1d(ids).astype(np.uint64) + np.uint64(1)) * _STEP)
    return bits
