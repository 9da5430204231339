"""Gradient-boosted trees of quantities by XGBoost: by what a level is to be multiplied."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from storekeeper.artefact import Encoder, LeftOut
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.formulas import WeightedSum
from storekeeper.artefact.runtime import LEVEL_FILE, XGBOOST_FILE
from storekeeper.errors import DataError, listing
from storekeeper_training.encode import fit_tree_encoder
from storekeeper_training.models.boosted_trees import import_xgboost
from storekeeper_training.models.model import FitProgress, Fitted, Parameters, Predictions, Sample

# A level of 0 could not be multiplied to anything.
_LEAST_LEVEL = 0.25


@dataclass(frozen=True)
class BoostedQuantities:
    """XGBoost with a logarithmic link, whose variance is chosen on the validation period.

    Attributes
    ----------
    level
        The feature that is multiplied; None predicts quantities from 1 up.
    powers
        How the variance grows with the mean, from 1 (Poisson) up to 2: each is tried, and the one whose quantities
        have the smallest squared errors by their level on validation is kept.
    depth, learning_rate, row_share, column_share, min_child_weight, penalty
        XGBoost's max_depth, eta, subsample, colsample_bytree, min_child_weight and lambda.
    max_trees, patience
        How many trees at most, and after how many without gain on validation it stops.
    threads
        Threads of the fit; serving uses one. Weekly rows are so few that a second one waits more than it works.
    left_out
        Inputs that it does not read: those that grow with the calendar.
    """

    level: str | None = None
    powers: tuple[float, ...] = (1.0, 1.3, 1.5)
    depth: int = 4
    learning_rate: float = 0.03
    row_share: float = 0.8
    column_share: float = 0.5
    min_child_weight: float = 20.0
    penalty: float = 20.0
    max_trees: int = 1000
    patience: int = 50
    threads: int = 1
    left_out: tuple[str, ...] = ()

    name: ClassVar[str] = "xgboost"
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)
    extra: ClassVar[str] = "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:
        """Add trees until the deviance on validation stops falling, for each power; keep the best power's.

        Raises
        ------
        DataError
            If the level's feature is not in the dataset.
        """
        encoder = self._encoder(train, names)
        level = self._level(encoder)
        tried = []
        for done, power in enumerate(self.powers):
            booster = self._boost(encoder, level, train, validation, power, seed)
            later = encoder.transform(validation.columns)
            size = level(later)
            missed = size * booster.inplace_predict(later, validate_features=False) - validation.labels
            figure = float((missed**2 / size).mean())
            tried.append((figure, power, booster))
            progress(done + 1, len(self.powers), f"power {power:g}: {booster.num_boosted_rounds()} trees")
        _, power, booster = min(tried, key=lambda entry: entry[0])

        def score(matrix: Matrix) -> Predictions:
            factors = booster.inplace_predict(matrix, validate_features=False).astype(np.float64)
            return level(matrix) * np.asarray(factors, np.float64)

        def write(folder: Path) -> None:
            booster.save_model(str(folder / XGBOOST_FILE))
            level.write(folder, LEVEL_FILE)

        return Fitted(encoder, score, "xgboost-scaled", write, self._parameters(power, booster))

    def _encoder(self, train: Sample, names: Sequence[str]) -> Encoder:
        """Fitted on the training rows; says what was left out, and why."""
        encoder = fit_tree_encoder(train.columns, [name for name in names if name not in self.left_out], train.labels)
        reasons = tuple(LeftOut(name, "grows with the calendar") for name in names if name in self.left_out)
        return replace(encoder, left_out=(*encoder.left_out, *reasons))

    def _level(self, encoder: Encoder) -> WeightedSum:
        if self.level is None:
            return WeightedSum((0,), (0.0,), floor=1.0)
        if self.level not in encoder.output_names:
            raise DataError(
                f"The trees multiply the feature '{self.level}', which the dataset lacks. It has: "
                f"{listing(encoder.output_names)}. Name another level in the task, or add it to the feature service."
            )
        return WeightedSum((encoder.output_names.index(self.level),), (1.0,), _LEAST_LEVEL)

    def _boost(
        self, encoder: Encoder, level: WeightedSum, train: Sample, validation: Sample, power: float, seed: int
    ) -> Any:
        xgboost = import_xgboost()
        matrices: list[Any] = []
        for sample in (train, validation):
            matrix = encoder.transform(sample.columns)
            given: dict[str, Any] = {"ref": matrices[0]} if matrices else {}
            margin = np.log(level(matrix))
            matrices.append(xgboost.QuantileDMatrix(matrix, sample.labels, base_margin=margin, **given))
        booster = xgboost.train(
            self._settings(power, seed),
            matrices[0],
            num_boost_round=self.max_trees,
            evals=[(matrices[1], "validation")],
            early_stopping_rounds=self.patience,
            verbose_eval=False,
        )
        return booster[: booster.best_iteration + 1]

    def _settings(self, power: float, seed: int) -> dict[str, Any]:
        tweedie = {
            "objective": "reg:tweedie",
            "tweedie_variance_power": power,
            "eval_metric": f"tweedie-nloglik@{power:g}",
        }
        return {
            **({"objective": "count:poisson"} if power == 1 else tweedie),
            # Without a margin, as it is run later, the answer is the bare factor.
            "base_score": 1.0,
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

    def _parameters(self, power: float, booster: Any) -> Parameters:
        return {
            "level": self.level,
            "variance_power": power,
            "variance_powers": ", ".join(f"{value:g}" for value in self.powers),
            "chosen_by": "squared errors by level on validation",
            "depth": self.depth,
            "learning_rate": self.learning_rate,
            "row_share": self.row_share,
            "column_share": self.column_share,
            "min_child_weight": self.min_child_weight,
            "penalty": self.penalty,
            "max_trees": self.max_trees,
            "patience": self.patience,
            "threads": self.threads,
            "trees": booster.num_boosted_rounds(),
        }
