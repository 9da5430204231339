"""`storekeeper dataset list`, `show` and `diff`: which sets there are, and what set two apart."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from command_line import Outcome, run_here
from storekeeper_training.dataset_commands import compare_manifests


@pytest.fixture
def home(ready_home: Path, tmp_path: Path) -> Path:
    """A shop with a dataset; the test's own."""
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


def test_two_sets_apart_by_their_source(home: Path, call: Any) -> None:
    """A changed source is named by diff, and so is nothing that stayed; both sets are listed, the one in use first."""
    (first,) = call("dataset", "list", "--json").done().document
    with duckdb.connect(str(home / "data" / "behaviour.duckdb")) as connection:
        connection.execute("UPDATE events SET amount_cents = amount_cents + 1 WHERE event_type = 'purchase'")
    second = call("dataset", "build", "purchase", "--json").done().document
    listed = call("dataset", "list", "purchase", "--json").done().document
    assert [one["dataset_hash"] for one in listed] == [second["dataset_hash"], first["dataset_hash"]]
    apart = call("dataset", "diff", first["dataset_hash"], second["dataset_hash"][:12], "--json").done().document
    named = {row["what"] for row in apart}
    assert "source_fingerprints: purchase_log" in named
    assert not {"definition_hash", "source_fingerprints: customers", "source_fingerprints: offer_log"} & named
    shown = call("dataset", "show", second["dataset_hash"][:8], "--json").done().document
    assert shown["rows"] == second["rows"]


def test_the_same_set_twice(call: Any) -> None:
    """A set compared with itself differs in nothing."""
    (only,) = call("dataset", "list", "--json").done().document
    assert call("dataset", "diff", only["dataset_hash"], only["dataset_hash"], "--json").done().document == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dataset", "show", "nope"), "no training set 'nope'"),
        (("dataset", "diff", "nope", "nope"), "no training set 'nope'"),
        (("dataset", "list", "nope"), "Task 'nope' has no training set"),
    ],
)
def test_unknown_sets(call: Any, arguments: tuple[str, ...], said: str) -> None:
    """What isn't there is an error with exit code 2 that tells what is."""
    outcome = call(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in " ".join(outcome.err.split())


def test_nested_records_are_compared_key_by_key() -> None:
    """Inputs come first, nested records by key, a missing side as (none); times of making don't count."""
    left = {"created_at": "1", "rows": 1, "definition_hash": "a", "columns": {"x": "int64"}}
    right = {"created_at": "2", "rows": 2, "definition_hash": "b", "columns": {"x": "double", "y": "bool"}}
    assert compare_manifests(left, right) == [
        ["definition_hash", "a", "b"],
        ["columns: x", "int64", "double"],
        ["columns: y", "(none)", "bool"],
        ["rows", "1", "2"],
    ]
