"""How far two samples of one feature are apart."""

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, ks_2samp

from storekeeper.monitor.bins import Counts

SMALLEST_SHARE = 1e-4
_CHANCE = 0.999

Floats = npt.NDArray[np.float64]


def stability_index(training: Counts, served: Counts) -> float:
    """The population stability index of two samples over the same bins: `sum((s - t) * ln(s / t))`.

    `t` and `s` are a bin's shares of the training rows and of the served vectors (N. Siddiqi, Credit Risk Scorecards,
    2006; it is the divergence of H. Jeffreys, 1946). As is usual, a share below 0.0001 is taken for 0.0001, so that an
    empty bin has a logarithm. 0 for equal shares, never negative, symmetric.

    Parameters
    ----------
    training, served
        (n_bins,) int64, at least one positive each.

    >>> round(stability_index(np.array([50, 50]), np.array([75, 25])), 4)
    0.2747
    """
    t, s = (np.maximum(counts / counts.sum(), SMALLEST_SHARE) for counts in (training, served))
    return float(np.sum((s - t) * np.log(s / t)))


def chance_index(training: Counts, served: Counts) -> float:
    """What a stability index exceeds once in a thousand times where both samples come from one distribution.

    It is then distributed as `(1/n + 1/m) * chi2(bins - 1)`: B. Yurdakul, Statistical Properties of Population
    Stability Index, Western Michigan University, 2018. Bins that are empty in both samples don't count.
    """
    used = int(np.count_nonzero(training + served))
    if used < 2:
        return 0.0
    return float((1 / training.sum() + 1 / served.sum()) * chi2.ppf(_CHANCE, used - 1))


def kolmogorov_smirnov(training: Floats, served: Floats) -> tuple[float, float, float]:
    """The two-sample Kolmogorov-Smirnov statistic, its p-value (two-sided, asymptotic) and where it lies, from SciPy.

    The statistic is the greatest distance between the two cumulative distributions, from 0 to 1. Where values repeat,
    as counts do, the p-value is an upper bound. Vectors of one request are not independent of each other, and in large
    samples any difference is significant: the statistic says how large it is.

    Parameters
    ----------
    training, served
        (n,) and (m,) float64 without NaN, not empty.
    """
    # SciPy's asymptotic p-value divides by the samples' common size, which it rounds to 0 for a value against a value.
    single = len(training) == len(served) == 1
    found = ks_2samp(training, served, method="exact" if single else "asymp")
    return float(found.statistic), float(found.pvalue), float(found.statistic_location)


def cumulative(values: Floats, at: Floats) -> Floats:
    """(k,) float64: which share of some values, (n,) float64 ascending, is at most each of `at`, (k,) float64."""
    found: Floats = np.searchsorted(values, at, side="right") / len(values)
    return found
