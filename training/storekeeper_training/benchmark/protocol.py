"""What a benchmark is: a public data set, how it is split, and which figures are held against which references."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Tell = Callable[[str], None]
"""Told in a few words what is being done."""


@dataclass(frozen=True)
class Figure:
    """One measured figure beside its reference.

    Attributes
    ----------
    model
        Whose figure it is, as the leaderboard names the model.
    metric
        Its field's name: `auc`, `average_precision`, `log_loss`, `ndcg_at_10`, `rmsse` and so on.
    value
        What was measured, on rows that no choice has seen.
    low, high
        Its 95 % bootstrap interval; None where it isn't drawn.
    reference
        The figure to be compared with; None where there is none.
    source
        Where the reference is from, or that it was measured.
    target
        What is to be reached; None for a figure that is shown only.
    better
        Whether greater or smaller values are better.
    """

    model: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    source: str = ""
    target: float | None = None
    better: Literal["greater", "smaller"] = "greater"

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.better == "greater" else self.value <= self.target


@dataclass(frozen=True)
class Outcome:
    """What a protocol's run gave.

    Attributes
    ----------
    figures
        In the order to be shown: the best model first, then the others, baselines last.
    chosen
        The model that was chosen, by validation alone.
    rows
        Rows by part: `train`, `validation`, `test`.
    seconds, peak_memory_mb
        What the whole run cost, by model where it is known.
    notes
        What a reader must know: what was tried and chosen on validation, what was left out, and why a target was
        missed.
    """

    figures: tuple[Figure, ...]
    chosen: str
    rows: Mapping[str, int]
    seconds: Mapping[str, float]
    peak_memory_mb: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """A way to measure on one public data set.

    Attributes
    ----------
    name
        What `storekeeper benchmark --only` calls it.
    task
        The behaviour that is predicted: `purchase`, `click` and so on.
    data
        The data set's folder under the folder of public data.
    files
        The files that it reads there.
    title
        One line for people.
    split
        How rows are parted, in one line.
    run
        `run(folder, seed, tell)` measures. Everything is chosen on training and validation rows.
    packages
        Optional packages that it needs.
    """

    name: str
    task: str
    data: str
    files: tuple[str, ...]
    title: str
    split: str
    run: Callable[[Path, int, Tell], Outcome]
    packages: tuple[str, ...] = field(default=())
