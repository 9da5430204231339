"""The task's rule of thumb, calibrated: one feature, one direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from storekeeper.artefact import Encoder, NumericColumn
from storekeeper.artefact.formulas import RuleFormula
from storekeeper.errors import DataError, listing
from storekeeper_training.models.model import FitProgress, Fitted, Sample
from storekeeper_training.tasks import RuleBaseline


@dataclass(frozen=True)
class Rule:
    """Isotonic regression on one feature: monotone in the declared direction, and nothing else.

    Attributes
    ----------
    baseline
        Which feature, which way.
    """

    baseline: RuleBaseline

    name: ClassVar[str] = "rule"
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:  # noqa: ARG002
        """Calibrate the rule on the training rows.

        Raises
        ------
        DataError
            If the rule's feature is not in the dataset.
        """
        from sklearn.isotonic import IsotonicRegression

        feature = self.baseline.feature
        if feature not in names:
            raise DataError(
                f"The rule reads the feature '{feature}', which the dataset lacks. It has: {listing(names)}. "
                f"Name another in the task, or add it to the feature service."
            )
        encoder = Encoder((NumericColumn(feature),))
        values = encoder.transform(train.columns)[:, 0].astype(np.float64)
        known = ~np.isnan(values)
        labels = train.labels.astype(np.float64)
        # Laplace's estimate: a corner seen on few rows never claims certainty.
        floor = 1.0 / (len(labels) + 2)
        line = IsotonicRegression(
            y_min=floor, y_max=1 - floor, increasing=self.baseline.direction == "rising", out_of_bounds="clip"
        )
        if known.any():
            line.fit(values[known], labels[known])
            corners, heights = line.X_thresholds_, line.y_thresholds_
        else:
            corners, heights = np.zeros(1), np.full(1, labels.mean())
        formula = RuleFormula(
            tuple(map(float, corners)),
            tuple(map(float, heights)),
            float((labels[~known].sum() + labels.mean()) / ((~known).sum() + 1)),
        )
        progress(1, 1, f"{len(corners)} corners")
        parameters = {"feature": feature, "direction": self.baseline.direction}
        return Fitted(encoder, formula, "rule", formula.write, parameters)
