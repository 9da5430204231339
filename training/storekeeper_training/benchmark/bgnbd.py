"""BG/NBD: how often a customer buys until they leave for good (Fader, Hardie and Lee, 2005, Marketing Science 24(2)).

Own code, for the package `lifetimes` is no longer maintained. Rows are customers: `repeats` purchases after the first,
the last of them `recency` after the first (0 without repeats), seen for `age` in all, in one unit of time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histories:
    """What the model reads of customers, `(n,) float64` each; see the module."""

    repeats: Floats
    recency: Floats
    age: Floats

    def __post_init__(self) -> None:
        if not (np.all(self.repeats >= 0) and np.all(self.recency >= 0) and np.all(self.recency <= self.age)):
            raise DataError("Histories need repeats >= 0 and 0 <= recency <= age.")


@dataclass(frozen=True)
class BgNbd:
    """The four parameters: purchase rates are gamma(r, alpha), chances to leave after a purchase are beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, histories: Histories) -> float:
        """Sum over the customers; equation (6) of the paper."""
        return float(_row_likelihoods(np.log([self.r, self.alpha, self.a, self.b]), histories).sum())

    def expected_purchases(self, histories: Histories, horizon: float) -> Floats:
        """Purchases of each customer within the next `horizon`, `(n,) float64`; equation (10) of the paper.

        Raises
        ------
        DataError
            If a is 1, where the formula has no value.
        """
        from scipy.special import hyp2f1

        if self.a == 1:
            raise DataError("The expectation of BG/NBD isn't defined for a = 1.")
        x, age = histories.repeats, histories.age
        end = self.alpha + age + horizon
        hypergeometric = hyp2f1(self.r + x, self.b + x, self.a + self.b + x - 1, horizon / end)
        lasting = 1 - ((self.alpha + age) / end) ** (self.r + x) * hypergeometric
        odds_left = self.a / (self.b + np.maximum(x, 1) - 1)
        odds_left *= ((self.alpha + age) / (self.alpha + histories.recency)) ** (self.r + x)
        expected = (self.a + self.b + x - 1) / (self.a - 1) * lasting / (1 + np.where(x > 0, odds_left, 0.0))
        return np.asarray(expected)


def fit_bgnbd(histories: Histories) -> BgNbd:
    """The parameters of the greatest likelihood.

    Raises
    ------
    DataError
        If the search doesn't end at a maximum.
    """
    from scipy.optimize import minimize

    found = minimize(
        lambda logs: -_row_likelihoods(logs, histories).mean(),
        np.log([0.3, histories.age.mean() / 4, 0.8, 2.5]),
        method="L-BFGS-B",
        options={"ftol": 1e-12, "gtol": 1e-7, "maxiter": 500},
    )
    if not np.isfinite(found.fun):
        raise DataError(f"BG/NBD can't be fitted to {len(histories.age)} customers: {found.message}")
    return BgNbd(*map(float, np.exp(found.x)))


def _row_likelihoods(logs: Floats, histories: Histories) -> Floats:
    """Log likelihood of each customer, for logarithms of r, alpha, a and b."""
    from scipy.special import gammaln

    r, alpha, a, b = np.exp(logs)
    x = histories.repeats
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    active = -(r + x) * np.log(alpha + histories.age)
    gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + histories.recency)
    return np.asarray(common + np.logaddexp(active, np.where(x > 0, gone, -np.inf)))
