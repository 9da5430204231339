"""What every model offers to training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Columns, Encoder
from storekeeper.artefact.manifest import Runtime
from storekeeper.artefact.runtime import Scorer

Probabilities = npt.NDArray[np.float64]
Predictions = npt.NDArray[np.float64]
Parameters = Mapping[str, str | float | int | bool | None]


class FitProgress(Protocol):
    """Called as a fit goes on."""

    def __call__(self, done: int, total: int, note: str) -> None:
        """Say that `done` of `total` steps are over."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows to fit on, in the order of time.

    Attributes
    ----------
    columns
        Inputs by name, each of n rows.
    labels
        `(n,)`: int8 of 0 and 1, or float64 of units where quantities are predicted.
    """

    columns: Columns
    labels: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model, still in memory.

    Attributes
    ----------
    encoder
        Columns to matrix, fitted on the training rows.
    scorer
        Matrix to probabilities or quantities.
    runtime
        What will run it once it is saved.
    write
        Writes the weights into a folder.
    parameters
        Its settings, for the record.
    """

    encoder: Encoder
    scorer: Scorer
    runtime: Runtime
    write: Callable[[Path], None]
    parameters: Parameters

    def predict(self, columns: Columns) -> Probabilities:
        """Probabilities or quantities `(n_rows,) float64`, in the order of the rows."""
        return self.scorer(self.encoder.transform(columns))

    def save(self, folder: Path) -> None:
        """Write the encoder and the weights into an artefact's folder."""
        self.encoder.write(folder)
        self.write(folder)


class Packaged(Protocol):
    """Anything that is trained under a name, with packages of its own."""

    @property
    def name(self) -> str:
        """Its name on the command line, in folders and in the leaderboard."""

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that it needs beside the platform's own; their versions go on record."""

    @property
    def extra(self) -> str:
        """The extra of Storekeeper that installs them."""


class Model(Packaged, Protocol):
    """A way to fit."""

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:
        """Fit on the training rows.

        Parameters
        ----------
        train, validation
            Rows of the two periods, each in the order of time. Only the training rows teach; a model may stop early
            by the validation rows.
        names
            Which inputs to read.
        seed
            The seed of every random choice: the same inputs and seed give the same model.
        progress
            Called after each step.
        """
