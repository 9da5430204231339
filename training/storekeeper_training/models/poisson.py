"""Poisson regression on standardised numbers and one-hot categories: the linear baseline of quantities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from storekeeper.artefact.formulas import LogLinearFormula
from storekeeper_training.encode import fit_standard_encoder
from storekeeper_training.models.model import FitProgress, Fitted, Parameters, Sample

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)


@dataclass(frozen=True)
class PoissonRegression:
    """L2-penalised regression of the logarithm of a quantity, its penalty chosen on the validation period.

    Attributes
    ----------
    penalties
        What scikit-learn's alpha is chosen from, descending, by the Poisson deviance on validation; of equal ones the
        strongest wins.
    """

    penalties: tuple[float, ...] = PENALTIES

    name: ClassVar[str] = "poisson"
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:  # noqa: ARG002
        """Fit by Newton's method, each penalty from where the stronger one before it ended; keep the best."""
        from sklearn.linear_model import PoissonRegressor
        from sklearn.metrics import mean_poisson_deviance

        encoder = fit_standard_encoder(train.columns, names)
        matrix = encoder.transform(train.columns).astype(np.float64)
        later = encoder.transform(validation.columns)
        # Twice what was ever sold is more than a shelf holds.
        greatest = 2.0 * float(train.labels.max())
        model = PoissonRegressor(solver="newton-cholesky", max_iter=300, warm_start=True)
        tried: list[tuple[float, float, LogLinearFormula]] = []
        for done, penalty in enumerate(self.penalties, start=1):
            model.set_params(alpha=penalty).fit(matrix, train.labels)
            formula = LogLinearFormula(tuple(map(float, model.coef_)), float(model.intercept_), greatest)
            deviance = float(mean_poisson_deviance(validation.labels, np.maximum(formula(later), 1e-9)))
            tried.append((deviance, penalty, formula))
            progress(done, len(self.penalties), f"alpha {penalty:g}: deviance {deviance:.4f} on validation")
        _, chosen, formula = min(tried, key=lambda entry: entry[0])
        parameters: Parameters = {
            "penalty": chosen,
            "penalties": ", ".join(f"{value:g}" for value in self.penalties),
            "chosen_by": "Poisson deviance on validation",
        }
        return Fitted(encoder, formula, "log-linear", formula.write, parameters)
