"""Logistic regression on standardised numbers and one-hot categories: the baseline in every leaderboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from storekeeper.artefact import Encoder
from storekeeper.artefact.formulas import LinearFormula
from storekeeper_training.encode import fit_standard_encoder
from storekeeper_training.models.model import FitProgress, Fitted, Parameters, Sample

INVERSE_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 1.0)


@dataclass(frozen=True)
class Logistic:
    """L2-penalised logistic regression, its penalty chosen on the validation period.

    Attributes
    ----------
    selection_metric
        The figure on validation by which the penalty is chosen, `auc` or `average_precision`: the task's own.
    inverse_penalties
        What scikit-learn's C is chosen from, ascending; of equal figures the strongest penalty wins.
    """

    selection_metric: str = "average_precision"
    inverse_penalties: tuple[float, ...] = INVERSE_PENALTIES

    name: ClassVar[str] = "logistic"
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:  # noqa: ARG002
        """Fit by Newton's method, each penalty from where the stronger one before it ended; keep the best."""
        from sklearn.linear_model import LogisticRegression

        encoder = fit_standard_encoder(train.columns, names)
        total = len(self.inverse_penalties)
        progress(0, total, "solving")
        matrix = encoder.transform(train.columns)
        model = LogisticRegression(solver="newton-cholesky", max_iter=100, warm_start=True)
        tried: list[tuple[float, float, LinearFormula]] = []
        for done, inverse_penalty in enumerate(self.inverse_penalties, start=1):
            model.set_params(C=inverse_penalty).fit(matrix, train.labels)
            formula = LinearFormula(tuple(map(float, model.coef_[0])), float(model.intercept_[0]))
            figure = self._figure(formula, encoder, validation)
            tried.append((figure, inverse_penalty, formula))
            progress(done, total, f"C {inverse_penalty:g}: {figure:.4f} on validation")
        _, chosen, formula = max(tried, key=lambda entry: entry[0])
        parameters: Parameters = {
            "inverse_penalty": chosen,
            "inverse_penalties": ", ".join(f"{value:g}" for value in self.inverse_penalties),
            "chosen_by": f"{self.selection_metric} on validation",
        }
        return Fitted(encoder, formula, "logistic", formula.write, parameters)

    def _figure(self, formula: LinearFormula, encoder: Encoder, validation: Sample) -> float:
        from sklearn import metrics

        score = metrics.roc_auc_score if self.selection_metric == "auc" else metrics.average_precision_score
        return float(score(validation.labels, formula(encoder.transform(validation.columns))))
