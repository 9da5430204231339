"""What a training run leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Artefact, Manifest
from storekeeper_training.dataset import Dataset
from storekeeper_training.problems import Compared, Decision
from storekeeper_training.split import Split

Predictions = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModelResult:
    """One model of the run.

    Attributes
    ----------
    artefact, manifest
        Where it lies and what it says of itself.
    validation, test
        Its figures on the two periods, an `Evaluation` of chances or a `QuantityEvaluation`, with the threshold or
        the interval that validation gave.
    probabilities
        `(n_test,) float64`, in the order of the split's test rows: what it predicts, chances or quantities.
    reused
        Whether it had been trained before and was taken as it was.
    """

    artefact: Artefact
    manifest: Manifest
    validation: Any
    test: Any
    probabilities: Predictions
    reused: bool

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.model

    @property
    def decision(self) -> Decision:
        """What was read off validation when it was trained."""
        return Decision(self.manifest.threshold, self.manifest.interval)


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A training run.

    Attributes
    ----------
    dataset, split
        What it was trained on.
    models
        Its models, the best on validation first.
    report
        The HTML report.
    comparisons
        The best model against each other one on the test period, entities drawn anew.
    allowed_lints
        Names of the lints whose errors were let pass, for the dataset or any of the models.
    """

    dataset: Dataset
    split: Split
    models: tuple[ModelResult, ...]
    report: Path
    comparisons: tuple[Compared, ...] = ()
    allowed_lints: tuple[str, ...] = ()

    @property
    def best(self) -> ModelResult:
        """The model that is best on validation; the test has no say."""
        return self.models[0]

    def as_dict(self) -> Mapping[str, Any]:
        """The run for machines: plain values only."""
        labels, problem = self.dataset.labels, self.dataset.problem
        return {
            "task": self.dataset.task.name,
            "dataset_hash": self.dataset.manifest["dataset_hash"],
            "definition_hash": self.dataset.manifest["definition_hash"],
            "split": {
                **{
                    name: {"rows": len(rows), **problem.count_labels(labels[rows])}
                    for name, rows in self.split.parts.items()
                },
                "train_end": self.split.train_end.isoformat(),
                "validation_end": self.split.validation_end.isoformat(),
                "gap_seconds": self.split.gap.total_seconds(),
                "dropped_rows": self.split.dropped,
            },
            "allowed_lints": list(self.allowed_lints),
            "best": self.best.name,
            "models": [_model_dict(model) for model in self.models],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
            "report": str(self.report),
        }


def _model_dict(model: ModelResult) -> dict[str, Any]:
    return {
        "model": model.name,
        "version": model.artefact.version,
        "path": str(model.artefact.path),
        "reused": model.reused,
        "allowed_lints": list(model.manifest.allowed_lints),
        "fit_seconds": model.manifest.fit_seconds,
        "peak_memory_mb": model.manifest.peak_memory_mb,
        "validation": model.validation.as_dict(),
        "test": model.test.as_dict(),
    }
