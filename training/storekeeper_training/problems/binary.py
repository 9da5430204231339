"""Chances: labels 0 and 1, predictions between them, and a threshold from which on the answer is yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper_training.bootstrap import PairedBootstrap
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
from storekeeper_training.tasks import Kind

_METRICS = (
    Metric("AUC", "auc", inf, "AUC"),
    Metric("AP", "average_precision", inf, "AP"),
    Metric("log loss", "log_loss", -inf, "loss"),
    Metric("Brier", "brier", -inf),
    Metric("ECE", "calibration_error", -inf, "ECE"),
    Metric("accuracy", "accuracy", inf, "acc"),
    Metric("precision", "precision", inf, "prec"),
    Metric("recall", "recall", inf, "rec"),
    Metric("F1", "f1", inf, "F1"),
)


@dataclass(frozen=True)
class BinaryProblem(ScoredProblem):
    """Whether something happens."""

    kind: ClassVar[Kind] = "binary"
    metrics: ClassVar[tuple[Metric, ...]] = _METRICS
    note: ClassVar[str] = (
        "Models stand in the order of validation; the answer is yes from the threshold on at which F1 is greatest on "
        "validation. AP: average precision. ECE: expected calibration error."
    )
    terminal_note: ClassVar[str] = "Accuracy to F1 at a threshold chosen on validation."
    label_word: ClassVar[str] = "positives"
    importance_title: ClassVar[str] = "AUC lost"
    idle_lints: ClassVar[tuple[str, ...]] = ()

    def check_labels(self, labels: pa.ChunkedArray, place: str) -> None:
        """Labels are 0 or 1."""
        if stray := set(labels.unique().to_pylist()) - {0, 1}:
            raise DataError(f"Labels in '{place}' must be 0 or 1. Found also: {sorted(map(str, stray))}.")

    def read_labels(self, labels: pa.ChunkedArray) -> Labels:
        """`(n,) int8`."""
        return np.asarray(labels.to_numpy()).astype(np.int8)

    def check_period(self, name: str, labels: Labels) -> None:
        """A period has both classes."""
        if labels.min() == labels.max():
            raise DataError(
                f"The {name} period has {len(labels)} rows, all with label {labels[0]}. "
                f"Both classes are needed: build a larger or longer dataset."
            )

    def count_labels(self, labels: Labels) -> dict[str, float]:
        """How many labels are 1."""
        return {"positives": int(labels.sum(dtype=np.int64))}

    def describe_labels(self, labels: Labels) -> str:
        """The share of labels that are 1."""
        return f"{labels.mean():.2%}"

    def tell(self, figures: Figures) -> str:
        """AUC and average precision."""
        found = figures.as_dict()
        return f"AUC {found['auc']:.4f}, AP {found['average_precision']:.4f}"

    def judge(self, truth: Truth) -> Judge:
        """One that knows the labels."""
        return BinaryJudge(truth)

    def losses(self) -> Loss:
        """AUC, turned."""
        from sklearn.metrics import roc_auc_score

        return lambda labels, predictions: -float(roc_auc_score(labels, predictions))

    def tiles(self, figures: Figures) -> list[tuple[str, str]]:
        """AUC, average precision, lift."""
        found = figures.as_dict()
        chance = found["positives"] / found["rows"]
        lift = found["precision"] * found["rows"] / found["positives"]
        return [
            (f"{found['auc']:.4f}", "AUC on the test period"),
            (f"{found['average_precision']:.4f}", f"average precision; chance is {chance:.4f}"),
            (f"{lift:.1f}×", "as many positives among its yeses as by chance"),
        ]

    def describe_decision(self, decision: Decision) -> tuple[str, str]:
        """The threshold."""
        return "threshold", f"{decision.threshold:.4f}"

    def pictures(self, models: Sequence[Shown]) -> list[Picture]:
        """ROC, precision and recall, calibration, and how the best model's scores are spread."""
        from storekeeper_training.problems.binary_pictures import draw_chances

        return draw_chances(models)


@dataclass(frozen=True, eq=False)
class BinaryJudge:
    """Measures chances against labels."""

    truth: Truth

    def decide(self, predictions: Predictions) -> Decision:
        """The threshold at which F1 is greatest on validation."""
        from storekeeper_training.evaluate import best_threshold

        return Decision(threshold=best_threshold(self.truth.labels["validation"], predictions))

    def evaluate(self, period: str, predictions: Predictions, decision: Decision) -> Any:
        """An `Evaluation` at the decision's threshold."""
        from storekeeper_training.evaluate import evaluate

        if decision.threshold is None:
            raise DataError("Chances are evaluated at a threshold, and this model has none. Train it again.")
        return evaluate(self.truth.labels[period], predictions, decision.threshold)

    def compare(
        self, best: tuple[str, Predictions], others: Sequence[tuple[str, Predictions]], seed: int
    ) -> tuple[Compared, ...]:
        """Differences of AUC and of average precision."""
        bootstrap = PairedBootstrap(self.truth.labels["test"], self.truth.drawn, seed)
        return tuple(bootstrap.compare(best, list(others)))
