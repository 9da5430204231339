"""A lint that was overridden is told by all that was made in spite of it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Outcome, run_here
from storekeeper.artefact import list_artefacts, read_manifest
from storekeeper.errors import DataError
from storekeeper.ledger import Ledger
from storekeeper.settings import Settings
from storekeeper_training.dataset_folder import note_allowed
from storekeeper_training.tasks import Task
from storekeeper_training.train import evaluate_trained, train

Make = Callable[..., Path]
LEAK = "label-among-features"


@pytest.fixture
def leaky(dataset_table: pa.Table, make_dataset: Make, tmp_path: Path) -> Path:
    """A dataset with the label among its features."""
    return make_dataset(tmp_path / "set", dataset_table.append_column("bought", dataset_table["label"]))


def recorded(folder: Path) -> Any:
    """What a manifest says was allowed."""
    return json.loads((folder / "manifest.json").read_text()).get("allowed_lints")


def test_manifests_and_report_tell(small_task: Task, leaky: Path, tmp_path: Path) -> None:
    """The dataset's and the model's manifest, the report and the machine's record name the lint; an idle one not."""
    places = (leaky, tmp_path / "models", tmp_path / "reports")
    result = train(small_task, *places, ["rule"], allow=[LEAK, "duplicate-rows"])
    assert recorded(leaky) == [LEAK]
    (artefact,) = list_artefacts(tmp_path / "models")
    assert read_manifest(artefact.path).allowed_lints == (LEAK,)
    assert result.as_dict()["allowed_lints"] == result.as_dict()["models"][0]["allowed_lints"] == [LEAK]
    for shown in (result, evaluate_trained(small_task, *places)):
        page = shown.report.read_text(encoding="utf-8")
        assert "The training set may leak" in page
        assert f"<dt>Lints overridden</dt><dd>{LEAK}</dd>" in page


def test_a_model_of_a_clean_set_tells_of_none(
    small_task: Task, tmp_path: Path, make_dataset: Make, dataset_table: pa.Table
) -> None:
    """Nothing is noted where nothing was found, whatever was allowed."""
    folder = make_dataset(tmp_path / "clean", dataset_table)
    before = (folder / "manifest.json").read_bytes()
    result = train(small_task, folder, tmp_path / "models", tmp_path / "reports", ["rule"], allow=[LEAK])
    assert (folder / "manifest.json").read_bytes() == before
    assert (result.allowed_lints, result.models[0].manifest.allowed_lints) == ((), ())
    page = result.report.read_text(encoding="utf-8")
    assert "may leak" not in page
    assert "<dt>Lints overridden</dt><dd>none</dd>" in page


def test_a_model_that_says_nothing_is_not_kept(
    small_task: Task, leaky: Path, dataset_table: pa.Table, make_dataset: Make, tmp_path: Path
) -> None:
    """A model trained when nothing was found isn't taken for one that was trained in spite of a finding."""
    clean = make_dataset(tmp_path / "clean", dataset_table)
    models = (tmp_path / "models", tmp_path / "reports", ["rule"])
    train(small_task, clean, *models)
    again = train(small_task, leaky, *models, allow=[LEAK])
    kept = train(small_task, leaky, *models, allow=[LEAK])
    assert [result.models[0].reused for result in (again, kept)] == [False, True]
    assert kept.allowed_lints == (LEAK,)


def test_notes_add_up(leaky: Path) -> None:
    """What was once allowed stays noted, each name once, in order; nothing else of the record changes."""
    before = json.loads((leaky / "manifest.json").read_text())
    for lints in (["stale-dataset"], [LEAK, "stale-dataset"], []):
        note_allowed(leaky, lints)
    assert json.loads((leaky / "manifest.json").read_text()) == before | {"allowed_lints": [LEAK, "stale-dataset"]}
    assert sorted(path.name for path in leaky.iterdir()) == ["data.parquet", "manifest.json"]
    (leaky / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="can't be noted in"):
        note_allowed(leaky, [LEAK])


@pytest.fixture
def call(ready_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command on a shop whose training set numbers its rows."""
    home = tmp_path / "shop"
    shutil.copytree(ready_home, home)
    (file,) = (home / "data" / "datasets" / "purchase").glob("*/data.parquet")
    table = pq.read_table(file)
    pq.write_table(table.append_column("order_no", pa.array(range(table.num_rows))), file)

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "200")
            code = run_here(home, arguments, patch)
        return Outcome(code, *capfd.readouterr())

    return run


def test_commands_tell(call: Any) -> None:
    """`lint --allow` notes it, `show` prints it, `train` says it; a look that refuses notes nothing."""
    (only,) = call("dataset", "list", "--json").done().document
    shown = call("dataset", "show", only["dataset_hash"]).done().words
    for told in (
        "allowed_lints │ (none)",
        "source_fingerprints: purchase_log",
        "versions: feast",
        "format_version │ 2",
    ):
        assert told in shown
    assert call("lint", "purchase").code == 1
    assert call("dataset", "show", only["dataset_hash"], "--json").done().document["allowed_lints"] == []
    call("lint", "purchase", "--allow", "time-encoding-id").done()
    assert "allowed_lints │ time-encoding-id" in call("dataset", "show", only["dataset_hash"]).done().words
    out = call("train", "purchase", "--model", "rule", "--allow", "time-encoding-id").done().words
    assert "The training set may leak. Lints overridden: time-encoding-id." in out


def test_diff_names_the_change(call: Any, tmp_path: Path) -> None:
    """Two sets that are alike but for what was allowed differ in just that."""
    settings = Settings.load(tmp_path / "shop")
    ledger = Ledger(settings.database_url)
    (record,) = ledger.list_datasets()
    other = replace(record, dataset_hash="f" * 64, path="data/datasets/other")
    shutil.copytree(settings.home / record.path, settings.home / other.path)
    ledger.record_dataset(other)
    note_allowed(settings.home / other.path, [LEAK, "future-spine"])
    assert call("dataset", "diff", record.dataset_hash, other.dataset_hash, "--json").done().document == [
        {"what": "allowed_lints", "first": "(none)", "second": f"future-spine, {LEAK}"}
    ]
