"""Gradient-boosted trees by XGBoost, stopped early on the later validation period."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from storekeeper.artefact import Encoder
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.runtime import XGBOOST_FILE
from storekeeper_training.encode import fit_tree_encoder
from storekeeper_training.models.model import FitProgress, Fitted, Probabilities, Sample


@dataclass(frozen=True)
class BoostedTrees:
    """XGBoost's classifier.

    Attributes
    ----------
    depth, learning_rate, row_share, column_share, min_child_weight, penalty
        XGBoost's max_depth, eta, subsample, colsample_bytree, min_child_weight and lambda.
    max_trees, patience
        How many trees at most, and after how many without gain on validation it stops.
    categories
        How categories are encoded: `one_hot`, or `index` with splits on sets of values.
    threads
        Threads of the fit; serving uses one.
    """

    depth: int = 5
    learning_rate: float = 0.05
    row_share: float = 0.8
    column_share: float = 0.8
    min_child_weight: float = 5.0
    penalty: float = 1.0
    max_trees: int = 1500
    patience: int = 50
    categories: Literal["one_hot", "index"] = "index"
    threads: int = 2

    name: ClassVar[str] = "xgboost"
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:
        """Add trees until the log loss on the validation period stops falling; keep those up to the best."""
        import xgboost

        encoder = fit_tree_encoder(train.columns, names, self.categories)
        kinds = _feature_types(encoder)
        options: dict[str, Any] = {"feature_types": kinds, "enable_categorical": "c" in kinds}
        train_matrix = xgboost.QuantileDMatrix(encoder.transform(train.columns), train.labels, **options)
        later = xgboost.QuantileDMatrix(
            encoder.transform(validation.columns), validation.labels, ref=train_matrix, **options
        )
        booster = xgboost.train(
            self._settings(seed),
            train_matrix,
            num_boost_round=self.max_trees,
            evals=[(later, "validation")],
            early_stopping_rounds=self.patience,
            verbose_eval=False,
            callbacks=[_progress_callback(progress, self.max_trees)],
        )
        booster = booster[: booster.best_iteration + 1]
        trees = booster.num_boosted_rounds()
        progress(self.max_trees, self.max_trees, f"{trees} trees")

        def score(matrix: Matrix) -> Probabilities:
            scores: Probabilities = booster.inplace_predict(matrix, validate_features=False).astype(np.float64)
            return scores

        def write(folder: Path) -> None:
            booster.save_model(str(folder / XGBOOST_FILE))

        return Fitted(encoder, score, "xgboost", write, {**asdict(self), "trees": trees}, _gains(booster, encoder))

    def _settings(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.learning_rate,
            "subsample": self.row_share,
            "colsample_bytree": self.column_share,
            "min_child_weight": self.min_child_weight,
            "lambda": self.penalty,
            "nthread": self.threads,
            "seed": seed,
        }


def _feature_types(encoder: Encoder) -> list[str]:
    """XGBoost's type of each column of the matrix: `c` where it holds a category's number."""
    indices = {column.name for column in encoder.categorical if column.kind == "index"}
    return ["c" if name in indices else "float" for name in encoder.output_names]


def _gains(booster: Any, encoder: Encoder) -> dict[str, float]:
    """Share of the total gain by input, greatest first."""
    totals = dict.fromkeys(encoder.input_names, 0.0)
    for feature, gain in booster.get_score(importance_type="total_gain").items():
        totals[encoder.sources[int(feature.removeprefix("f"))]] += float(gain)
    whole = sum(totals.values()) or 1.0
    return {name: gain / whole for name, gain in sorted(totals.items(), key=lambda item: -item[1])}


def _progress_callback(progress: FitProgress, total: int) -> Any:
    """XGBoost's callback for a progress bar."""
    import xgboost

    class Tell(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            loss = evals_log["validation"]["logloss"][-1]
            progress(epoch + 1, total, f"validation log loss {loss:.4f}")
            return False

    return Tell()
