"""Interval: where what happens will lie beside a quantity that was predicted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from storekeeper.errors import DataError

Quantities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Bounds of a prediction `p`: `p + low * (1 + p) ** power` and `p + high * (1 + p) ** power`, never below 0.

    The factors are those of the group that `p` falls into: small quantities miss otherwise than large ones.

    Attributes
    ----------
    level
        The share of what happens that should lie within, such as 0.8.
    power
        How the width grows with the prediction.
    edges
        Ascending: group `i` is from `edges[i - 1]` on and below `edges[i]`.
    low, high
        One factor a group, so one more than edges.
    """

    level: float
    power: float
    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse what has no bounds."""
        if not 0.0 < self.level < 1.0:
            raise DataError(f"level must lie between 0 and 1. Received: {self.level}.")
        groups = len(self.edges) + 1
        if len(self.low) != groups or len(self.high) != groups or list(self.edges) != sorted(self.edges):
            raise DataError("An interval has ascending edges, and one low and one high factor more than edges.")

    def bounds(self, predictions: Quantities) -> tuple[Quantities, Quantities]:
        """Lower and upper bounds, `(n_rows,) float64` each, of predictions `(n_rows,) float64` from 0 on."""
        group = np.searchsorted(np.asarray(self.edges), predictions, side="right")
        width = (1.0 + predictions) ** self.power
        low, high = (predictions + np.asarray(factors)[group] * width for factors in (self.low, self.high))
        return np.maximum(low, 0.0), np.maximum(high, 0.0)
