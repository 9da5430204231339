"""MLflow's record, read back from its own file by MLflow itself."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storekeeper.artefact import read_contents
from storekeeper_training.registry.tracking import Tracker, bring_up_to_date, tracking_path
from training.registry.registry_shop import START, RegistryShop, make_registry_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegistryShop:
    """A project, and a working directory that nothing may be written to."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return make_registry_shop(tmp_path / "home")


def client_of(shop: RegistryShop) -> Any:
    """MLflow's own client on the file."""
    return Tracker(shop.settings).client


def test_a_run_holds_what_the_manifest_says(shop: RegistryShop) -> None:
    """Experiment, parameters, figures by period and tags are those of the artefact; undefined figures are left out."""
    artefact = shop.write("logistic", allowed_lints=("stale",))
    assert bring_up_to_date(shop.settings, "purchase") is None
    client = client_of(shop)
    experiment = client.get_experiment_by_name("purchase")
    (run,) = client.search_runs([experiment.experiment_id])
    contents = read_contents(artefact.path)
    assert contents is not None
    assert (run.info.run_name, run.info.status) == ("logistic 1", "FINISHED")
    assert run.data.metrics == {
        "validation.auc": 0.75,
        "validation.log_loss": 0.5,
        "test.auc": 0.5,
        "fit_seconds": 1.5,
        "peak_memory_mb": 100.0,
    }
    assert {"inverse_penalty": "1.0", "warm": "True", "note": "None", "seed": "3"}.items() <= run.data.params.items()
    assert {
        "artefact": "data/models/purchase/logistic/1",
        "contents_hash": contents.digest,
        "dataset_hash": "a" * 64,
        "definition_hash": "d" * 64,
        "feature_service": "purchase",
        "code_hash": "c" * 64,
        "package.numpy": "2.0",
        "allowed_lints": "stale",
        "trained_at": START.isoformat(),
    }.items() <= run.data.tags.items()
    assert list(Path.cwd().iterdir()) == []


def test_every_artefact_is_registered_once(shop: RegistryShop) -> None:
    """What MLflow lacks is made up for, and what it has is not recorded again; each version points to its run."""
    shop.write("rule")
    shop.write("logistic")
    bring_up_to_date(shop.settings, "purchase")
    shop.write("logistic")
    for _ in range(2):
        assert bring_up_to_date(shop.settings, "purchase") is None
    client = client_of(shop)
    found = client.search_model_versions("name='purchase'")
    places = {(version.tags["model"], version.tags["artefact_version"]): version for version in found}
    assert len(found) == len(places) == 3
    assert set(places) == {("rule", "1"), ("logistic", "1"), ("logistic", "2")}
    latest = places["logistic", "2"]
    assert client.get_run(latest.run_id).info.run_name == "logistic 2"
    assert latest.source == "data/models/purchase/logistic/2"


def test_the_alias_follows_the_champion(shop: RegistryShop) -> None:
    """MLflow's alias is what champion.json names, after promotions and rollbacks, also those that MLflow missed."""
    first, second = shop.write("a"), shop.write("b")

    def alias() -> str:
        bring_up_to_date(shop.settings, "purchase")
        tags: dict[str, str] = client_of(shop).get_model_version_by_alias("purchase", "champion").tags
        return tags["model"]

    shop.promote(first)
    assert alias() == "a"
    shop.promote(second)
    shop.promote(shop.write("c"))
    assert alias() == "c"
    shop.roll_back()
    assert alias() == "b"


def test_a_promotion_in_between_is_followed(shop: RegistryShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion that is made while the alias is being set is not lost."""
    first, second = shop.write("a"), shop.write("b")
    shop.promote(first)
    tracker = Tracker(shop.settings)
    tracker.record_missing("purchase")
    really_set, told = tracker.client.set_registered_model_alias, []

    def set_alias(task: str, alias: str, version: str) -> None:
        if not told:
            shop.promote(second)
        told.append(version)
        really_set(task, alias, version)

    monkeypatch.setattr(tracker.client, "set_registered_model_alias", set_alias)
    tracker.follow_champion("purchase")
    assert tracker.client.get_model_version_by_alias("purchase", "champion").tags["model"] == "b"
    assert len(told) == 2


def test_a_damaged_artefact_is_left_for_later(shop: RegistryShop) -> None:
    """One that can't be read keeps no other from being recorded, and is recorded once it can."""
    damaged = shop.write("a")
    shop.write("b")
    manifest = damaged.path / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{")
    assert bring_up_to_date(shop.settings, "purchase") is None
    assert set(Tracker(shop.settings).versions("purchase")) == {("b", 1)}
    manifest.write_bytes(whole)
    bring_up_to_date(shop.settings, "purchase")
    assert set(Tracker(shop.settings).versions("purchase")) == {("a", 1), ("b", 1)}


def test_without_mlflow(shop: RegistryShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MLflow isn't installed, one sentence says so and which extra brings it; nothing is written."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    shop.write("a")
    told = bring_up_to_date(shop.settings, "purchase")
    assert told is not None
    assert "'mlflow" in told
    assert "pip install 'storekeeper[train]'" in told
    assert not tracking_path(shop.settings).exists()


def test_a_record_that_cannot_be_used(shop: RegistryShop) -> None:
    """A file that is no database is told in one line that names it, and is left as it is."""
    shop.write("a")
    path = tracking_path(shop.settings)
    path.write_bytes(b"not a database at all, whatever its name says" * 100)
    before = path.read_bytes()
    told = bring_up_to_date(shop.settings, "purchase")
    assert told is not None
    assert told.startswith(f"Not tracked: MLflow's record '{path}' can't be used: ")
    assert "\n" not in told
    assert path.read_bytes() == before


def test_telemetry_is_off_and_nothing_is_said(shop: RegistryShop) -> None:
    """In a process of its own MLflow tells its makers of nothing, and prints nothing."""
    shop.write("a")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from training.registry.registry_shop import make_registry_shop\n"
        "from storekeeper_training.registry.tracking import bring_up_to_date\n"
        "assert 'mlflow' not in sys.modules\n"
        "assert bring_up_to_date(make_registry_shop(Path(sys.argv[1])).settings, 'purchase') is None\n"
        "from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY\n"
        "assert MLFLOW_DISABLE_TELEMETRY.get()\n"
    )
    tests = str(Path(__file__).parents[2])
    home, variables = str(shop.settings.home), {**os.environ, "PYTHONPATH": tests, "PYTHONWARNINGS": "ignore"}
    variables.pop("MLFLOW_DISABLE_TELEMETRY", None)
    ended = subprocess.run(
        [sys.executable, "-c", code, home], env=variables, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
