"""What the pipeline asks of a kind of problem.

Nothing heavy is imported here and by the problems: what they need they import when they are asked.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.artefact import Interval
from storekeeper_training.bootstrap import Interval as Difference
from storekeeper_training.tasks import Kind

Labels = npt.NDArray[Any]
"""`(n,)`: int8 of 0 and 1, or float64 of units."""

Predictions = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Instants = npt.NDArray[np.datetime64]
Loss = Callable[[Labels, Predictions], float]


@dataclass(frozen=True)
class Metric:
    """A figure of the leaderboard.

    Attributes
    ----------
    title, field
        How it is called, and the field of the kind's figures.
    aim
        The best value: infinity if greater is better, minus infinity if smaller is, else the value to be met.
    short
        Its title in the terminal, where 80 characters must do; empty if it stands in the report alone.
    """

    title: str
    field: str
    aim: float
    short: str = ""

    @property
    def arrow(self) -> str:
        """Where to look for the best."""
        return f"→ {self.aim:g}" if math.isfinite(self.aim) else "↑" if self.aim > 0 else "↓"

    def best(self, values: Iterable[float]) -> float:
        """The best of some values."""
        if math.isfinite(self.aim):
            return min(values, key=lambda value: abs(value - self.aim))
        return max(values) if self.aim > 0 else min(values)


class Figures(Protocol):
    """How good one model's predictions of one period are."""

    @property
    def rows(self) -> int:
        """Of how many rows."""

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""


class Compared(Protocol):
    """The best model minus another, on the rows of the test period."""

    @property
    def best(self) -> str:
        """The best model's name."""

    @property
    def other(self) -> str:
        """The other model's name."""

    @property
    def entities(self) -> int:
        """How many entities were drawn from."""

    @property
    def draws(self) -> int:
        """How often."""

    @property
    def parts(self) -> tuple[tuple[str, Difference], ...]:
        """Differences by the metrics' titles."""

    def as_dict(self) -> dict[str, object]:
        """The comparison for machines."""


@dataclass(frozen=True)
class Decision:
    """What is read off the validation period once a model is fitted, and holds from then on.

    Attributes
    ----------
    threshold
        Of a chance: from where on the answer is yes.
    interval
        Of a quantity: how far what happens may be from it.
    """

    threshold: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True, eq=False)
class Truth:
    """What happened, by period (`train`, `validation`, `test`), rows in the order of the split.

    Attributes
    ----------
    labels, times
        `(n,)` each, by period.
    series
        `(n,) int64` by period: which entity a row is about, all its keys together.
    drawn
        `(n_test,) int64`: the first entity key, by which comparisons draw.
    horizon
        How far a label looks.
    """

    labels: Mapping[str, Labels]
    times: Mapping[str, Instants]
    series: Mapping[str, Codes]
    drawn: Codes
    horizon: timedelta


class Judge(Protocol):
    """Measures the models of one run, all on the same rows."""

    def decide(self, predictions: Predictions) -> Decision:
        """What is to be read off predictions of the validation period."""

    def evaluate(self, period: str, predictions: Predictions, decision: Decision) -> Figures:
        """All figures of one period."""

    def compare(
        self, best: tuple[str, Predictions], others: Sequence[tuple[str, Predictions]], seed: int
    ) -> tuple[Compared, ...]:
        """The best model against each other on the test period, by name and predictions, entities drawn anew."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One model as pictures show it.

    Attributes
    ----------
    name, colour
        Of the model.
    labels, predictions
        `(n,)` each, of the test period.
    figures
        Of the test period.
    decision
        What was read off validation.
    """

    name: str
    colour: str
    labels: Labels
    predictions: Predictions
    figures: Figures
    decision: Decision


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes
    ----------
    title, caption
        What it shows and how to read it.
    png
        The image, base64.
    """

    title: str
    caption: str
    png: str


class Problem(Protocol):
    """A kind of label: how it is checked and told of, and which figures a leaderboard has.

    Attributes
    ----------
    kind
        Which one.
    metrics
        The leaderboard's figures, in order.
    note, terminal_note
        What the leaderboard's reader must know, in the report and in the terminal.
    label_word
        What `describe_labels` tells, such as `positives`.
    idle_lints
        Names of the lints that don't apply.
    """

    kind: ClassVar[Kind]
    metrics: ClassVar[tuple[Metric, ...]]
    note: ClassVar[str]
    terminal_note: ClassVar[str]
    label_word: ClassVar[str]
    idle_lints: ClassVar[tuple[str, ...]]

    def check_labels(self, labels: pa.ChunkedArray, place: str) -> None:
        """Raise DataError, naming the place, where a label isn't of this kind. There are no nulls."""

    def read_labels(self, labels: pa.ChunkedArray) -> Labels:
        """Checked labels as NumPy."""

    def count_labels(self, labels: Labels) -> dict[str, float]:
        """What is counted of labels, for records."""

    def describe_labels(self, labels: Labels) -> str:
        """The same for people."""

    def tell(self, figures: Figures) -> str:
        """The main figures of a model in a few words, for the progress bar."""

    def tiles(self, figures: Figures) -> list[tuple[str, str]]:
        """The best model's figures and their captions, for the head of the report."""

    def metric(self, field: str) -> Metric:
        """The metric that has this field."""
        return next(metric for metric in self.metrics if metric.field == field)


class ScoredProblem(Problem, Protocol):
    """A kind of label of which models predict one number a row, and how these numbers are measured.

    Attributes
    ----------
    importance_title
        What is lost when an input is shuffled.
    """

    importance_title: ClassVar[str]

    def check_period(self, name: str, labels: Labels) -> None:
        """Raise DataError where nothing can be learnt from a period, or measured on it."""

    def judge(self, truth: Truth) -> Judge:
        """Who measures the models of a run."""

    def losses(self) -> Loss:
        """Labels and predictions to one figure that grows as predictions get worse, for the inputs' importance."""

    def describe_decision(self, decision: Decision) -> tuple[str, str]:
        """Name and value of what was read off validation."""

    def pictures(self, models: Sequence[Shown]) -> list[Picture]:
        """Pictures of the test period, the best model first."""
