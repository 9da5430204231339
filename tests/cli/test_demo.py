"""`storekeeper demo`: its steps, its server, and the whole of it on a few real households."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from projects import Project
from small_journey import PACKAGE, write_small_journey
from storekeeper.cli import demo
from storekeeper.errors import CheckFailedError, SourceError
from storekeeper.settings import Settings
from synthetic_shop import ROOT


def server(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the demo start this Python code instead of a server."""
    start = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        assert command[1:] == ["-m", "storekeeper", "serve", "--port", "0"]
        return start([sys.executable, "-c", code], **options)

    monkeypatch.setattr(demo.subprocess, "Popen", popen)


def test_steps_are_those_of_the_readme() -> None:
    """README's table has the demo's steps, in order, each with its command; others may stand in between."""
    told = re.findall(r"^\| [a-z ]+ \| `storekeeper ([^`]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    steps = [*[" ".join(step.command) for step in demo.STEPS], "serve", "audit --views"]
    assert [command for command in told if command in steps] == steps
    assert "evaluate purchase" in told


def test_the_server_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it prints before its URL is passed on; it is stopped by SIGTERM, and must end well."""
    well = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    server(monkeypatch, f"{well}print('loading'); print('Serving on http://here:1', flush=True); signal.pause()")
    with demo._server() as url:
        assert url == "http://here:1"


def test_a_server_that_ends_badly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not end with exit code 0 fails the demo."""
    badly = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
    server(monkeypatch, f"{badly}print('Serving on http://here:1', flush=True); signal.pause()")
    with pytest.raises(CheckFailedError, match="exit code 3"), demo._server():
        pass


def test_a_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """If the server stops before it answers, the demo says so, and shows what it said."""
    server(monkeypatch, "import sys; print('no models', flush=True); sys.exit(2)")
    with pytest.raises(SourceError, match=r"stopped before it answered \(exit code 2\)"), demo._server():
        pytest.fail("it did not answer")
    assert "no models" in capfd.readouterr().out


def test_an_error_inside_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong while the server ran is what is told, even if it then ends badly too."""
    badly = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
    server(monkeypatch, f"{badly}print('Serving on http://here:1', flush=True); signal.pause()")
    with pytest.raises(KeyError, match="asked"), demo._server():
        raise KeyError("asked")


def test_whom_to_ask(shop: Path) -> None:
    """The demo asks for what customers bought of late, at what it cost: equally long columns, nothing after now."""
    asked = demo._whom_to_ask(Settings.load(shop))
    assert list(asked) == ["customer_id", "category", "price"]
    assert {len(values) for values in asked.values()} == {len(asked["price"])}
    assert len(set(zip(asked["customer_id"], asked["category"], strict=True))) == len(asked["price"]) > 100
    assert all(customer > 0 for customer in asked["customer_id"])


def test_the_price_asked_at_is_that_of_training(shop: Path) -> None:
    """A category is asked for at what a unit of it cost over 28 days, all customers' lines together."""
    settings = Settings.load(shop)
    asked = demo._whom_to_ask(settings)
    with duckdb.connect(str(settings.behaviour_path), read_only=True) as connection:
        told = connection.execute(
            "SELECT category, sum(amount_cents) / sum(quantity) FROM events WHERE event_type = 'purchase' "
            "AND customer_id IS NOT NULL AND event_time >= $now - INTERVAL 28 DAY "
            "AND event_time < $now AND known_time <= $now GROUP BY category",
            {"now": settings.clock.now().replace(tzinfo=None)},
        ).fetchall()
    prices = dict(told)
    for category, price in zip(asked["category"], asked["price"], strict=True):
        assert price == pytest.approx(prices[category])


def test_few_features_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """Of a long vector the pair's own history is shown, and it is said how to see the rest."""
    features: dict[str, list[Any]] = {f"lines_{n}": [n] for n in range(30)} | {"affinity_due": [None]}
    asked = {"customer_id": [7], "category": ["SOUP"], "price": [99.0]}
    answer = {"features": features, "probabilities": [0.25], "model": "xgboost"}
    demo._print_answer({"asked": asked, "answer": answer})
    out = capfd.readouterr().out
    assert "household 7 buys in SOUP within 7 days with probability 0.250 (xgboost)" in out
    assert "affinity_due" in out
    assert out.count("lines_") == 11
    assert "All 31: " in out


def test_nobody_to_ask(shop: Path) -> None:
    """With a clock outside the shop's history, the demo says what to do."""
    with pytest.raises(SourceError, match="No purchases in the 28 days before 2030-01-01"):
        demo._whom_to_ask(Settings.load(shop, {"STOREKEEPER_CLOCK": "2030-01-01"}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """A project without data, and the variables that give it a few real households."""
    pytest.importorskip(PACKAGE)
    import shutil

    root = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "feature_repo", root / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    return Project(root), {"PYTHONPATH": str(write_small_journey(root / "site"))}


@pytest.mark.slow
def test_the_whole_demo(whole: tuple[Project, dict[str, str]]) -> None:
    """From nothing to a proven prediction; a second run repeats nothing and ends the same; --fresh starts anew."""
    project, variables = whole
    first = project.run("storekeeper", "demo", **variables)
    assert first.returncode == 0, first.stderr
    assert [int(n) for n in re.findall(r"^(\d)\. ", first.stdout, re.MULTILINE)] == list(range(1, 9))
    for model in ("rule", "logistic", "xgboost", "dnn-reference"):
        assert f"{model} v1" in first.stdout
    again = project.run("storekeeper", "demo", **variables)
    assert again.returncode == 0, again.stderr
    for kept in ("is loaded already and unchanged", "unchanged, kept", "unchanged"):
        assert kept in again.stdout
    assert "│ built" not in again.stdout
    assert len(list((project.root / "data" / "models").glob("*/*/*"))) == 4
    assert len(list((project.root / "data" / "reports").iterdir())) == 1
    ends = [_end_of(ended.stdout) for ended in (first, again)]
    assert ends[0] == ends[1]
    # The served log grows: the first run's vectors are proven again with the second's.
    proofs = [
        re.search(r"Proof: ([\d,]+) served vectors x (\d+) features = ([\d,]+) values", ended.stdout).groups()  # type: ignore[union-attr]
        for ended in (first, again)
    ]
    assert [proof[0] for proof in proofs] == ["501", "1,002"]


def _end_of(out: str) -> str:
    """The last part of the demo, without how many were proven (the log grows) and how long it took."""
    end = out.split("\n8. ")[1].rsplit("\nDone in", 1)[0]
    places = [end.index(part) for part in ("Served: household", "affinity_", "xgboost v1", "Report: ", "Proof: ")]
    assert places == sorted(places)
    assert "0 differ" in end.splitlines()[-1]
    assert len(end.splitlines()) < 50
    return end.split("Proof: ")[0]
