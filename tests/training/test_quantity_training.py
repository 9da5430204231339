"""Training of quantities end to end on a small dataset whose series rise and fall together with their inputs."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from storekeeper.artefact import best_artefact, load_predictor
from storekeeper.errors import DataError, NotFoundError, UsageError
from storekeeper_training.build import _counted
from storekeeper_training.dataset import read_dataset
from storekeeper_training.leaderboard import comparison_line, leaderboard_table
from storekeeper_training.lint import Evidence, run_lints
from storekeeper_training.models import default_models
from storekeeper_training.result import TrainResult
from storekeeper_training.tasks import SALES, Forecast, Task
from storekeeper_training.train import evaluate_trained, train

NAMES = ("seasonal-naive", "moving-average", "poisson", "xgboost")
TASK = replace(
    SALES,
    forecasts=(Forecast("seasonal-naive", "units_7d"), Forecast("moving-average", "units_28d", 0.25)),
    level="usual",
)


def sales_table(n_series: int = 40, n_weeks: int = 40, seed: int = 0) -> pa.Table:
    """Weekly rows of series of all sizes: a level, a pull back to it, and a promotion that only an input tells."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(2.5, 1.2, n_series)
    promoted = rng.random((n_weeks + 5, n_series)) < 0.2
    units = rng.poisson(level * np.where(promoted, 2.0, 1.0)).astype(np.float64)
    weeks = np.arange(4, n_weeks + 4)
    at, who = (part.ravel() for part in np.meshgrid(weeks, np.arange(n_series), indexing="ij"))
    month = np.stack([units[at - back, who] for back in (1, 2, 3, 4)])
    columns = {
        "category": [f"c{one}" for one in who],
        "event_timestamp": np.datetime64("2017-04-03", "us") + at * np.timedelta64(7, "D"),
        "request_time": np.datetime64("2017-04-03", "us") + at * np.timedelta64(7, "D"),
        "label": units[at, who],
        "units_7d": month[0].astype(np.int64),
        "units_28d": month.sum(axis=0).astype(np.int64),
        "usual": month.mean(axis=0),
        "share_week_1": month[0] / np.maximum(month.mean(axis=0), 0.25),
        "promoted": promoted[at, who].astype(np.int64),
        "note": np.where(rng.random(len(at)) < 0.1, np.nan, rng.random(len(at))),
    }
    instant = pa.timestamp("us", tz="UTC")
    types = {"event_timestamp": instant, "request_time": instant}
    arrays = [pa.array(values, types.get(name), from_pandas=True) for name, values in columns.items()]
    return pa.table(arrays, names=list(columns))


@pytest.fixture(scope="module")
def sales_folder(tmp_path_factory: pytest.TempPathFactory, make_dataset: Callable[..., Path]) -> Path:
    """The dataset on disk."""
    return make_dataset(tmp_path_factory.mktemp("sales") / "set", sales_table(), task="sales", feature_service="sales")


