"""A manifest and a whole small artefact."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storekeeper.artefact import FORMAT_VERSION, Column, Encoder, InputColumn, Manifest, NumericColumn
from storekeeper.artefact.formulas import LinearFormula


@pytest.fixture
def manifest() -> Manifest:
    """A valid manifest of a logistic regression on one number."""
    return Manifest(
        format_version=FORMAT_VERSION,
        task="purchase",
        model="logistic",
        version=1,
        runtime="logistic",
        feature_service="purchase",
        definition_hash="d" * 64,
        dataset_hash="a" * 64,
        code_hash="c" * 64,
        inputs=(InputColumn("x", "double", "feature"),),
        entity_keys=(Column("customer_id", "int64"),),
        request_columns=(Column("price", "double"),),
        threshold=0.25,
        selection_metric="auc",
        metrics={"validation": {"auc": 0.75}, "test": {"auc": None}},
        created_at=datetime(2018, 1, 1, tzinfo=UTC),
        seed=3,
        fit_seconds=1.5,
        peak_memory_mb=100.0,
        parameters={"inverse_penalty": 1.0, "warm": True, "note": None},
        packages={"numpy": "2.0"},
    )


@pytest.fixture
def fill_logistic() -> Callable[[Path], None]:
    """Writes the encoder and weights of `sigmoid(2 x - 1)`."""

    def fill(folder: Path) -> None:
        Encoder((NumericColumn("x", "standard"),)).write(folder)
        LinearFormula((2.0,), -1.0).write(folder)

    return fill
