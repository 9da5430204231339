"""`storekeeper benchmark` keeps what it measured, names what it skips, and says by its exit code what failed."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import command_line
from command_line import Outcome
from storekeeper_training.benchmark import registry, runner

from .small_protocols import PROTOCOLS, RUNS_FILE

HERE = Path(__file__).parent
MODULES = ("small_protocols",)
Run = Callable[..., Outcome]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of public data with one set; the registry knows the small protocols alone, here and in workers."""
    folder = tmp_path / "public" / "cdnow"
    folder.mkdir(parents=True)
    (folder / "master.parquet").touch()
    monkeypatch.setenv("STOREKEEPER_DATASETS", str(folder.parent))
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    monkeypatch.setattr(registry, "PROTOCOL_MODULES", MODULES)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project's root with an empty feature repo."""
    root = tmp_path / "project"
    (root / "feature_repo").mkdir(parents=True)
    (root / "feature_repo" / "feature_store.yaml").write_text("project: small\nprovider: local\n", encoding="utf-8")
    return root


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`run(*arguments)` runs `storekeeper benchmark` in the project."""

    def benchmark(*arguments: str) -> Outcome:
        code = command_line.run_here(home, ["benchmark", *arguments], monkeypatch)
        return Outcome(code, *capfd.readouterr())

    return benchmark


def runs(data: Path) -> list[str]:
    """Processes that measured so far."""
    return (data / RUNS_FILE).read_text(encoding="utf-8").split() if (data / RUNS_FILE).exists() else []


def test_what_is_measured_is_kept(data: Path, home: Path, run: Run) -> None:
    """A second run measures nothing again; `--only` measures its protocol again; each in a process of its own."""
    assert run("--only", "small").done().out.count("xgboost *") == 1
    kept = json.loads((home / "data/benchmark/small.json").read_text(encoding="utf-8"))
    assert (kept["outcome"]["figures"][0]["met"], kept["outcome"]["figures"][1]["met"]) == (True, False)
    assert kept["outcome"]["peak_memory_mb"] > 10
    run()
    assert len(runs(data)) == 1
    run("--only", "small").done()
    assert len({*runs(data), str(os.getpid())}) == 3


def test_another_seed_is_measured_again(data: Path, run: Run) -> None:
    """What is kept is of one seed."""
    run("--only", "small").done()
    run("--seed", "1")
    assert len(runs(data)) == 2


def test_missing_data_and_packages_are_named_and_skipped(data: Path, run: Run) -> None:
    """A protocol that can't be run says what it lacks and where that is from, and is no failure."""
    ended = run("--only", "lacking-data", "--only", "lacking-package", "--only", "small").done()
    assert "lacking-data skipped" in ended.words
    assert "Heart Disease" in ended.words
    assert "no_such_package" in ended.words
    assert len(runs(data)) == 1


def test_a_failed_protocol_fails_the_command(data: Path, home: Path, run: Run) -> None:
    """Exit code 1 with the reason; the others are measured all the same, and nothing is kept of what failed."""
    ended = run()
    assert ended.code == 1
    assert "failing failed: the tree fell over" in ended.words
    assert [path.name for path in (home / "data/benchmark").iterdir()] == ["small.json"]


def test_a_failure_leaves_the_kept_result(data: Path, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that fails keeps what was there."""
    run("--only", "small").done()
    before = (home / "data/benchmark/small.json").read_bytes()
    (data / RUNS_FILE).unlink()
    (data / RUNS_FILE).mkdir()
    assert run("--only", "small").code == 1
    assert (home / "data/benchmark/small.json").read_bytes() == before


def test_json_is_one_document(data: Path, run: Run) -> None:
    """With --json every protocol is there with its state, measured or not."""
    document = run("--json").document
    states = {entry["name"]: entry["state"] for entry in document}
    assert states == {
        "small": "measured",
        "failing": "failed",
        "lacking-data": "skipped",
        "lacking-package": "skipped",
    }
    assert document[0]["outcome"]["figures"][0]["value"] == 0.8


def test_list_measures_nothing(data: Path, run: Run) -> None:
    """`--list` names all protocols and what each lacks."""
    listed = run("--list", "--json").done().document
    assert [entry["name"] for entry in listed] == [protocol.name for protocol in PROTOCOLS]
    assert [bool(entry["lacks"]) for entry in listed] == [False, False, True, True]
    assert "small" in run("--list").done().out
    assert runs(data) == []


def test_an_unknown_name_is_refused(data: Path, run: Run) -> None:
    """A wrong name is wrong usage; the message lists what there is."""
    ended = run("--only", "churns")
    assert ended.code == 2
    assert "'small'" in ended.err


def test_the_page_holds_everything_kept(data: Path, home: Path, run: Run) -> None:
    """`--write-docs` writes also what earlier runs kept: figures, targets, notes, machine; no folder."""
    run("--only", "small").done()
    run("--only", "lacking-data", "--write-docs").done()
    page = (home / "docs/results.md").read_text(encoding="utf-8")
    assert "| [small](#small) | xgboost * | AUC | 0.8000 | 0.750–0.850 | 0.700 | ≥ 0.78 | yes |" in page
    assert "| log loss | 0.5000 |  |  | ≤ 0.4 | no |" in page
    assert "- tried depth 3 and 4" in page
    assert "Made by `storekeeper benchmark --only lacking-data --write-docs` on " in page
    assert "lacking-data (skipped)" in page
    assert str(data.parent) not in page


def test_a_crash_while_writing_leaves_no_half_result(tmp_path: Path) -> None:
    """What lies under an unfinished name is no result."""
    (tmp_path / "small.1.unfinished").write_text("{", encoding="utf-8")
    assert runner.read_result(tmp_path, "small", 0) is None