@pytest.fixture(scope="module")
def run(sales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One run of the models of quantities, all by default."""
    root = tmp_path_factory.mktemp("run")
    return train(TASK, sales_folder, root / "models", root / "reports", seed=1)


def test_the_best_has_the_smallest_error(run: TrainResult) -> None:
    """Models stand by RMSSE on validation, the smallest first, and serving takes the same one."""
    assert {model.name for model in run.models} == set(NAMES) == set(default_models(TASK))
    figures = [model.validation.rmsse for model in run.models]
    assert figures == sorted(figures)
    assert run.best.name == "xgboost"
    assert best_artefact(run.best.artefact.path.parents[2], "sales") == run.best.artefact
    errors = {model.name: model.test.rmsse for model in run.models}
    assert errors["xgboost"] < errors["moving-average"] < errors["seasonal-naive"]
    assert errors["poisson"] < errors["moving-average"]


def test_forecasts_are_features(run: TrainResult) -> None:
    """The baselines predict last week's units, and a fourth of four weeks'."""
    table = run.dataset.table.take(pa.array(run.split.test))
    predicted = {model.name: model.probabilities for model in run.models}
    np.testing.assert_array_equal(predicted["seasonal-naive"], np.asarray(table["units_7d"]))
    np.testing.assert_array_equal(predicted["moving-average"], np.asarray(table["units_28d"]) / 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_quantity_read_back_is_the_trained_one(run: TrainResult, name: str) -> None:
    """A model read from disk predicts numbers as the trained one did, with an interval and without a threshold."""
    model = next(model for model in run.models if model.name == name)
    predictor = load_predictor(model.artefact.path)
    columns = run.dataset.columns(run.split.test)
    np.testing.assert_allclose(predictor.predict(columns), model.probabilities, rtol=1e-5)
    manifest = predictor.manifest
    assert (manifest.kind, manifest.threshold, manifest.selection_greater) == ("quantity", None, False)
    assert manifest.interval is not None
    assert manifest.selection_value() == -model.validation.rmsse
    assert not [path for path in model.artefact.path.iterdir() if path.suffix not in (".json", ".ubj")]


def test_intervals_hold_on_the_test_period(run: TrainResult) -> None:
    """Learnt on validation, the interval holds about its share of a test period that is like it."""
    for model in run.models:
        assert 0.72 < model.test.coverage < 0.9
    widths = {model.name: model.test.width for model in run.models}
    assert widths["xgboost"] < widths["moving-average"] < widths["seasonal-naive"]


def test_trees_need_the_level_that_they_multiply(sales_folder: Path, tmp_path: Path) -> None:
    """A level that the dataset lacks is refused by its name; without any, trees predict units from scratch."""
    folders = (sales_folder, tmp_path / "models", tmp_path / "reports")
    with pytest.raises(DataError, match="multiply the feature 'moon'"):
        train(replace(TASK, level="moon"), *folders, ["xgboost"])
    alone = train(replace(TASK, level=None), *folders, ["xgboost"])
    assert alone.best.manifest.parameters["level"] is None
    assert 0.9 < alone.best.probabilities.sum() / alone.best.test.units < 1.1


def test_quantities_are_reported(run: TrainResult, sales_folder: Path) -> None:
    """Table, line, JSON and page show errors of units; nothing speaks of chances."""
    terminal = StringIO()
    Console(width=200, file=terminal).print(leaderboard_table(run))
    record = json.loads(json.dumps(run.as_dict()))
    page = run.report.read_text(encoding="utf-8")
    for model, entry in zip(run.models, record["models"], strict=True):
        assert f"{model.test.rmsse:.4f}" in terminal.getvalue()
        assert f"{model.test.rmsse:.4f}" in page
        assert entry["test"]["wape"] == model.test.wape
    assert record["split"]["test"] == {"rows": len(run.split.test), "units": run.best.test.units}
    assert "rmsse on validation" in terminal.getvalue()
    assert comparison_line(run).startswith(f"xgboost - {run.models[1].name}: RMSSE -")
    assert page.count("data:image/png;base64,") == 11
    told = re.sub(r"base64,[^\"]+", "", page) + terminal.getvalue()
    assert not re.findall(r"AUC|positives|<dt>threshold", told)
    first = run.comparisons[0]
    assert first.parts[0][1].difference == pytest.approx(run.best.test.rmsse - run.models[1].test.rmsse)
    folders = (sales_folder, run.best.artefact.path.parents[2], run.report.parent)
    again = evaluate_trained(TASK, *folders)
    assert [(m.name, m.test) for m in again.models] == [(m.name, m.test) for m in run.models]
    assert _counted(TASK, run.dataset.table) == {"units": pytest.approx(run.dataset.labels.sum())}


def test_the_test_period_has_no_say(run: TrainResult, make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Other labels in the test period change its figures and nothing else: no model, no interval, no order."""
    labels = run.dataset.labels.copy()
    labels[run.split.test] = labels[run.split.test][::-1] + 3
    table = run.dataset.table
    table = table.set_column(table.column_names.index("label"), "label", pa.array(labels))
    folder = make_dataset(tmp_path / "set", table, task="sales", feature_service="sales")
    other = train(TASK, folder, tmp_path / "models", tmp_path / "reports", seed=1)
    for before, after in zip(run.models, other.models, strict=True):
        assert (after.name, after.validation, after.decision) == (before.name, before.validation, before.decision)
        np.testing.assert_array_equal(after.probabilities, before.probabilities)
        assert after.test != before.test


@pytest.mark.parametrize(("at", "label"), [(3, -1.0), (3, float("inf")), (3, float("nan"))])
def test_labels_are_units(make_dataset: Callable[..., Path], tmp_path: Path, at: int, label: float) -> None:
    """A label below 0 or without a number is refused before anything is trained."""
    table = sales_table(5, 10)
    labels = np.asarray(table["label"]).copy()
    labels[at] = label
    table = table.set_column(table.column_names.index("label"), "label", pa.array(labels))
    folder = make_dataset(tmp_path / "set", table, task="sales", feature_service="sales")
    with pytest.raises(DataError, match=r"finite numbers from 0 on\. 1 rows are not"):
        read_dataset(TASK, folder)


def test_labels_that_never_change(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    """A period in which every label is the same teaches nothing."""
    table = sales_table(5, 40)
    table = table.set_column(table.column_names.index("label"), "label", pa.array(np.full(table.num_rows, 2.0)))
    folder = make_dataset(tmp_path / "set", table, task="sales", feature_service="sales")
    with pytest.raises(DataError, match=r"train period has .* all with label 2"):
        train(TASK, folder, tmp_path / "models", tmp_path / "reports", ["seasonal-naive"])


def test_a_label_among_the_features_of_a_quantity(run: TrainResult) -> None:
    """A feature in the label's very order is found; last week's units, however close, are no finding."""
    evidence = Evidence(run.dataset, run.split)
    report = run_lints(evidence)
    assert report.findings == ()
    assert "implausible-feature" not in report.lints
    leak = run.dataset.table.append_column("told", pa.array(np.log1p(run.dataset.labels)))
    found = run_lints(replace(evidence, dataset=replace(run.dataset, table=leak))).findings
    assert [(one.lint, one.severity, one.subject) for one in found] == [("label-among-features", "error", "told")]


@pytest.mark.parametrize(("copies", "subjects"), [(4, []), (5, ["train, validation"])])
def test_a_handful_of_equal_rows_is_chance(run: TrainResult, copies: int, subjects: list[str]) -> None:
    """What is hardly sold has rows that are alike: up to four of a later period may stand in train too."""
    table, split = run.dataset.table, run.split
    rows = np.arange(table.num_rows)
    rows[split.validation[:copies]] = split.train[:copies]
    copied = table.take(pa.array(rows))
    for name in ("event_timestamp", "request_time"):
        copied = copied.set_column(copied.column_names.index(name), name, table[name])
    found = run_lints(Evidence(replace(run.dataset, table=copied), split)).findings
    assert [one.subject for one in found if one.lint == "duplicate-rows"] == subjects


def test_a_quantity_needs_its_declarations(sales_folder: Path, tmp_path: Path) -> None:
    """A task of quantities without forecasts or with a metric of chances is refused; so is a model of chances."""

    def declared(**changes: object) -> Task:
        return replace(SALES, **changes)

    with pytest.raises(UsageError, match="needs forecasts as baselines"):
        declared(forecasts=())
    with pytest.raises(UsageError, match="selection_metric of 'mae', 'mase'"):
        declared(selection_metric="auc")
    with pytest.raises(NotFoundError, match=r"no model 'logistic'\. Models: 'moving-average'"):
        train(TASK, sales_folder, tmp_path / "models", tmp_path / "reports", ["logistic"])
    astray = replace(TASK, forecasts=(Forecast("seasonal-naive", "moon"),))
    with pytest.raises(DataError, match="reads the feature 'moon', which the dataset lacks"):
        train(astray, sales_folder, tmp_path / "models", tmp_path / "reports", ["seasonal-naive"])
