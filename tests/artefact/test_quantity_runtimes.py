"""Runtimes of quantities: what is read back is the formula."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import Encoder, Manifest, NumericColumn, load_predictor, write_artefact
from storekeeper.artefact.formulas import LogLinearFormula, WeightedSum
from storekeeper.artefact.runtime import LEVEL_FILE, XGBOOST_FILE
from storekeeper.errors import DataError, NotFoundError

Fill = Callable[[Path], None]
COLUMNS = {"x": [0.0, 2.0, None], "y": [1.0, 3.0, 5.0]}


def predict(manifest: Manifest, runtime: str, home: Path, fill: Fill) -> np.ndarray:
    """What an artefact with these files predicts."""

    def whole(folder: Path) -> None:
        Encoder((NumericColumn("x"), NumericColumn("y"))).write(folder)
        fill(folder)

    quantity = replace(manifest, runtime=runtime, kind="quantity", threshold=None)
    return load_predictor(write_artefact(home, quantity, whole).path).predict(COLUMNS)


def test_a_weighted_sum(manifest: Manifest, tmp_path: Path) -> None:
    """Null counts as 0, and nothing is below the floor."""
    found = predict(manifest, "weighted-sum", tmp_path, WeightedSum((1, 0), (0.5, -2.0), 0.25).write)
    np.testing.assert_allclose(found, [0.5, 0.25, 2.5])


def test_a_log_linear_regression(manifest: Manifest, tmp_path: Path) -> None:
    """The exponential of the sum, bounded by the greatest; its coefficients survive to the last bit."""

    def fill(folder: Path) -> None:
        Encoder((NumericColumn("x", fill=1.0, kind="standard"), NumericColumn("y"))).write(folder)
        LogLinearFormula((0.1, 1 / 3), -1.0, 2.5).write(folder)

    found = predict(manifest, "log-linear", tmp_path, fill)
    np.testing.assert_allclose(found, np.minimum(np.exp([1 / 3 - 1, 0.2, 0.1 + 5 / 3 - 1]), 2.5), rtol=1e-6)


def test_trees_multiply_a_level(manifest: Manifest, tmp_path: Path) -> None:
    """Trees that were fitted about a level give a factor of it: a level ten times as high, ten times as much."""
    import xgboost

    rng = np.random.default_rng(0)
    matrix = np.column_stack([rng.normal(size=300), rng.gamma(2, 5, 300)]).astype(np.float32)
    units = rng.poisson(matrix[:, 1] * np.exp(0.3 * matrix[:, 0]))
    settings = {"objective": "count:poisson", "base_score": 1.0, "nthread": 1}
    data = xgboost.DMatrix(matrix, units, base_margin=np.log(matrix[:, 1]))
    booster = xgboost.train(settings, data, num_boost_round=20)

    def fill(weight: float) -> Fill:
        def write(folder: Path) -> None:
            booster.save_model(folder / XGBOOST_FILE)
            WeightedSum((1,), (weight,), 0.25).write(folder, LEVEL_FILE)

        return write

    once = predict(manifest, "xgboost-scaled", tmp_path, fill(1.0))
    margin = np.log([1.0, 3.0, 5.0])
    given = np.array([[0.0, 1.0], [2.0, 3.0], [np.nan, 5.0]], np.float32)
    np.testing.assert_allclose(once, booster.predict(xgboost.DMatrix(given, base_margin=margin)), rtol=1e-5)
    np.testing.assert_allclose(predict(manifest, "xgboost-scaled", tmp_path, fill(10.0)), 10 * once)

    def without(folder: Path) -> None:
        booster.save_model(folder / XGBOOST_FILE)

    with pytest.raises(NotFoundError, match=r"No level\.json"):
        predict(manifest, "xgboost-scaled", tmp_path, without)


def test_a_sum_of_nothing_is_refused() -> None:
    """A weighted sum needs a column, and a weight for each."""
    with pytest.raises(DataError, match="as many weights as columns"):
        WeightedSum((0, 1), (1.0,))
