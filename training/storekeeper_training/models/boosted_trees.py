"""Gradient-boosted trees by XGBoost, stopped early on the later validation period."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Encoder, LeftOut
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.runtime import XGBOOST_FILE
from storekeeper_training.encode import fit_tree_encoder
from storekeeper_training.models.model import FitProgress, Fitted, Probabilities, Sample

# A tree that sees fewer inputs than this can't find how they act together.
_MIN_COLUMNS = 8
_LEAST_SHARE = 1 / 200


@dataclass(frozen=True)
class BoostedTrees:
    """XGBoost's classifier.

    Attributes
    ----------
    depth, learning_rate, row_share, column_share, min_child_weight, penalty
        XGBoost's max_depth, eta, subsample, colsample_bytree, min_child_weight and lambda. A tree sees eight columns
        at least, where there are as many. On few rows the weight is less: a two-hundredth of all that there is.
    max_trees, patience
        How many trees at most, and after how many without gain on validation it stops.
    threads
        Threads of the fit; serving uses one.
    left_out
        Inputs that it does not read: those that grow with the calendar.
    """

    depth: int = 4
    learning_rate: float = 0.03
    row_share: float = 0.8
    column_share: float = 0.2
    min_child_weight: float = 50.0
    penalty: float = 20.0
    max_trees: int = 1500
    patience: int = 50
    threads: int = 2
    left_out: tuple[str, ...] = ()

    name: ClassVar[str] = "xgboost"
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:
        """Add trees until the log loss on the validation period stops falling; keep those up to the best."""
        xgboost = import_xgboost()
        encoder = self._encoder(train, names)
        train_matrix = xgboost.QuantileDMatrix(encoder.transform(train.columns), train.labels)
        later = xgboost.QuantileDMatrix(encoder.transform(validation.columns), validation.labels, ref=train_matrix)
        booster = xgboost.train(
            self._settings(seed, len(encoder.output_names), train.labels),
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

        # What is left out is the encoder's to say.
        parameters = {name: value for name, value in asdict(self).items() if name != "left_out"} | {"trees": trees}
        return Fitted(encoder, score, "xgboost", write, parameters)

    def _encoder(self, train: Sample, names: Sequence[str]) -> Encoder:
        """Fitted on the training rows; says what was left out, and why."""
        encoder = fit_tree_encoder(train.columns, [name for name in names if name not in self.left_out], train.labels)
        reasons = tuple(LeftOut(name, "grows with the calendar") for name in names if name in self.left_out)
        return replace(encoder, left_out=(*encoder.left_out, *reasons))

    def _settings(self, seed: int, width: int, labels: npt.NDArray[np.int8]) -> dict[str, Any]:
        rate = float(labels.mean())
        # The weight of a row is its second derivative, which is at first that of the common rate.
        weight = len(labels) * rate * (1 - rate)
        return {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.learning_rate,
            "subsample": self.row_share,
            "colsample_bytree": min(1.0, max(self.column_share, _MIN_COLUMNS / width)),
            "min_child_weight": min(self.min_child_weight, _LEAST_SHARE * weight),
            "lambda": self.penalty,
            "nthread": self.threads,
            "seed": seed,
        }


def import_xgboost() -> Any:
    """XGBoost, whose idle threads sleep instead of spinning: on a busy machine that makes a fit four times faster."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xgboost

    return xgboost


def _progress_callback(progress: FitProgress, total: int) -> Any:
    """XGBoost's callback for a progress bar."""
    xgboost = import_xgboost()

    class Tell(xgboost.callback.TrainingCallback):  # type: ignore[misc, name-defined]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            loss = evals_log["validation"]["logloss"][-1]
            progress(epoch + 1, total, f"validation log loss {loss:.4f}")
            return False

    return Tell()
