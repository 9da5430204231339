"""`storekeeper lint`, and `storekeeper train` that refuses what it finds."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storekeeper.artefact import list_artefacts
from storekeeper.settings import Settings


def plant(home: Path) -> None:
    """Give every training set a feature that numbers its rows in the order of time."""
    for file in (home / "data" / "datasets" / "purchase").glob("*/data.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.append_column("order_no", pa.array(range(table.num_rows))), file)


def test_a_clean_set(ready: Path, run: Any) -> None:
    """Nothing is found on the purchase task, in words and as JSON, and nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in (ready / "data").rglob("*") if path.is_file()}
    assert "16 lints" in (told := run(ready, "lint", "purchase").done().out)
    assert "nothing found" in told
    document = run(ready, "lint", "purchase", "--json").done().document
    assert (document["task"], document["findings"], document["refused"]) == ("purchase", [], 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_leak_stops_training(ready: Path, run: Any) -> None:
    """A finding ends in exit code 1, of lint and of train, which trains nothing and says how to go on."""
    plant(ready)
    settings = Settings.load(ready)
    before = list_artefacts(settings.models_dir)
    shown = run(ready, "lint", "purchase")
    assert shown.code == 1
    for words in ("error time-encoding-id order_no", "rank correlation", "1 finding, training is refused"):
        assert words in shown.out
    document = run(ready, "lint", "purchase", "--json").document
    assert [(f["lint"], f["severity"], f["subject"], f["allowed"]) for f in document["findings"]] == [
        ("time-encoding-id", "error", "order_no", False)
    ]
    refused = run(ready, "train", "purchase", "--model", "rule", "--force")
    assert refused.code == 1
    assert "nothing was trained" in refused.err
    assert "storekeeper train purchase --allow time-encoding-id" in refused.err
    assert list_artefacts(settings.models_dir) == before


def test_a_leak_that_is_allowed(ready: Path, run: Any) -> None:
    """Allowed by its name, the finding is still shown, and stops nothing."""
    plant(ready)
    shown = run(ready, "lint", "purchase", "--allow", "time-encoding-id").done()
    assert "allowed time-encoding-id order_no" in shown.out
    assert "1 finding, none stops training" in shown.out
    allow = ("--allow", "time-encoding-id")
    run(ready, "train", "purchase", "--model", "rule", "--force", *allow, "--json").done()
    refused = run(ready, "train", "purchase", "--model", "rule", "--force", "--allow", "duplicate-rows")
    assert refused.code == 1


@pytest.mark.parametrize("command", ["lint", "train"])
def test_an_unknown_lint(ready: Path, run: Any, command: str) -> None:
    """A name that no lint has is wrong usage, and lists those that there are."""
    outcome = run(ready, command, "purchase", "--allow", "everything")
    assert outcome.code == 2
    assert "no lint 'everything'. Lints: 'back-dated-source', 'duplicate-rows'" in outcome.err


def test_the_limit_is_a_setting(ready: Path, run: Any) -> None:
    """With a lower limit, features that foretell the label are findings."""
    outcome = run(ready, "lint", "purchase", "--max-auc", "0.5", "--json")
    assert outcome.code == 1
    assert {finding["lint"] for finding in outcome.document["findings"]} == {"implausible-feature"}


def test_training_where_the_shop_is_not(ready: Path, run: Any) -> None:
    """Where only the training set is at hand, it is trained on, and said that no more was looked at."""
    (ready / "data" / "behaviour.duckdb").unlink()
    assert "unread-declarations (warning)" in run(ready, "train", "purchase", "--model", "rule").done().err
    outcome = run(ready, "lint", "purchase")
    assert outcome.code == 2
    assert "behaviour.duckdb" in outcome.err
