"""`storekeeper explain`: in the mean, for rows of the test period, and for an entity now."""

from pathlib import Path
from typing import Any

import pytest

from command_line import Outcome, run_here
from storekeeper.artefact import best_artefact, load_predictor
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore
from storekeeper_training.dataset import read_dataset
from storekeeper_training.split import split_by_shares
from storekeeper_training.tasks import PURCHASE


@pytest.fixture
def call(ready_home: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run the command on a shop with three models and online state; it writes nothing."""

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "200")
            code = run_here(ready_home, ("explain", "purchase", *arguments), patch)
        return Outcome(code, *capfd.readouterr())

    return run


def adds_up(row: dict[str, Any]) -> None:
    """Check that a row's parts make its margin."""
    told = row["base"] + sum(one["contribution"] for one in row["contributions"]) + row["rest"]
    assert row["margin"] == pytest.approx(told, abs=1e-4)
    assert row["residual"] < 1e-4


def test_mean_contributions(call: Any, ready_home: Path) -> None:
    """Without a row the best model's mean contributions over test rows are told, for machines and for people."""
    document = call("--json").done().document
    best = best_artefact(ready_home / "data" / "models", "purchase")
    assert (document["model"], document["version"]) == (best.model, best.version)
    sizes = list(document["mean_absolute_contributions"].values())
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    assert document["test_rows"] <= 1000
    shown = call("--top", "2").done()
    names = list(document["mean_absolute_contributions"])
    assert all(name in shown.words for name in names[:2])
    assert names[2] not in shown.words
    assert "largest residual" in shown.words


def test_rows_of_the_test_period(call: Any, ready_home: Path) -> None:
    """Rows are told by their number in the order of time, with what was predicted, what came, and their values."""
    document = call("--model", "xgboost", "--row", "3", "--row", "0", "--top", "4", "--json").done().document
    assert document["method"] == "TreeSHAP"
    settings = Settings.load(ready_home)
    (folder,) = (settings.home / "data" / "datasets" / "purchase").iterdir()
    dataset = read_dataset(PURCHASE, folder)
    test = split_by_shares(dataset.timestamps, PURCHASE.horizon, PURCHASE.shares).test
    predictor = load_predictor(settings.models_dir / "purchase" / "xgboost" / "1")
    columns = dataset.columns(test[[3, 0]])
    views = {view.name for view in FeatureStore(settings.feature_repo).all_feature_views()}
    for at, (row, predicted) in enumerate(zip(document["rows"], predictor.predict(columns), strict=True)):
        adds_up(row)
        assert row["prediction"] == pytest.approx(predicted)
        assert row["label"] == dataset.labels[test[[3, 0][at]]]
        assert len(row["contributions"]) == 4
        for one in row["contributions"]:
            assert one["value"] == columns[one["feature"]][at].as_py()
            assert (one["view"] is None) == (one["origin"] != "feature")
            assert one["view"] in views | {None, "shopping_context"}
            assert one["event_time"] is one["view_materialised_until"] is None


def test_a_prediction_now(call: Any) -> None:
    """For an entity now, values are the online store's: their views, and up to when these are made, are told."""
    given = ("--entity", "customer_id=1", "--entity", "category=SOUP", "--entity", "price=199")
    document = call("--model", "logistic", *given, "--top", "100", "--json").done().document
    (row,) = document["rows"]
    adds_up(row)
    assert row["label"] is None
    by_name = {one["feature"]: one for one in row["contributions"]}
    read = [one for one in by_name.values() if one["origin"] == "feature"]
    assert read
    assert all(one["view"] and one["view_materialised_until"] for one in read)
    shown = call("--model", "logistic", *given, "--top", "3").done()
    # A narrow terminal breaks "view until" over two lines.
    assert "until" in shown.words or "ago" in shown.words
    assert "│" in shown.out
    assert "residual" in shown.words


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--row", "1", "--entity", "customer_id=1"), "Give one of the two"),
        (("--row", "100000000"), "rows, numbered from 0. There is no row 100000000"),
        (("--row", "-1"), "There is no row -1"),
        (("--entity", "customer_id=1"), "Missing: 'category', 'price'"),
        (("--entity", "customer_id"), "NAME=VALUE"),
        (
            ("--entity", "customer_id=x", "--entity", "category=a", "--entity", "price=1"),
            "'customer_id' is int64. Received: 'x'",
        ),
        (
            ("--entity", "moon=1", "--entity", "customer_id=1", "--entity", "category=a", "--entity", "price=1"),
            "Unknown: 'moon'",
        ),
        (("--model", "oracle"), "has no model 'oracle'"),
        (("--version", "77"), "has no model version 77"),
    ],
)
def test_wrong_requests(call: Any, arguments: tuple[str, ...], told: str) -> None:
    """What can't be explained as asked is an error with exit code 2 that says what was expected."""
    outcome = call(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in " ".join(outcome.err.split())
