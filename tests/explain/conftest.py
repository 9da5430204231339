"""Artefacts of every kind, small enough to be taken apart by hand or by brute force."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explain.small_models import MANIFEST, TREE_ENCODER
from storekeeper.artefact import Encoder
from storekeeper.artefact.runtime import XGBOOST_FILE
from storekeeper.explain import Background

Write = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> Write:
    """Writes an artefact's folder: `write_model(runtime, encoder, parts..., background=...)`."""

    def write(runtime: Any, encoder: Encoder, *parts: Any, background: Background | None = None) -> Path:
        folder = tmp_path / runtime
        folder.mkdir()
        replace(MANIFEST, runtime=runtime).write(folder)
        encoder.write(folder)
        for part in parts:
            part(folder)
        if background is not None:
            background.write(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def tree_rows() -> dict[str, np.ndarray]:
    """Rows with nulls and unseen categories."""
    rng = np.random.default_rng(5)
    x, y, z = rng.normal(size=(3, 400))
    return {
        "x": np.where(rng.random(400) < 0.1, np.nan, x),
        "y": y,
        "z": z,
        "colour": rng.choice(np.array(["red", "blue", "green", "unseen", None], dtype=object), 400),
    }


@pytest.fixture(scope="session")
def booster(tree_rows: dict[str, np.ndarray]) -> Any:
    """A few deep trees, whose label depends on how inputs agree."""
    import xgboost

    matrix = TREE_ENCODER.transform(tree_rows)
    labels = (matrix[:, 1] * matrix[:, 2] + np.nan_to_num(matrix[:, 0]) + np.nan_to_num(matrix[:, 3]) > 1).astype(int)
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "eta": 0.5, "base_score": 0.3}
    return xgboost.train(parameters, xgboost.DMatrix(matrix, labels), num_boost_round=6)


@pytest.fixture
def tree_folder(write_model: Write, booster: Any) -> Path:
    """The trees as an artefact."""
    return write_model("xgboost", TREE_ENCODER, lambda folder: booster.save_model(folder / XGBOOST_FILE))
