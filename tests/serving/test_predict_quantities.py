"""Predictions of quantities over HTTP: numbers with their bounds, no decisions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storekeeper.artefact import (
    FORMAT_VERSION,
    Column,
    Encoder,
    InputColumn,
    Interval,
    Manifest,
    NumericColumn,
    write_artefact,
)
from storekeeper.artefact.formulas import WeightedSum
from storekeeper.definitions import definition_hash
from storekeeper.store import FeatureStore
from storekeeper_serving.app import create_app

INTERVAL = Interval(0.8, 0.0, (), (-2.0,), (3.0,))


def write_forecast(shop: Any, name: str, feature: str, weight: float, error: float) -> None:
    """A model of the sales task that reads one feature."""

    def fill(folder: Path) -> None:
        Encoder((NumericColumn(feature),)).write(folder)
        WeightedSum((0,), (weight,)).write(folder)

    manifest = Manifest(
        format_version=FORMAT_VERSION,
        task="sales",
        model=name,
        version=1,
        runtime="weighted-sum",
        feature_service="sales",
        definition_hash=definition_hash(FeatureStore(shop.settings.feature_repo), "sales"),
        dataset_hash="d" * 64,
        code_hash="c" * 64,
        inputs=(InputColumn(feature, "int64", "feature"),),
        entity_keys=(Column("category", "string"),),
        request_columns=(Column("request_time", "timestamp[us, tz=UTC]"),),
        threshold=None,
        selection_metric="rmsse",
        metrics={"validation": {"rmsse": error}},
        created_at=datetime(2017, 12, 25, tzinfo=UTC),
        seed=0,
        fit_seconds=0.0,
        peak_memory_mb=1.0,
        kind="quantity",
        selection_greater=False,
        interval=INTERVAL,
    )
    write_artefact(shop.settings.models_dir, manifest, fill)


@pytest.fixture
def answers(shop: Any, make_client: Any) -> dict[str, Any]:
    """What a shop with two forecasts answers, and says of itself."""
    write_forecast(shop, "seasonal-naive", "category_units_7d", 1.0, 1.0)
    write_forecast(shop, "moving-average", "category_units_28d", 0.25, 0.8)
    with make_client(create_app(shop.settings)) as client:
        body = {"entities": {"category": ["SOUP", "TEA", "GOLD"]}, "features": True}
        return {
            "default": client.post("/predict/sales", json=body).json(),
            "named": client.post("/predict/sales", json={**body, "model": "seasonal-naive"}).json(),
            "tasks": client.get("/tasks").json(),
            "health": client.get("/health").json(),
            "page": client.get("/").status_code,
        }


def test_quantities_and_their_bounds(answers: dict[str, Any]) -> None:
    """Numbers come in the order of the rows with the interval's ends, never below 0; nothing is decided."""
    answer = answers["named"]
    units = answer["features"]["category_units_7d"]
    assert answer["quantities"] == units
    assert units[0] > 0
    assert units[2] == 0
    assert answer["low"] == [max(one - 2.0, 0.0) for one in units]
    assert answer["high"] == [one + 3.0 for one in units]
    assert answer["level"] == 0.8
    assert not {"probabilities", "decisions", "threshold"} & set(answer)


def test_the_smallest_error_answers(answers: dict[str, Any]) -> None:
    """Without a name the model with the smallest validation error answers."""
    assert answers["default"]["model"] == "moving-average"
    assert answers["default"]["quantities"] == [u / 4 for u in answers["default"]["features"]["category_units_28d"]]


def test_a_task_of_quantities_is_shown(answers: dict[str, Any]) -> None:
    """The list of tasks, the health and the front page take models without a threshold."""
    (task,) = [task for task in answers["tasks"] if task["task"] == "sales"]
    assert {model["model"]: model["threshold"] for model in task["models"]} == {
        "moving-average": None,
        "seasonal-naive": None,
    }
    assert answers["health"]["status"] == "ok"
    assert answers["page"] == 200
