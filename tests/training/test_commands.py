"""`storekeeper train` and `evaluate`: which data they use, what they record."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from command_line import Outcome, run_here
from storekeeper.artefact import list_artefacts
from storekeeper.ledger import Ledger
from storekeeper.settings import Settings


@pytest.fixture
def home(ready_home: Path, tmp_path: Path) -> Path:
    """A shop with a dataset and three models; the test's own."""
    shutil.copytree(ready_home, tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def call(home: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command on it."""

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            code = run_here(home, arguments, patch)
        return Outcome(code, *capfd.readouterr())

    return run


def test_a_trained_model_is_recorded(home: Path, call: Any) -> None:
    """The ledger holds each model with its figures and where it lies; what was kept is not recorded again."""
    document = call("train", "purchase", "--model", "rule", "--seed", "3", "--json").done().document
    call("train", "purchase", "--model", "rule", "--seed", "3", "--json").done()
    runs = Ledger(Settings.load(home).database_url).list_model_runs("purchase")
    assert sorted((run.model, run.version) for run in runs) == [
        ("logistic", "1"),
        ("rule", "1"),
        ("rule", "2"),
        ("xgboost", "1"),
    ]
    (found,) = [run for run in runs if run.version == "2"]
    assert found.metrics["test"] == document["models"][0]["test"]
    assert (home / found.path / "manifest.json").is_file()
    assert found.dataset_hash == document["dataset_hash"]


def test_the_training_set_in_use(home: Path, call: Any) -> None:
    """Models are trained and evaluated on the set that was built or confirmed last."""
    first = call("dataset", "build", "purchase", "--json").done().document
    whole = (home / "data" / "behaviour.duckdb").read_bytes()
    with duckdb.connect(str(home / "data" / "behaviour.duckdb")) as connection:
        connection.execute("DELETE FROM events WHERE customer_id = 1")
    second = call("dataset", "build", "purchase", "--json").done().document
    refused = call("evaluate", "purchase")
    assert refused.code == 2
    assert "storekeeper train purchase" in refused.err
    trained = call("train", "purchase", "--model", "rule", "--json").done().document
    assert trained["dataset_hash"] == second["dataset_hash"] != first["dataset_hash"]
    (home / "data" / "behaviour.duckdb").write_bytes(whole)
    assert call("dataset", "build", "purchase", "--json").done().document["reused"]
    assert call("evaluate", "purchase", "--json").done().document["dataset_hash"] == first["dataset_hash"]


def test_evaluate_writes_no_model(home: Path, call: Any) -> None:
    """Evaluation trains nothing, and draws no second report of the same models."""
    before = list_artefacts(home / "data" / "models"), sorted((home / "data" / "reports").iterdir())
    call("evaluate", "purchase").done()
    assert (list_artefacts(home / "data" / "models"), sorted((home / "data" / "reports").iterdir())) == before


def test_progress_goes_to_stderr(call: Any) -> None:
    """With --json nothing but the document is printed; without, progress is on stderr and results on stdout."""
    quiet = call("train", "purchase", "--model", "rule", "--seed", "4", "--json").done()
    told = call("train", "purchase", "--model", "rule", "--seed", "5").done()
    assert quiet.err == ""
    assert json.loads(quiet.out)["best"] == "rule"
    assert "on validation" in told.err
    assert "Report: " in told.out
    assert "rule v3" in told.out


def test_a_damaged_dataset(home: Path, call: Any) -> None:
    """A dataset that can't be read is an error with exit code 2; no model is written."""
    (data,) = (home / "data" / "datasets").glob("*/*/data.parquet")
    data.write_bytes(data.read_bytes()[:1000])
    before = list_artefacts(home / "data" / "models")
    outcome = call("train", "purchase", "--model", "rule", "--force")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.lstrip().startswith("Error: ")
    assert str(data.parent) in outcome.err
    assert list_artefacts(home / "data" / "models") == before
