"""Numbers to a model's inputs: scaled, by their rank among the training rows, or in bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from storekeeper.errors import DataError

Floats = npt.NDArray[np.float64]

# A value hundreds of deviations out, never met in training, must not drive a linear model or a network.
CLIP_DEVIATIONS = 10.0

# Beyond this a float64 would turn infinite in the float32 matrix.
_LARGEST = float(np.finfo(np.float32).max)

# Between nearer corners a line's slope would be infinite.
LEAST_STEP = 1e-290


@dataclass(frozen=True)
class NumericColumn:
    """How one number is encoded: optionally log, then by its kind; what a null becomes is the kind's to say.

    Attributes
    ----------
    name
        The column.
    kind
        `raw` passes the value through, null as NaN (for trees). `standard` takes `(x - center) / scale`, clipped.
        `quantile` follows the broken line from `corners` to `scores`, level beyond its ends. `piecewise_linear`
        fills one output for each bin between neighbouring corners: the share of the bin that lies below the value,
        in [0, 1] (Gorishniy et al. 2022, arXiv:2203.05556, whose end bins are open).
    log1p
        Take `sign(x) * log1p(|x|)` first: for heavy-tailed amounts and counts.
    center, scale
        Mean and standard deviation on the training rows, after the logarithm.
    fill
        What stands for null under `standard` and `quantile`, in the scale of the output. Under `piecewise_linear` a
        null is 0 in every bin, as the lowest value is: it needs the indicator.
    indicator
        Whether a further output says 1 where the value is null.
    corners
        Values that ascend strictly, after the logarithm; at least one for `quantile`, two for `piecewise_linear`,
        none for the other kinds.
    scores
        `quantile`'s output at each corner, ascending.
    """

    name: str
    kind: Literal["raw", "standard", "quantile", "piecewise_linear"] = "raw"
    log1p: bool = False
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    indicator: bool = False
    corners: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse a column whose outputs would be undefined."""
        if not self.scale > 0:
            raise DataError(f"scale must be positive. It is {self.scale} for '{self.name}'.")
        least = {"quantile": 1, "piecewise_linear": 2}.get(self.kind, 0)
        if len(self.corners) < least or len(self.scores) != (len(self.corners) if self.kind == "quantile" else 0):
            raise DataError(
                f"A {self.kind} column has at least {least} corners, and a score for each if it is quantile. "
                f"'{self.name}' has {len(self.corners)} corners and {len(self.scores)} scores."
            )
        line = np.array([self.corners, self.scores or self.corners])
        if not (np.isfinite(line).all() and (np.diff(line[0]) > LEAST_STEP).all() and (np.diff(line[1]) >= 0).all()):
            raise DataError(f"Corners and scores must be finite and ascend. They don't for '{self.name}'.")

    @property
    def width(self) -> int:
        """How many outputs it fills, the indicator aside."""
        return len(self.corners) - 1 if self.kind == "piecewise_linear" else 1

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of these outputs."""
        if self.kind != "piecewise_linear":
            return (self.name,)
        return tuple(f"{self.name} bin {number}" for number in range(1, self.width + 1))


@dataclass(frozen=True)
class NumericBlock:
    """The numeric columns of an encoder, encoded together so that one row is quick too.

    Attributes
    ----------
    columns
        What they are, in the order of the values given and of the outputs.
    """

    columns: tuple[NumericColumn, ...]

    @cached_property
    def width(self) -> int:
        """How many outputs they fill together, indicators aside."""
        return sum(column.width for column in self.columns)

    @cached_property
    def indicators(self) -> npt.NDArray[np.intp]:
        """Which columns have an indicator."""
        return np.flatnonzero([column.indicator for column in self.columns])

    def fill(self, values: Floats, target: npt.NDArray[np.float32]) -> None:
        """Encode rows.

        Parameters
        ----------
        values
            `(n_rows, n_columns)`, null as NaN, nothing infinite. Overwritten.
        target
            `(n_rows, width)`, written.
        """
        if len(logs := self._logs):
            values[:, logs] = np.sign(values[:, logs]) * np.log1p(np.abs(values[:, logs]))
        if len(standard := self._of_kind("standard")):
            center, scale, fill = self._scaling
            scaled = np.clip((values[:, standard] - center) / scale, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
            values[:, standard] = np.where(np.isnan(scaled), fill, scaled)
        for at, corners, scores, fill in self._lines:
            score = np.interp(values[:, at], corners, scores)
            values[:, at] = np.where(np.isnan(score), fill, score)
        if not len(self._of_kind("piecewise_linear")):
            target[:] = np.clip(values, -_LARGEST, _LARGEST)
            return
        single, single_outputs = self._single
        target[:, single_outputs] = np.clip(values[:, single], -_LARGEST, _LARGEST)
        source, outputs, lower, upper = self._bins
        # Clipped before it is divided, so that no bin is too narrow for the value.
        share = (np.clip(values[:, source], lower, upper) - lower) / (upper - lower)
        target[:, outputs] = np.where(np.isnan(share), 0.0, share)

    @cached_property
    def _by_kind(self) -> dict[str, npt.NDArray[np.intp]]:
        kinds = [column.kind for column in self.columns]
        return {kind: np.flatnonzero([other == kind for other in kinds]) for kind in set(kinds)}

    def _of_kind(self, kind: str) -> npt.NDArray[np.intp] | Sequence[int]:
        return self._by_kind.get(kind, ())

    @cached_property
    def _logs(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero([column.log1p for column in self.columns])

    @cached_property
    def _scaling(self) -> Floats:
        """`(3, n_standard)`: centers, scales and fills."""
        chosen = [self.columns[at] for at in self._of_kind("standard")]
        return np.array([[c.center, c.scale, c.fill] for c in chosen], dtype=np.float64).T

    @cached_property
    def _lines(self) -> list[tuple[int, Floats, Floats, float]]:
        """Each quantile column: where, corners, scores, fill."""
        found = [(at, column) for at, column in enumerate(self.columns) if column.kind == "quantile"]
        return [(at, np.array(column.corners), np.array(column.scores), column.fill) for at, column in found]

    @cached_property
    def _single(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Columns with one output of their own, and where these outputs are."""
        starts = np.cumsum([0, *(column.width for column in self.columns)])[:-1]
        single = np.flatnonzero([column.kind != "piecewise_linear" for column in self.columns])
        return single, starts[single]

    @cached_property
    def _bins(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats, Floats]:
        """Of each bin: its column, its output, its lower and its upper end."""
        chosen = [(at, self.columns[at].corners) for at in self._of_kind("piecewise_linear")]
        source = np.repeat([at for at, _ in chosen], [len(corners) - 1 for _, corners in chosen])
        outputs = np.setdiff1d(np.arange(self.width), self._single[1])
        lower = np.concatenate([corners[:-1] for _, corners in chosen])
        return source, outputs, lower, np.concatenate([corners[1:] for _, corners in chosen])
