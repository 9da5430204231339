"""`storekeeper monitor` on a small synthetic shop: planted drift and planted stale views are found and named."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from storekeeper.audit.log import MODEL, PROBABILITY, REQUEST_ID, TASK, VERSION, ServedLog
from storekeeper.cli import output
from storekeeper.settings import Settings

NOW = datetime(2017, 12, 31, tzinfo=UTC)
VIEW, PLANTED = "customer_category_affinity", "affinity_lines_91d"


def training_rows(home: Path) -> pa.Table:
    """The training set's rows."""
    (path,) = (home / "data" / "datasets" / "purchase").glob("*/data.parquet")
    return pq.read_table(path)


def serve_rows(home: Path, table: pa.Table, *, model: str = "xgboost", service: str = "purchase") -> int:
    """Put rows into the served log as if a model had been given them; returns how many."""
    rows = table.num_rows
    table = table.drop_columns([name for name in ("label", "event_timestamp") if name in table.column_names])
    for name, value in ((REQUEST_ID, "r"), (TASK, "purchase"), (MODEL, model), (VERSION, 1), (PROBABILITY, 0.5)):
        table = table.append_column(name, pa.repeat(pa.scalar(value), rows))
    with ServedLog(Settings.load(home, {}).served_dir, flush_seconds=3600) as log:
        log.append(service, "d" * 64, NOW, table)
    return rows


def changed(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, name, values)


def drifted(table: pa.Table) -> pa.Table:
    """The rows with one feature moved and another gone."""
    moved = changed(table, PLANTED, pc.add(table.column(PLANTED), 50))
    return changed(moved, "price_ratio", pa.nulls(table.num_rows, table.column("price_ratio").type))


def statuses(document: dict[str, Any]) -> dict[str, str]:
    (served,) = document["served"]
    return {feature["feature"]: feature["status"] for feature in served["features"]}


def test_served_as_trained(ready: Path, run: Any) -> None:
    """Vectors that are the training set's own rows drift nowhere; every view is fresh."""
    rows = serve_rows(ready, training_rows(ready))
    document = run(ready, "monitor", "--json", "--fail-on", "warn").done().document
    assert document["status"] == "ok"
    (served,) = document["served"]
    assert (served["service"], served["vectors"], served["rows"]) == ("purchase", rows, rows)
    assert served["models"] == ["purchase/xgboost 1"]
    assert {feature["psi"] for feature in served["features"]} <= {0.0, None}
    assert len(served["features"]) > 50
    assert {view["status"] for view in document["views"]} == {"ok"}
    assert {view["lag_seconds"] for view in document["views"]} == {0.0}
    affinity = next(view for view in document["views"] if view["view"] == VIEW)
    assert affinity["newest_in_state"] == affinity["newest_in_source"]
    assert affinity["entities"] > 0


def test_planted_drift_is_named(ready: Path, run: Any) -> None:
    """A feature that was moved and one that went missing are alerts, and no other; `--fail-on` names them."""
    serve_rows(ready, drifted(training_rows(ready)))
    outcome = run(ready, "monitor", "--json", "--fail-on", "alert")
    found = {name: status for name, status in statuses(outcome.document).items() if status not in {"ok", "unknown"}}
    assert found == {PLANTED: "alert", "price_ratio": "alert"}
    assert outcome.code == 1
    assert f"feature '{PLANTED}' of service 'purchase'" in outcome.err
    assert "feature 'price_ratio' of service 'purchase'" in outcome.err
    gone = outcome.document["served"][0]["features"][0]
    assert (gone["served_nulls"], gone["note"]) == (1.0, "always null when served")


