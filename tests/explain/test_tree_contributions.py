"""Trees: contributions add up, and are the Shapley values of the trees' own expectations."""

import json
from collections.abc import Callable
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explain.small_models import TREE_ENCODER
from storekeeper.artefact import load_predictor
from storekeeper.artefact.formulas import WeightedSum, sigmoid
from storekeeper.artefact.runtime import LEVEL_FILE, XGBOOST_FILE
from storekeeper.explain import Background, load_explainer

Rows = dict[str, np.ndarray]

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
ROWS = st.lists(
    st.tuples(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["red", "blue", "green", "never met", None])),
    min_size=1,
    max_size=20,
)


@given(ROWS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contributions_add_up_whatever_the_rows(tree_folder: Path, rows: list[tuple[Any, ...]]) -> None:
    """Base and contributions are the margin of what is predicted within 1e-4, for nulls, extremes and the unseen."""
    columns = dict(zip(("x", "y", "z", "colour"), map(list, zip(*rows, strict=True)), strict=True))
    found = load_explainer(tree_folder).explain(columns)
    assert found.inputs == ("x", "y", "z", "colour")
    assert found.contributions.shape == (len(rows), 4)
    assert found.residual.max() <= 1e-4
    np.testing.assert_allclose(sigmoid(found.margin), load_predictor(tree_folder).predict(columns), atol=1e-6)
    assert (found.scale, found.method) == ("logit", "TreeSHAP")


def test_contributions_are_shapley_values(tree_folder: Path, tree_rows: Rows, booster: Any) -> None:
    """They are each input's mean effect over all orders, absent inputs followed both ways by the rows' weights."""
    trees = [json.loads(tree) for tree in booster.get_dump(dump_format="json", with_stats=True)]
    matrix = TREE_ENCODER.transform(tree_rows)[:12]
    found = load_explainer(tree_folder).explain({name: values[:12] for name, values in tree_rows.items()})
    for row, encoded in enumerate(matrix):
        value = {
            known: sum(expected(tree, encoded, known) for tree in trees)
            for size in range(5)
            for known in combinations(range(4), size)
        }
        np.testing.assert_allclose(found.contributions[row], shapley(value, 4), atol=1e-4)
        assert found.margin[row] - found.base[row] == pytest.approx(value[0, 1, 2, 3] - value[()], abs=1e-4)


def expected(node: dict[str, Any], row: np.ndarray, known: tuple[int, ...]) -> float:
    """What a tree answers in the mean where only some columns of a row are known."""
    if "leaf" in node:
        return float(node["leaf"])
    children = {child["nodeid"]: child for child in node["children"]}
    at = int(node["split"].removeprefix("f"))
    if at in known:
        value = row[at]
        goes = node["missing"] if np.isnan(value) else node["yes"] if value < node["split_condition"] else node["no"]
        return expected(children[goes], row, known)
    return sum(child["cover"] * expected(child, row, known) for child in children.values()) / node["cover"]


def shapley(value: dict[tuple[int, ...], float], n_inputs: int) -> list[float]:
    """Shapley values by their definition."""
    found = []
    for at in range(n_inputs):
        others = [other for other in range(n_inputs) if other != at]
        total = 0.0
        for size in range(n_inputs):
            weight = factorial(size) * factorial(n_inputs - size - 1) / factorial(n_inputs)
            for known in combinations(others, size):
                total += weight * (value[tuple(sorted((*known, at)))] - value[known])
        found.append(total)
    return found


def test_a_null_and_an_unseen_value_are_told_alike(tree_folder: Path) -> None:
    """A category that training never met has the contribution that a null one has."""
    columns = {"x": [0.5] * 2, "y": [1.0] * 2, "z": [1.0] * 2, "colour": [None, "never met"]}
    one, other = load_explainer(tree_folder).explain(columns).contributions
    np.testing.assert_array_equal(one, other)
    assert one[3] != 0


def test_trees_that_scale_a_level(write_model: Callable[..., Path], booster: Any, tree_rows: Rows) -> None:
    """Of a scaled level the logarithm is told: the trees' contributions, and the level's beyond its mean logarithm."""
    import xgboost

    matrix = TREE_ENCODER.transform(tree_rows)
    parameters = {"objective": "count:poisson", "max_depth": 2, "nthread": 1, "base_score": 1.0}
    trees = xgboost.train(parameters, xgboost.DMatrix(matrix, np.exp(matrix[:, 1])), num_boost_round=4)
    folder = write_model(
        "xgboost-scaled",
        TREE_ENCODER,
        lambda folder: trees.save_model(folder / XGBOOST_FILE),
        lambda folder: WeightedSum((2,), (3.0,), 0.25).write(folder, LEVEL_FILE),
        background=Background(rows=10, margin=0.7),
    )
    found = load_explainer(folder).explain(tree_rows)
    predicted = load_predictor(folder).predict(tree_rows)
    assert found.scale == "log"
    np.testing.assert_allclose(np.exp(found.margin), predicted, rtol=1e-5)
    assert found.residual.max() <= 1e-4
    alone = trees.predict(xgboost.DMatrix(matrix), pred_contribs=True)
    level = np.log(np.maximum(3.0 * matrix[:, 2], 0.25)) - 0.7
    np.testing.assert_allclose(found.contributions[:, 2], alone[:, 2] + level, atol=1e-5)
    np.testing.assert_allclose(found.contributions[:, 1], alone[:, 1], atol=1e-5)
