"""`storekeeper audit` as a user runs it: tables, a page, JSON and exit codes."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from command_line import Outcome, run_here
from storekeeper.cli import output
from storekeeper.settings import CONFIG_FILE, REPO_FOLDER, Settings

Run = Callable[..., Outcome]


@pytest.fixture
def home(ready_home: Path, tmp_path: Path) -> Path:
    """A shop that is ready to serve."""
    shutil.copytree(ready_home, tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def run(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("--json")` runs the audit."""
    monkeypatch.setattr(output.console, "width", 250)

    def call(*options: str) -> Outcome:
        capfd.readouterr()
        return Outcome(run_here(home, ["audit", *options], monkeypatch), *capfd.readouterr())

    return call


def three_days_later(home: Path) -> None:
    """Let the clock go on while nobody materialises."""
    config = home / REPO_FOLDER / CONFIG_FILE
    config.write_text(config.read_text().replace("2017-12-31", "2018-01-03"))


def serve(home: Path, customers: list[int]) -> None:
    """Serve predictions through the real server's engine."""
    from storekeeper_serving.engine import Engine

    engine = Engine(Settings.load(home, {}))
    entities = {"customer_id": customers, "category": "SOUP"}
    try:
        engine.predict("purchase", json.dumps({"entities": entities, "context": {"price": 250.0}}).encode())
    finally:
        engine.close()


def test_late_values_are_reported_and_explained(home: Path, run: Run) -> None:
    """Values that lack the events since the last materialisation are counted and named; the exit code is 0."""
    three_days_later(home)
    serve(home, list(range(1, 21)))
    told = run().done().words
    assert "Why served values differ" in told
    assert "late: Rows that happened before the vector's time were not in the online state yet" in told
    assert "stood at 2017-12-31 00:00:00Z" in told
    assert re.search(r"Proof: 20 served vectors x \d+ features = [\d,]+ values replayed offline, \d+ differ", told)
    document = run("--json").done().document
    assert document["unexplained"] == 0
    assert document["differing"] == sum(one["values"] for one in document["served"][0]["classes"]) > 20
    assert {one["causes"][0] for one in document["served"][0]["classes"]} == {"late"}
    example = document["served"][0]["examples"][0]
    assert example.keys() == {"row", "served_at", "view", "feature", "entity", "served", "replayed", "why"}


def test_unexplained_values_fail(home: Path, run: Run) -> None:
    """Rewritten history explains nothing: exit code 1, with the page and JSON written all the same."""
    import duckdb

    serve(home, [1, 2])
    with duckdb.connect(str(home / "data" / "behaviour.duckdb")) as connection:
        connection.execute("DELETE FROM events WHERE customer_id = 1 AND event_type = 'purchase'")
    page = home / "out" / "audit.html"
    outcome = run("--html", str(page))
    assert outcome.code == 1
    assert "values differ between online and offline, and nothing explains it. First: " in outcome.err
    assert "rows of source purchase_log were changed or removed" in outcome.words
    assert "nothing explains it" in page.read_text(encoding="utf-8")
    assert json.loads(run("--json").out)["unexplained"] > 0


def test_losses_are_told(home: Path, run: Run) -> None:
    """Vectors that were served and are not in the log are told in the terminal, as JSON and on the page."""
    serve(home, [1, 2])
    (home / "data" / "served" / "00000000.losses.json").write_text('{"dropped": 3, "problem": null, "appended": 5}')
    page = home / "audit.html"
    told = run("--html", str(page)).done().words
    assert "5 of 7 vectors were served but not logged, and so not audited: 3 were dropped" in told
    assert "5 of 7 vectors were served but not logged" in page.read_text(encoding="utf-8")
    losses = run("--json").done().document["losses"]
    assert (losses["served"], losses["dropped"], losses["lost"], losses["waiting"]) == (7, 3, 2, 0)


class _Page(HTMLParser):
    """Tags left open, addresses asked for, and pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.bars = self.pictures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "srcset"}]
        self.bars, self.pictures = self.bars + (tag == "rect"), self.pictures + (tag == "svg")
        if tag not in {"meta", "line", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "line":
            assert self.open.pop() == tag


def test_the_page_stands_alone(home: Path, run: Run) -> None:
    """The page asks for nothing beside itself, is well-formed, and has a picture for each view that differs."""
    three_days_later(home)
    serve(home, list(range(1, 21)))
    path = home / "audit.html"
    document = run("--html", str(path), "--views", "--json").document
    text = path.read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert page.addresses == []
    assert "url(" not in text
    assert "@import" not in text
    views = {view for one in document["served"][0]["classes"] for view in one["views"]}
    assert page.pictures == len(views) >= 3
    assert page.bars >= page.pictures
    assert all(f"<h3>{view}</h3>" in text for view in views)


def test_a_clean_page(home: Path, run: Run) -> None:
    """Where nothing differs the page says how much was compared, and shows no empty picture."""
    serve(home, [1, 2])
    path = home / "audit.html"
    run("--html", str(path)).done()
    text = path.read_text(encoding="utf-8")
    assert "<h1>Served equals trained</h1>" in text
    assert "values replayed offline, 0 differ" in text
    assert "<svg" not in text


def test_a_page_that_cannot_be_written(home: Path, run: Run) -> None:
    """A path that is no file to write is refused by its name."""
    outcome = run("--html", str(home / "data"))
    assert outcome.code == 2
    assert "can't be written" in outcome.err
