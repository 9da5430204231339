"""`examples/bank_marketing`: the finance example, and how a call's duration is kept out of its models."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from example_project import LINES_AT_MOST, ask, code_lines, predict, run_example, trained
from public_data import public_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its models and online state."""
    public_data("bank_marketing", "bank_full.parquet")
    return run_example("bank_marketing", tmp_path_factory.mktemp("bank") / "bank_marketing")


def training_set(home: Path, task: str) -> Path:
    """The only training set of a task."""
    (data,) = (home / "data" / "datasets" / task).glob("*/data.parquet")
    return data


def test_the_bank_example_is_small() -> None:
    """All of it but the README is shorter than the promised length."""
    assert 0 < code_lines("bank_marketing") < LINES_AT_MOST


def test_calls_have_their_dates(home: Path) -> None:
    """Days run from May 2008 to November 2010 in the file's order, on week days; hours are those of an office."""
    with duckdb.connect(str(home / "data" / "behaviour.duckdb"), read_only=True) as connection:
        first, last, calls, weekend, hours = connection.execute(
            "SELECT min(event_time)::DATE::VARCHAR, max(event_time)::DATE::VARCHAR, count(DISTINCT client_id), "
            "count(*) FILTER (isodow(event_time) > 5), [min(hour(event_time)), max(hour(event_time))] FROM events"
        ).fetchall()[0]
        in_order = connection.execute("SELECT list(client_id ORDER BY event_time, client_id) FROM events").fetchall()[
            0
        ][0]
    assert (first, last, calls, hours) == ("2008-05-05", "2010-11-17", 45_211, [9, 16])
    assert in_order == list(range(1, calls + 1))
    assert weekend < 0.002 * calls


def test_duration_never_enters(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is no input of a model; where it is asked for, no row knows it, for it is known when the call is over."""
    assert ask(home, capfd, "lint", "tasks.py:SUBSCRIBE").done().document["findings"] == []
    inputs = {column.name for column in trained(home, "subscribe", "xgboost").inputs}
    assert "job_share_28d" in inputs
    assert not [name for name in inputs if "duration" in name]
    durations = pq.read_table(training_set(home, "with_duration"), columns=["duration_seconds"])
    assert durations["duration_seconds"].null_count == durations.num_rows == 45_208
    known = ask(home, capfd, "lint", "tasks.py:WITH_DURATION").done().document["findings"]
    assert [(one["lint"], one["severity"]) for one in known] == [("inclusive-edge", "warning")]


def test_a_source_without_knowledge_time_is_refused(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where a source doesn't say when it knew, duration is in every row, and the lint refuses the training set."""
    durations = pq.read_table(training_set(home, "careless"), columns=["duration_seconds"])
    assert durations["duration_seconds"].null_count == 0
    found = ask(home, capfd, "lint", "tasks.py:CARELESS")
    assert found.code == 1
    errors = {(one["lint"], one["subject"]) for one in found.document["findings"] if one["severity"] == "error"}
    assert errors == {("inclusive-edge", "careless_result"), ("back-dated-source", "careless_log")}


def test_calls_are_ranked(home: Path) -> None:
    """In the last part of the time, all models rank better than chance, and the learnt ones better than the rule."""
    aucs = {
        model: trained(home, "subscribe", model).metrics["test"]["auc"] for model in ("rule", "logistic", "xgboost")
    }
    assert aucs["rule"] < min(aucs["logistic"], aucs["xgboost"])
    assert all(0.60 < aucs[model] < 0.80 for model in ("logistic", "xgboost")), aucs


def test_what_is_served_of_clients_is_what_was_trained_on(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Predictions come for known and unknown clients, and the audit finds no difference."""
    entities = {"client_id": [1, 45_211, 99_999], "job": ["management", "student", "unknown"]}
    answer = predict(home, "subscribe", {"entities": entities, "context": {"contact": ["cellular"] * 3}})
    assert len(answer["probabilities"]) == 3
    report = ask(home, capfd, "audit").done().document
    assert (report["vectors"], report["differing"]) == (3, 0)
