"""Quantities: labels are numbers of units from 0 on, predictions too, with an interval beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError
from storekeeper_training.problems.conformal import LEVEL, conformal_interval
from storekeeper_training.problems.problem import (
    Compared,
    Decision,
    Figures,
    Judge,
    Labels,
    Loss,
    Metric,
    Picture,
    Predictions,
    ScoredProblem,
    Shown,
    Truth,
)
from storekeeper_training.problems.quantity_comparison import QuantityBootstrap
from storekeeper_training.problems.quantity_figures import QuantityEvaluation, evaluate_quantities
from storekeeper_training.problems.scales import SeriesScales, series_scales
from storekeeper_training.tasks import Kind

_METRICS = (
    Metric("RMSSE", "rmsse", -inf, "RMSSE"),
    Metric("MASE", "mase", -inf, "MASE"),
    Metric("WAPE", "wape", -inf, "WAPE"),
    Metric("bias", "bias", 0.0, "bias"),
    Metric("RMSE", "rmse", -inf),
    Metric("MAE", "mae", -inf),
    Metric("coverage", "coverage", LEVEL, "cover"),
    Metric("width", "width", -inf, "width"),
)


@dataclass(frozen=True)
class QuantityProblem(ScoredProblem):
    """How many units."""

    kind: ClassVar[Kind] = "quantity"
    metrics: ClassVar[tuple[Metric, ...]] = _METRICS
    note: ClassVar[str] = (
        "Models stand in the order of validation. RMSSE and MASE: each series' error by what its value of one horizon "
        "before missed in training, averaged over series; below 1 is better than that. WAPE, bias and width: by all "
        f"units sold. Coverage: the share of what was sold that lies within the {LEVEL:.0%} interval, whose width was "
        "learnt on validation."
    )
    terminal_note: ClassVar[str] = f"Coverage and width of the {LEVEL:.0%} interval learnt on validation."
    label_word: ClassVar[str] = "mean units"
    importance_title: ClassVar[str] = "WAPE gained"
    # Last week's sales tell a great part of next week's, as they should.
    idle_lints: ClassVar[tuple[str, ...]] = ("implausible-feature",)

    def check_labels(self, labels: pa.ChunkedArray, place: str) -> None:
        """Labels are finite numbers from 0 on."""
        if not (pa.types.is_floating(labels.type) or pa.types.is_integer(labels.type)):
            raise DataError(f"Labels in '{place}' must be numbers. Found: {labels.type}.")
        numbers = labels.cast(pa.float64())
        stray = pc.sum(pc.or_(pc.less(numbers, 0.0), pc.invert(pc.is_finite(numbers)))).as_py()
        if stray:
            raise DataError(f"Labels in '{place}' must be finite numbers from 0 on. {stray:,} rows are not.")

    def read_labels(self, labels: pa.ChunkedArray) -> Labels:
        """`(n,) float64`."""
        return np.asarray(labels.cast(pa.float64()).to_numpy())

    def check_period(self, name: str, labels: Labels) -> None:
        """A period has more than one quantity."""
        if labels.min() == labels.max():
            raise DataError(
                f"The {name} period has {len(labels)} rows, all with label {labels[0]:g}. "
                f"Quantities that differ are needed: build a larger or longer dataset."
            )

    def count_labels(self, labels: Labels) -> dict[str, float]:
        """The sum of the labels."""
        return {"units": float(labels.sum())}

    def describe_labels(self, labels: Labels) -> str:
        """The mean of the labels."""
        return f"{labels.mean():,.2f}"

    def tell(self, figures: Figures) -> str:
        """RMSSE and WAPE."""
        found = figures.as_dict()
        return f"RMSSE {found['rmsse']:.4f}, WAPE {found['wape']:.4f}"

    def judge(self, truth: Truth) -> Judge:
        """One that knows each series' scale."""
        return QuantityJudge(truth)

    def losses(self) -> Loss:
        """WAPE."""
        return lambda labels, predictions: float(np.abs(predictions - labels).sum() / max(labels.sum(), 1e-12))

    def tiles(self, figures: Figures) -> list[tuple[str, str]]:
        """RMSSE, WAPE, coverage."""
        found = figures.as_dict()
        return [
            (f"{found['rmsse']:.4f}", "RMSSE on the test period"),
            (f"{found['wape']:.1%}", f"of all units missed (WAPE); bias {found['bias']:+.1%}"),
            (f"{found['coverage']:.1%}", f"of what was sold within the {LEVEL:.0%} interval"),
        ]

    def describe_decision(self, decision: Decision) -> tuple[str, str]:
        """The interval's level and how its width grows."""
        interval = decision.interval
        if interval is None:
            return "interval", "none"
        return "interval", f"{interval.level:.0%}, {len(interval.low)} groups"

    def pictures(self, models: Sequence[Shown]) -> list[Picture]:
        """Predicted and sold units, errors, and where the interval held."""
        from storekeeper_training.problems.quantity_pictures import draw_quantities

        return draw_quantities(models)


@dataclass(frozen=True, eq=False)
class QuantityJudge:
    """Measures quantities against what was sold, each series by its own scale."""

    truth: Truth

    @cached_property
    def scales(self) -> SeriesScales:
        """Of all series, from the training period alone."""
        truth = self.truth
        count = 1 + max(int(codes.max()) for codes in truth.series.values())
        return series_scales(truth.labels["train"], truth.times["train"], truth.series["train"], truth.horizon, count)

    def decide(self, predictions: Predictions) -> Decision:
        """The interval that validation's residuals give."""
        return Decision(interval=conformal_interval(self.truth.labels["validation"], predictions))

    def evaluate(self, period: str, predictions: Predictions, decision: Decision) -> QuantityEvaluation:
        """All figures, with the decision's interval."""
        if decision.interval is None:
            raise DataError("Quantities are evaluated with an interval, and this model has none. Train it again.")
        labels, series = self.truth.labels[period], self.truth.series[period]
        return evaluate_quantities(labels, predictions, series, self.scales, decision.interval)

    def compare(
        self, best: tuple[str, Predictions], others: Sequence[tuple[str, Predictions]], seed: int
    ) -> tuple[Compared, ...]:
        """Differences of RMSSE and of WAPE."""
        truth = self.truth
        bootstrap = QuantityBootstrap(truth.labels["test"], truth.series["test"], truth.drawn, self.scales, seed)
        return tuple(bootstrap.compare(best, others))
