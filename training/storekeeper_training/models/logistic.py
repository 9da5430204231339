"""Logistic regression on standardised numbers and one-hot categories: the baseline in every leaderboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from storekeeper.artefact.formulas import LinearFormula
from storekeeper_training.encode import fit_standard_encoder
from storekeeper_training.models.model import FitProgress, Fitted, Sample


@dataclass(frozen=True)
class Logistic:
    """L2-penalised logistic regression.

    Attributes
    ----------
    inverse_penalty
        scikit-learn's C.
    """

    inverse_penalty: float = 1.0

    name: ClassVar[str] = "logistic"
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:  # noqa: ARG002
        """Fit by Newton's method, which for many rows and few hundred columns takes a handful of steps."""
        from sklearn.linear_model import LogisticRegression

        encoder = fit_standard_encoder(train.columns, names)
        progress(0, 1, "solving")
        model = LogisticRegression(C=self.inverse_penalty, solver="newton-cholesky", max_iter=100)
        model.fit(encoder.transform(train.columns), train.labels)
        progress(1, 1, f"{int(model.n_iter_[0])} steps")
        formula = LinearFormula(tuple(map(float, model.coef_[0])), float(model.intercept_[0]))
        return Fitted(encoder, formula, "logistic", formula.write, {"inverse_penalty": self.inverse_penalty})
