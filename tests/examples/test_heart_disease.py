"""`examples/heart_disease`: the medical example, from the public file to a prediction that is proven."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from example_project import LINES_AT_MOST, ask, code_lines, predict, run_example, trained
from public_data import public_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its models and online state."""
    public_data("heart_disease", "heart.parquet")
    return run_example("heart_disease", tmp_path_factory.mktemp("heart") / "heart_disease")


def test_the_heart_example_is_small() -> None:
    """All of it but the README is shorter than the promised length."""
    assert 0 < code_lines("heart_disease") < LINES_AT_MOST


def test_diagnoses_are_foretold(home: Path) -> None:
    """On the patients who came last, both models rank as well as the literature says, and better than the rule."""
    aucs = {model: trained(home, "disease", model).metrics["test"]["auc"] for model in ("rule", "logistic", "xgboost")}
    assert all(0.85 < aucs[model] < 0.96 for model in ("logistic", "xgboost")), aucs
    assert aucs["rule"] < min(aucs["logistic"], aucs["xgboost"])


def test_the_diagnosis_is_no_feature(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the lint nor the training set's columns know of it."""
    assert ask(home, capfd, "lint", "tasks.py:DISEASE").done().document["findings"] == []
    (data,) = (home / "data" / "datasets" / "disease").glob("*/data.parquet")
    columns = pq.read_schema(data).names
    assert len(columns) == 16
    assert not {"num", "diagnosis"} & set(columns)


def test_what_is_served_of_patients_is_what_was_trained_on(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Predictions come for known and unknown patients, and the audit finds no difference."""
    answer = predict(home, "disease", {"entities": {"patient_id": [1, 303, 999]}})
    assert len(answer["probabilities"]) == 3
    report = ask(home, capfd, "audit", "--views").done().document
    assert (report["vectors"], report["differing"]) == (3, 0)
    assert [(one["view"], one["differing"]) for one in report["views"]] == [("examination", 0)]