def test_a_planted_stale_view_is_named(ready: Path, run: Any) -> None:
    """Three days of events that were not materialised make the view over them an alert, until it is materialised."""
    later = NOW + timedelta(days=3)
    outcome = run(ready, "monitor", "--json", "--fail-on", "alert", STOREKEEPER_CLOCK=later.isoformat())
    found = {view["view"]: view["status"] for view in outcome.document["views"]}
    assert found[VIEW] == "alert"
    assert outcome.code == 1
    assert f"view '{VIEW}' (its source has events up to 2018-01-0" in outcome.err
    assert run(ready, "materialize", STOREKEEPER_CLOCK=later.isoformat()).code == 0
    assert run(ready, "monitor", "--fail-on", "warn", STOREKEEPER_CLOCK=later.isoformat()).code == 0


def test_thresholds_are_settings(ready: Path, run: Any) -> None:
    """Options and variables move the thresholds; ones in the wrong order are refused by name."""
    serve_rows(ready, drifted(training_rows(ready)))
    found = run(ready, "monitor", "--json", "--psi-alert", "100").done().document
    assert statuses(found)[PLANTED] == "warn"
    variables = {"STOREKEEPER_PSI_WARN": "50", "STOREKEEPER_PSI_ALERT": "100"}
    assert statuses(run(ready, "monitor", "--json", **variables).done().document)[PLANTED] == "ok"
    few = run(ready, "monitor", "--json", "--min-vectors", "1000000").done().document
    assert set(statuses(few).values()) == {"unknown"}
    refused = run(ready, "monitor", "--psi-warn", "0.5")
    assert (refused.code, refused.out) == (2, "")
    assert "psi_warn" in refused.err
    assert run(ready, "monitor", "--lag-warn-hours", "nan").code == 2


def test_the_table(ready: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For people: views and the features that drift most, the planted one among them, and what is left out is said."""
    serve_rows(ready, drifted(training_rows(ready)))
    monkeypatch.setattr(output.console, "width", 200)
    words = run(ready, "monitor").done().words
    assert "Freshness" in words
    assert VIEW in words
    assert f"{PLANTED} │ alert" in words
    assert "more features drift less" in words


class _References(HTMLParser):
    """Whatever a page would load, and how deep its tags are."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.texts: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "srcset", "data"}]
        self.loads += [tag] if tag in {"script", "link", "iframe"} else []
        self.pictures += tag == "svg"

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_the_page(ready: Path, run: Any) -> None:
    """The page loads nothing, names what was planted, and has pictures of every feature that was compared."""
    serve_rows(ready, drifted(training_rows(ready)))
    outcome = run(ready, "monitor", "--html", "pages/monitor.html").done()
    assert "pages/monitor.html" in outcome.out
    text = (ready / "pages" / "monitor.html").read_text(encoding="utf-8")
    page = _References()
    page.feed(text)
    assert page.loads == []
    assert "url(" not in text
    assert "@import" not in text
    assert "2 alerts" in page.texts
    assert page.texts.count(PLANTED) == 2
    document = run(ready, "monitor", "--json").document
    compared = [feature for feature in document["served"][0]["features"] if feature["bins"]]
    numbers = [feature for feature in compared if feature["ks"] is not None]
    assert page.pictures == len(compared) + len(numbers) > 60
    assert [path.name for path in (ready / "pages").iterdir()] == ["monitor.html"]


def test_names_of_features_are_text_on_the_page(ready: Path, run: Any) -> None:
    """What comes from data is never markup."""
    table = training_rows(ready)
    names = pa.array(["<script>alert(1)</script>"] * table.num_rows)
    serve_rows(ready, changed(table, "category", names))
    run(ready, "monitor", "--html", "page.html").done()
    assert "<script" not in (ready / "page.html").read_text(encoding="utf-8")


def test_nothing_served(ready: Path, run: Any) -> None:
    """Without vectors there is freshness all the same, and a word on what is missing."""
    assert run(ready, "monitor", "--json").done().document["served"] == []
    outcome = run(ready, "monitor", "--html", "page.html").done()
    assert "No vectors were served since 2017-12-24 00:00 UTC" in outcome.words
    assert "No vectors were served" in (ready / "page.html").read_text(encoding="utf-8")
    assert "No vectors were served yet" in run(ready, "monitor", "--since", "all").done().words


@pytest.mark.parametrize(
    ("since", "served"), [("7d", 1), ("0s", 1), ("2017-12-31", 1), ("2017-12-31T00:00:01Z", 0), ("all", 1)]
)
def test_since(ready: Path, run: Any, since: str, served: int) -> None:
    """A span before the clock's now, an instant, or all."""
    serve_rows(ready, training_rows(ready).slice(0, 5))
    assert len(run(ready, "monitor", "--json", "--since", since).done().document["served"]) == served


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--service", "nothing"), "There is no feature service 'nothing'. There are: 'churn', 'click'"),
        (("--against", "ffff"), "There is no training set 'ffff'"),
        (("--since", "soon"), "--since takes a span such as 7d"),
        (("--since", "99999999999d"), "--since takes a span such as 7d"),
        (("--html", "."), "--html takes the name of a file"),
        (("--html", "data/shop.db/page.html"), "can't be written"),
    ],
    ids=["service", "dataset", "since", "overflow", "folder", "html"],
)
def test_what_does_not_exist(ready: Path, run: Any, options: tuple[str, ...], told: str) -> None:
    """What can't be done is one message that says what there is: exit code 2, nothing printed."""
    outcome = run(ready, "monitor", *options)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err


