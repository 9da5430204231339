"""`storekeeper models`: listed, promoted and rolled back on a trained shop, and MLflow's record beside it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from storekeeper.settings import Settings


def registered(home: Path) -> tuple[set[tuple[str, int]], str]:
    """MLflow's registered versions of the purchase task, and the model that its alias names."""
    from storekeeper_training.registry.tracking import Tracker

    tracker = Tracker(Settings.load(home))
    champion = tracker.client.get_model_version_by_alias("purchase", "champion").tags["model"]
    return {*tracker.versions("purchase")}, champion


def test_list_shows_what_serves(ready: Path, run: Any) -> None:
    """Every version is listed with its figures, its training set, and that its definitions and files still match."""
    trained = run(ready, "evaluate", "purchase", "--json").done().document
    listed = run(ready, "models", "list", "--json").done().document
    figures = {model["model"]: model for model in trained["models"]}
    assert {(model["model"], model["version"]) for model in listed} == {("rule", 1), ("logistic", 1), ("xgboost", 1)}
    for model in listed:
        assert model["validation"] == pytest.approx(figures[model["model"]]["validation"][model["metric"]])
        assert model["test"] == pytest.approx(figures[model["model"]]["test"][model["metric"]])
        assert (model["definitions_match"], model["files_match"], model["alias"]) == (True, True, "")
        assert model["dataset_hash"] == trained["dataset_hash"]
    assert [model["model"] for model in listed if model["serves"]] == [trained["best"]]
    shown = run(ready, "models", "list", "purchase", COLUMNS="200").done().words
    assert all(word in shown for word in ("xgboost 1", " yes ", " best "))
    refused = run(ready, "models", "list", "churn")
    assert refused.code == 2
    assert "Tasks that have: 'purchase'" in refused.err


def test_promote_and_roll_back(ready: Path, run: Any) -> None:
    """What is promoted serves, MLflow's alias follows, and a rollback brings the former one back."""
    first = run(ready, "models", "promote", "purchase", "rule", "1", "--json").done()
    assert (first.document["model"], first.err) == ("rule", "")
    told = run(ready, "models", "promote", "purchase", "logistic", "1").done().words
    assert "served by logistic 1. Before it: rule 1" in told
    assert registered(ready) == ({("logistic", 1), ("rule", 1), ("xgboost", 1)}, "logistic")
    listed = run(ready, "models", "list", "--json").done().document
    assert {model["model"]: (model["alias"], model["serves"]) for model in listed} == {
        "logistic": ("champion", True),
        "rule": ("former", False),
        "xgboost": ("", False),
    }
    back = run(ready, "models", "rollback", "purchase", "--json").done().document
    assert (back["model"], [change["action"] for change in back["history"]]) == (
        "rule",
        ["promote", "promote", "rollback"],
    )
    assert registered(ready)[1] == "rule"
    refused = run(ready, "models", "rollback", "purchase")
    assert refused.code == 2
    assert "before rule 1, which serves" in refused.err


def test_redefined_features_refuse_promotion(ready: Path, run: Any) -> None:
    """After a redefinition no model trained before can be promoted, and the list says so."""
    file = ready / "feature_repo" / "customer_views.py"
    file.write_text(file.read_text().replace('over_days("products"', 'over_days("goods"'))
    run(ready, "apply").done()
    refused = run(ready, "models", "promote", "purchase", "rule", "1")
    assert (refused.code, refused.out) == (1, "")
    assert "trained on other definitions of feature service 'purchase'" in " ".join(refused.err.split())
    listed = run(ready, "models", "list", "--json").done().document
    assert {model["definitions_match"] for model in listed} == {False}


def test_wrong_names_list_what_exists(ready: Path, run: Any) -> None:
    """An unknown model, version or task is exit code 2 with those that exist."""
    for arguments in (("oracle", "1"), ("rule", "7")):
        refused = run(ready, "models", "promote", "purchase", *arguments)
        assert refused.code == 2
        assert "It has: 'logistic 1', 'rule 1', 'xgboost 1'" in " ".join(refused.err.split())
    assert run(ready, "models", "promote", "purchase", "rule", "0").code == 2


def test_a_changed_file_is_listed(ready: Path, run: Any) -> None:
    """A model whose file was changed is listed with the file's name, and refused."""
    path = ready / "data" / "models" / "purchase" / "rule" / "1" / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    listed = run(ready, "models", "list", "--json").done().document
    (changed,) = [model for model in listed if not model["files_match"]]
    assert (changed["model"], "manifest.json" in changed["problem"]) == ("rule", True)
    assert run(ready, "models", "promote", "purchase", "rule", "1").code == 2


def test_training_without_mlflow(ready: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLflow a run is trained and promoted as ever, with one line on stderr; later it is made up for."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    trained = run(ready, "train", "purchase", "--model", "rule", "--seed", "3", "--json").done()
    assert trained.document["models"][0]["version"] == 2
    (line,) = trained.err.splitlines()
    assert line.startswith("Not tracked: ")
    assert "pip install 'storekeeper[train]'" in line
    assert "Not tracked" in run(ready, "models", "promote", "purchase", "rule", "2").done().err
    monkeypatch.undo()
    assert run(ready, "models", "promote", "purchase", "logistic", "1").done().err == ""
    assert registered(ready) == ({("rule", 1), ("logistic", 1), ("xgboost", 1), ("rule", 2)}, "logistic")
