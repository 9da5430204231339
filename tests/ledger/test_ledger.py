"""The ledger keeps what it is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from storekeeper.database import upgrade
from storekeeper.errors import SourceError
from storekeeper.ledger import DatasetRecord, Ledger, LoadRecord, MaterialisationRecord, ModelRunRecord

NOON = datetime(2017, 12, 25, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)

LOAD = LoadRecord("complete-journey", "f1", NOON, LATER, {"events": {"purchase": 3}})
DATASET = DatasetRecord("purchase", "d1", "s1", "f1", 1000, "data/datasets/purchase/d1", NOON)
MATERIALISATION = MaterialisationRecord("customer_activity", None, NOON, 2469, LATER)
RUN = ModelRunRecord("purchase", "xgboost", "1", "d1", "f1", {"auc": 0.75}, "data/models/purchase", NOON)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    url = f"sqlite:///{tmp_path}/shop.db"
    upgrade(url)
    return Ledger(url)


def test_an_empty_ledger_finds_nothing(ledger: Ledger) -> None:
    """What was never recorded is None, and lists are empty."""
    assert ledger.find_load("complete-journey") is None
    assert ledger.find_dataset("purchase", "d1") is None
    assert ledger.find_materialisation("customer_activity") is None
    assert ledger.find_model_run("purchase", "xgboost") is None
    assert ledger.list_loads() == ledger.list_datasets() == ledger.list_materialisations() == []
    assert ledger.list_model_runs() == []


def test_records_come_back_as_they_went_in(ledger: Ledger) -> None:
    """Every field survives, times with their microseconds and in UTC."""
    ledger.record_load(LOAD)
    ledger.record_dataset(DATASET)
    ledger.record_materialisation(MATERIALISATION)
    ledger.record_model_run(RUN)
    assert ledger.find_load("complete-journey") == LOAD
    assert ledger.find_dataset("purchase") == DATASET
    assert ledger.find_materialisation("customer_activity") == MATERIALISATION
    assert ledger.find_model_run("purchase", "xgboost", "1") == RUN


def test_times_of_other_zones_are_kept_as_utc(ledger: Ledger) -> None:
    """A record with an offset comes back as the same instant in UTC; a naive one means UTC."""
    tokyo = timezone(timedelta(hours=9))
    ledger.record_load(replace(LOAD, started_at=NOON.astimezone(tokyo), finished_at=NOON.replace(tzinfo=None)))
    found = ledger.find_load("complete-journey")
    assert found is not None
    assert (found.started_at, found.finished_at) == (NOON, NOON)
    assert found.started_at.tzinfo is UTC


def test_the_newest_load_is_found(ledger: Ledger) -> None:
    """Loads pile up: the last recorded is found, or the last of one source."""
    for fingerprint in ("f1", "f2", "f1"):
        ledger.record_load(replace(LOAD, source_fingerprint=fingerprint))
    ledger.record_load(replace(LOAD, loader="simulated", source_fingerprint="f9"))
    assert ledger.find_load("complete-journey", "f2") == replace(LOAD, source_fingerprint="f2")
    assert [load.source_fingerprint for load in ledger.list_loads()] == ["f9", "f1", "f2", "f1"]


def test_building_a_dataset_again_replaces_its_row(ledger: Ledger) -> None:
    """Task and hash are a dataset's key; others stay, newest first."""
    other = replace(DATASET, dataset_hash="d2", created_at=LATER)
    ledger.record_dataset(DATASET)
    ledger.record_dataset(other)
    ledger.record_dataset(replace(DATASET, path="moved"))
    ledger.record_dataset(replace(DATASET, task="churn"))
    assert ledger.list_datasets("purchase") == [other, replace(DATASET, path="moved")]
    assert ledger.find_dataset("purchase") == other
    assert len(ledger.list_datasets()) == 3


def test_materialisations_of_a_view_pile_up(ledger: Ledger) -> None:
    """The last recorded is found, whatever its interval."""
    second = replace(MATERIALISATION, start=NOON, end=LATER)
    for record in (MATERIALISATION, second, replace(MATERIALISATION, view="customer_profile")):
        ledger.record_materialisation(record)
    assert ledger.find_materialisation("customer_activity") == second
    assert ledger.list_materialisations("customer_activity") == [second, MATERIALISATION]
    assert len(ledger.list_materialisations()) == 3


def test_training_a_version_again_replaces_its_row(ledger: Ledger) -> None:
    """Task, model and version are a run's key; the newest version is found."""
    second = replace(RUN, version="2", created_at=LATER)
    for record in (RUN, second, replace(RUN, metrics={"auc": 0.8}), replace(RUN, task="churn")):
        ledger.record_model_run(record)
    assert ledger.find_model_run("purchase", "xgboost") == second
    assert ledger.list_model_runs("purchase") == [second, replace(RUN, metrics={"auc": 0.8})]
    assert len(ledger.list_model_runs()) == 3


def test_figures_that_json_lacks_are_kept_as_null(ledger: Ledger) -> None:
    """NaN and the infinities, which PostgreSQL's JSON refuses, become null, nested ones too."""
    ledger.record_model_run(replace(RUN, metrics={"auc": float("nan"), "slices": [{"loss": float("inf"), "n": 3}]}))
    found = ledger.find_model_run("purchase", "xgboost")
    assert found is not None
    assert found.metrics == {"auc": None, "slices": [{"loss": None, "n": 3}]}


def test_a_database_without_the_tables_is_a_clear_error(tmp_path: Path) -> None:
    """The message says how to create them; a file that isn't there is not made."""
    with pytest.raises(SourceError, match=r"there is no file .*nowhere.db.*alembic upgrade head"):
        Ledger(f"sqlite:///{tmp_path}/nowhere.db").list_loads()
    assert not (tmp_path / "nowhere.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(SourceError, match=r"no such table: ledger_loads.*alembic upgrade head"):
        Ledger(f"sqlite:///{tmp_path}/empty.db").list_loads()