def test_one_service(ready: Path, run: Any) -> None:
    """A service alone: its vectors, and the views behind it."""
    serve_rows(ready, training_rows(ready).slice(0, 5))
    serve_rows(ready, training_rows(ready).slice(0, 5), service="click")
    both = run(ready, "monitor", "--json").done().document
    one = run(ready, "monitor", "--json", "--service", "click").done().document
    assert [served["service"] for served in both["served"]] == ["click", "purchase"]
    assert [served["service"] for served in one["served"]] == ["click"]
    assert len(one["views"]) < len(both["views"])


def test_models_that_are_gone(ready: Path, run: Any) -> None:
    """Vectors of a model that is gone are told, and can be held against a training set by name."""
    rows = serve_rows(ready, training_rows(ready), model="gone")
    document = run(ready, "monitor", "--json").done().document
    (served,) = document["served"]
    assert (served["vectors"], served["features"], served["status"]) == (rows, [], "unknown")
    assert "--against" in served["problem"]
    assert "not compared" in run(ready, "monitor").done().words
    (folder,) = (ready / "data" / "datasets" / "purchase").iterdir()
    (named,) = run(ready, "monitor", "--json", "--against", folder.name[:6]).done().document["served"]
    assert (named["rows"], named["status"], named["problem"]) == (rows, "ok", "")


def test_a_dataset_without_the_feature(ready: Path, run: Any) -> None:
    """A feature that the training set doesn't have is told, and doesn't hide the others."""
    serve_rows(ready, training_rows(ready))
    (folder,) = (ready / "data" / "datasets" / "purchase").iterdir()
    pq.write_table(training_rows(ready).drop_columns([PLANTED]), folder / "data.parquet")
    found = run(ready, "monitor", "--json").done().document
    assert statuses(found)[PLANTED] == "unknown"
    notes = {feature["feature"]: feature["note"] for feature in found["served"][0]["features"]}
    assert notes[PLANTED] == "not in the training set"
    assert "ok" in statuses(found).values()
    shutil.rmtree(folder)
    (gone,) = run(ready, "monitor", "--json").done().document["served"]
    assert "There is no training set" in gone["problem"]


def test_lost_vectors_are_told(ready: Path, run: Any) -> None:
    """How many vectors were served and never logged stands beside the figures that lack them."""
    folder = ready / "data" / "served"
    folder.mkdir()
    (folder / "ab.losses.json").write_text(json.dumps({"dropped": 7, "problem": None}), encoding="utf-8")
    assert run(ready, "monitor", "--json").done().document["missing"] == 7
    told = run(ready, "monitor", "--html", "page.html").done().words
    assert "7 vectors were served and are not in the log" in told
    assert "7 vectors were served and are not in the log" in (ready / "page.html").read_text(encoding="utf-8")
