"""Training end to end on a small dataset: the fast models."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from storekeeper.artefact import best_artefact, list_artefacts, load_predictor
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, UsageError
from storekeeper_training import models as models_room
from storekeeper_training import run as run_module
from storekeeper_training.evaluate import best_threshold, evaluate
from storekeeper_training.leaderboard import comparison_line, leaderboard_table
from storekeeper_training.models import BoostedTrees, Logistic, Sample, find_models
from storekeeper_training.result import TrainResult
from storekeeper_training.tasks import RuleBaseline, Task
from storekeeper_training.train import train

FAST = ("rule", "logistic", "xgboost")


@pytest.fixture(scope="module")
def run(small_task: Task, dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One run of the fast models."""
    root = tmp_path_factory.mktemp("run")
    return train(small_task, dataset_folder, root / "models", root / "reports", FAST, seed=1)


def models_dir_of(run: TrainResult) -> Path:
    return run.best.artefact.path.parents[2]


def test_trees_beat_the_baselines(run: TrainResult) -> None:
    """Where the signal is an interaction, XGBoost beats logistic regression and the rule on the test period."""
    auc = {model.name: model.test.auc for model in run.models}
    assert auc["xgboost"] > auc["logistic"] + 0.02 > auc["rule"]
    assert run.best.name == "xgboost"
    assert best_artefact(models_dir_of(run), "purchase") == run.best.artefact


@pytest.mark.parametrize("name", FAST)
def test_runtime_equals_trained(run: TrainResult, name: str) -> None:
    """A model read from disk predicts on the test rows what the trained one did, within 1e-5."""
    model = next(model for model in run.models if model.name == name)
    predictor = load_predictor(model.artefact.path)
    columns = run.dataset.columns(run.split.test)
    np.testing.assert_allclose(predictor.predict(columns), model.probabilities, rtol=0, atol=1e-5)
    one = {column: values.slice(3, 1) for column, values in columns.items()}
    np.testing.assert_allclose(predictor.predict(one), model.probabilities[3:4], rtol=0, atol=1e-5)


def test_manifest_names_what_it_reads(run: TrainResult) -> None:
    """Inputs on record are those that the model reads, no more, and the periods' figures are there."""
    for model in run.models:
        predictor = load_predictor(model.artefact.path)
        names = {column.name for column in predictor.manifest.inputs}
        assert names == set(predictor.encoder.input_names)
        assert not names & {"last_categories", "dead", "customer_id", "label"}
        assert predictor.manifest.metrics["test"]["auc"] == model.test.auc
        assert predictor.manifest.threshold == model.validation.threshold == model.test.threshold
        assert predictor.manifest.fit_seconds >= 0
        assert predictor.manifest.peak_memory_mb > 10


def test_threshold_is_chosen_on_validation_alone(
    small_task: Task, dataset_table: pa.Table, make_dataset: Callable[..., Path], tmp_path: Path, run: TrainResult
) -> None:
    """Other labels in the test period change the test's figures and nothing else: no model, no threshold."""
    labels = run.dataset.labels.astype(np.int64)
    labels[run.split.test] = 1 - labels[run.split.test]
    at = dataset_table.column_names.index("label")
    folder = make_dataset(tmp_path / "set", dataset_table.set_column(at, "label", pa.array(labels)))
    other = train(small_task, folder, tmp_path / "models", tmp_path / "reports", FAST, seed=1)
    for before, after in zip(run.models, other.models, strict=True):
        assert (after.name, after.validation) == (before.name, before.validation)
        np.testing.assert_array_equal(after.probabilities, before.probabilities)
        assert after.test.auc == pytest.approx(1 - before.test.auc)
    model = run.best
    columns = run.dataset.columns(run.split.validation)
    predicted = load_predictor(model.artefact.path).predict(columns)
    chosen = best_threshold(run.dataset.labels[run.split.validation], predicted)
    assert model.manifest.threshold == pytest.approx(chosen, abs=1e-6)


def test_second_run_keeps_the_first(run: TrainResult, small_task: Task, dataset_folder: Path) -> None:
    """The same data, code and seed train nothing again, and end with the same figures and the same report."""
    models_dir = models_dir_of(run)
    before = list_artefacts(models_dir)
    stages: list[str] = []
    again = train(
        small_task,
        dataset_folder,
        models_dir,
        run.report.parent,
        FAST,
        seed=1,
        progress=lambda *told: stages.append(told[0]),
    )
    assert all(model.reused for model in again.models)
    assert list_artefacts(models_dir) == before
    assert [(m.name, m.test) for m in again.models] == [(m.name, m.test) for m in run.models]
    assert again.report == run.report
    assert "report" not in stages


def test_same_seed_same_model(run: TrainResult, small_task: Task, dataset_folder: Path, tmp_path: Path) -> None:
    """Trained again from scratch with the same seed, the weights are the same to the byte."""
    other = train(small_task, dataset_folder, tmp_path / "models", tmp_path / "reports", FAST, seed=1, reuse=False)
    for before, after in zip(run.models, other.models, strict=True):
        for name in {path.name for path in before.artefact.path.iterdir()} - {"manifest.json", "contents.json"}:
            assert (before.artefact.path / name).read_bytes() == (after.artefact.path / name).read_bytes()


def test_changes_train_again(
    small_task: Task, dataset_table: pa.Table, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """Another dataset, definition, seed or rule, and an order to, each train anew."""
    folder = make_dataset(tmp_path / "set", dataset_table)

    def version(task: Task = small_task, seed: int = 0, reuse: bool = True) -> int:
        reports = tmp_path / "reports"
        result = train(task, folder, tmp_path / "models", reports, ["rule"], seed=seed, reuse=reuse)
        return result.best.artefact.version

    assert [version(), version()] == [1, 1]
    assert version(seed=5) == 2
    assert version(replace(small_task, rule=RuleBaseline("seconds_since_last", "falling"))) == 3
    assert version(reuse=False) == 4
    make_dataset(tmp_path / "set", dataset_table, dataset_hash="z" * 64)
    assert version() == 5
    make_dataset(tmp_path / "set", dataset_table, dataset_hash="z" * 64, definition_hash="y" * 64)
    assert version() == 6


def test_report_is_one_whole_page(run: TrainResult) -> None:
    """The report holds every model and picture, and reaches for nothing outside itself."""
    page = run.report.read_text(encoding="utf-8")
    for model in run.models:
        assert model.name in page
        assert f"{model.test.auc:.4f}" in page
    assert page.count("data:image/png;base64,") == 11
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "12" in page
    assert [path.name for path in run.report.parent.iterdir()] == [run.report.name]


def test_report_escapes_what_it_shows(small_task: Task, dataset_folder: Path, tmp_path: Path) -> None:
    """Text from a declaration can't become markup."""
    task = replace(small_task, title="<script>alert(1)</script>")
    page = train(task, dataset_folder, tmp_path / "models", tmp_path / "reports", ["rule"]).report.read_text("utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_leaderboard_and_json_show_all_models(run: TrainResult) -> None:
    """The terminal's table and the machine's record hold every model with its test figures."""
    terminal = StringIO()
    Console(width=200, file=terminal).print(leaderboard_table(run))
    record = json.loads(json.dumps(run.as_dict()))
    assert record["best"] == "xgboost"
    assert record["split"]["dropped_rows"] == run.split.dropped
    for model, entry in zip(run.models, record["models"], strict=True):
        assert f"{model.test.auc:.4f}" in terminal.getvalue()
        assert entry["test"]["auc"] == model.test.auc


def test_the_best_model_is_held_against_each_other(run: TrainResult) -> None:
    """Differences on the test period are in the result, the JSON, the report and under the leaderboard."""
    assert [found.other for found in run.comparisons] == [model.name for model in run.models[1:]]
    page = run.report.read_text(encoding="utf-8")
    for found, model, entry in zip(run.comparisons, run.models[1:], run.as_dict()["comparisons"], strict=True):
        assert found.auc.difference == pytest.approx(run.best.test.auc - model.test.auc)
        difference = run.best.test.average_precision - model.test.average_precision
        assert found.average_precision.difference == pytest.approx(difference)
        assert entry["auc"]["low"] == found.auc.low < found.auc.high
        assert f"xgboost - {model.name}" in page
    first = run.comparisons[0]
    assert f"AUC {first.auc.difference:+.4f} [{first.auc.low:+.4f}, {first.auc.high:+.4f}]" in comparison_line(run)
    assert "200 draws of customer_id" in comparison_line(run)


def test_one_model_has_nothing_to_be_held_against(small_task: Task, dataset_folder: Path, tmp_path: Path) -> None:
    """A model alone is trained and reported without a comparison."""
    alone = train(small_task, dataset_folder, tmp_path / "models", tmp_path / "reports", ["rule"])
    assert (alone.comparisons, comparison_line(alone)) == ((), "")


@pytest.mark.parametrize("metric", ["auc", "average_precision"])
def test_the_logistic_penalty_is_chosen_on_validation(run: TrainResult, metric: Literal["auc"]) -> None:
    """Of the grid, the penalty is kept whose model alone has the best figure on validation; it is on record."""
    samples = {
        name: Sample(run.dataset.columns(rows), run.dataset.labels[rows]) for name, rows in run.split.parts.items()
    }
    names = [column.name for column in run.dataset.inputs]

    def figure(*penalties: float) -> tuple[float, float]:
        model = Logistic(metric, penalties)
        fitted = model.fit(samples["train"], samples["validation"], names, 0, lambda *_: None)
        later = fitted.predict(samples["validation"].columns)
        found = evaluate(samples["validation"].labels, later, 0.5).as_dict()[metric]
        return found, float(fitted.parameters["inverse_penalty"] or 0)

    alone = dict(figure(penalty) for penalty in (1e-5, 0.01, 1.0))
    chosen, penalty = figure(1e-5, 0.01, 1.0)
    assert chosen == pytest.approx(max(alone), abs=1e-4)
    assert penalty == alone[max(alone)]
    recorded = {model.name: model.manifest.parameters for model in run.models}["logistic"]
    assert recorded["chosen_by"] == "average_precision on validation"


def test_a_model_that_reads_back_otherwise_is_not_kept(
    small_task: Task, dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a saved model predicts otherwise than the trained one, training fails and keeps nothing."""
    monkeypatch.setattr(run_module, "TOLERANCE", -1.0)
    with pytest.raises(CheckFailedError, match="differs from the trained one"):
        train(small_task, dataset_folder, tmp_path / "models", tmp_path / "reports", ["rule"])
    assert list_artefacts(tmp_path / "models") == ()
    assert not (tmp_path / "reports").exists()


def test_wrong_requests_write_nothing(
    small_task: Task,
    dataset_table: pa.Table,
    dataset_folder: Path,
    make_dataset: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """An unknown model, a rule without its feature and a dataset of one class are errors that leave no file."""
    out = tmp_path / "models"
    with pytest.raises(NotFoundError, match=r"no model 'oracle'. Models: 'blend', 'dnn', 'dnn-reference'"):
        train(small_task, dataset_folder, out, tmp_path / "reports", ["rule", "oracle"])
    astray = replace(small_task, rule=RuleBaseline("moon_phase", "rising"))
    with pytest.raises(DataError, match=r"'moon_phase', which the dataset lacks"):
        train(astray, dataset_folder, out, tmp_path / "reports", ["rule"])
    at = dataset_table.column_names.index("label")
    zeros = pa.array(np.zeros(dataset_table.num_rows, np.int64))
    folder = make_dataset(tmp_path / "set", dataset_table.set_column(at, "label", zeros))
    with pytest.raises(DataError, match="all with label 0"):
        train(small_task, folder, out, tmp_path / "reports", ["rule"])
    assert list_artefacts(out) == ()


def test_a_missing_package_names_the_extra(small_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose package is not installed is an error that says which extra brings it."""

    def absent(name: str) -> str:
        raise models_room.PackageNotFoundError(name)

    monkeypatch.setattr(models_room, "version", absent)
    with pytest.raises(UsageError, match=r"'dnn-reference' needs the package 'keras'.*storekeeper\[tensorflow\]"):
        find_models(small_task, ["dnn-reference"])


def test_trees_stop_early(run: TrainResult) -> None:
    """XGBoost keeps the trees up to its best validation loss, fewer than allowed, and reports its progress."""
    samples = {
        name: Sample(run.dataset.columns(rows), run.dataset.labels[rows]) for name, rows in run.split.parts.items()
    }
    told: list[int] = []
    fitted = BoostedTrees(max_trees=400, patience=5).fit(
        samples["train"],
        samples["validation"],
        ["baskets_28d"],
        0,
        lambda *step: told.append(step[0]),
    )
    assert 0 < int(fitted.parameters["trees"] or 0) < 400
    assert told == sorted(told)


def test_trees_leave_calendar_features_out(small_task: Task, dataset_folder: Path, tmp_path: Path) -> None:
    """What a task says grows with the calendar is no input of the trees, on record with the reason; others read it."""
    task = replace(small_task, calendar_features=("seconds_since_last",))
    models = ("logistic", "xgboost")
    trained = train(task, dataset_folder, tmp_path / "models", tmp_path / "reports", models)
    encoders = {model.name: load_predictor(model.artefact.path).encoder for model in trained.models}
    assert "seconds_since_last" not in encoders["xgboost"].input_names
    assert "seconds_since_last" in encoders["logistic"].input_names
    told = {column.name: column.reason for column in encoders["xgboost"].left_out}
    assert told["seconds_since_last"] == "grows with the calendar"
