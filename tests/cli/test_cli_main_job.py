"""Every command of the main job on a small synthetic shop, run as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storekeeper.ledger import Ledger
from storekeeper.settings import Settings

VIEWS = 12
# Over what the small shop lacks: returns, and what campaigns are.
EMPTY = {"campaign_profile", "customer_returns", "product_returns"}


def serve_some(home: Path) -> int:
    """Serve real predictions, which are kept in the served log; returns how many vectors."""
    from storekeeper_serving.engine import Engine

    entities = {"customer_id": list(range(1, 41)), "category": ["SOUP", "KÄSE", "", "nowhere"] * 10}
    body = {"entities": entities, "context": {"price": [199.0] * 40}}
    engine = Engine(Settings.load(home))
    try:
        engine.predict("purchase", json.dumps(body).encode())
    finally:
        engine.close()
    return 40


def rewrite_served(home: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the one file of the served log."""
    (path,) = (home / "data" / "served").glob("*/*/*.parquet")
    table = pq.read_table(path)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


def test_apply(shop: Path, run: Any) -> None:
    """It lists every view with the number of its own features, and every service, for people and for machines."""
    document = run(shop, "apply", "--json").done().document
    counts = {view["name"]: view["features"] for view in document["views"]}
    assert len(counts) == VIEWS
    assert counts["behaviour_history"] == 2
    assert counts["customer_category_affinity"] == 15
    assert document["services"] == ["churn", "click", "next_item", "purchase", "return", "sales"]
    shown = run(shop, "apply").done().out
    assert all(name in shown for name in [*counts, *document["services"]])


def test_dataset_build_is_repeatable(shop: Path, run: Any) -> None:
    """The first build writes the set, a second keeps it, a forced one writes the same content again."""
    first = run(shop, "dataset", "build", "purchase", "--json").done().document
    again = run(shop, "dataset", "build", "purchase", "--json").done().document
    forced = run(shop, "dataset", "build", "purchase", "--force", "--json").done().document
    assert [document["reused"] for document in (first, again, forced)] == [False, True, False]
    assert first["content_hash"] == again["content_hash"] == forced["content_hash"]
    assert first["dataset_hash"] == forced["dataset_hash"]
    (folder,) = (shop / "data" / "datasets" / "purchase").iterdir()
    assert folder == Path(first["folder"])
    assert pq.read_metadata(folder / "data.parquet").num_rows == first["rows"]
    assert "unchanged, kept" in run(shop, "dataset", "build", "purchase").done().out


def test_train_and_evaluate(ready: Path, run: Any) -> None:
    """Trained models are kept, shown again by evaluate with the same figures, and trained anew when forced."""
    kept = run(ready, "train", "purchase", "--model", "rule", "--model", "logistic", "--json").done().document
    shown = run(ready, "evaluate", "purchase", "--json").done().document
    forced = run(ready, "train", "purchase", "--model", "rule", "--force", "--json").done().document
    figures = {model["model"]: model["test"] for model in shown["models"]}
    assert {model["model"] for model in kept["models"]} == {"rule", "logistic"}
    assert all(model["reused"] and model["test"] == figures[model["model"]] for model in kept["models"])
    assert set(figures) == {"rule", "logistic", "xgboost"}
    assert [(model["version"], model["reused"]) for model in forced["models"]] == [(2, False)]
    assert forced["models"][0]["test"] == figures["rule"]
    only = run(ready, "evaluate", "purchase", "--model", "xgboost").done()
    assert "xgboost" in only.out
    assert "logistic" not in only.out
    assert Path(only.out.split("Report: ")[1].strip()).is_file()


def test_materialize(shop: Path, run: Any) -> None:
    """All views are built once; then nothing is, until asked by force; a single view can be named."""
    one = run(shop, "materialize", "--view", "customer_offers", "--json").done().document
    rest = run(shop, "materialize", "--json").done().document
    again = run(shop, "materialize", "--json").done().document
    forced = run(shop, "materialize", "--force", "--view", "customer_offers", "--json").done().document
    assert [(view["view"], view["state"]) for view in one] == [("customer_offers", "built")]
    assert {view["view"]: view["state"] for view in rest if view["state"] == "unchanged"} == {
        "customer_offers": "unchanged"
    }
    assert [view["state"] for view in again] == ["unchanged"] * VIEWS
    assert [view["entities"] for view in again] == [view["entities"] for view in rest]
    assert [view["state"] for view in forced] == ["built"]
    assert "unchanged" in run(shop, "materialize").done().out
    assert len(Ledger(Settings.load(shop).database_url).list_materialisations()) == VIEWS + 1


def test_materialize_until(shop: Path, run: Any) -> None:
    """State stands at the asked instant, then at the clock's now; it never goes back, and what is told is true."""
    early = run(shop, "materialize", "--view", "customer_offers", "--until", "2017-12-01", "--json").done().document
    late = run(shop, "materialize", "--view", "customer_offers", "--json").done().document
    back = run(shop, "materialize", "--view", "customer_offers", "--until", "2017-12-01", "--json").done().document
    now = Settings.load(shop).clock.now()
    assert [document[0]["until"] for document in (early, late, back)] == [
        "2017-12-01T00:00:00+00:00",
        now.isoformat(),
        now.isoformat(),
    ]
    recorded = Ledger(Settings.load(shop).database_url).list_materialisations("customer_offers")
    assert sorted({record.end.isoformat() for record in recorded}) == ["2017-12-01T00:00:00+00:00", now.isoformat()]


def test_audit(ready: Path, run: Any) -> None:
    """What was served and all online state equal their history: exit code 0, and every value is counted."""
    assert "Nothing was served yet" in run(ready, "audit").done().words
    vectors = serve_some(ready)
    outcome = run(ready, "audit", "--views").done()
    document = run(ready, "audit", "--views", "--json").done().document
    (served,) = document["served"]
    assert (served["vectors"], served["differing"], served["skipped"]) == (vectors, 0, "")
    assert served["compared"] == vectors * served["features"] > 1000
    assert len(document["views"]) == VIEWS
    assert all(view["differing"] == 0 for view in document["views"])
    assert {view["view"] for view in document["views"] if not view["compared"]} == EMPTY
    assert f"{served['compared']:,} values replayed offline, 0 differ" in outcome.words


def test_audit_of_tampered_vectors(ready: Path, run: Any) -> None:
    """Values that were not served as history has them are counted and named: exit code 1."""
    serve_some(ready)

    def change(table: pa.Table) -> pa.Table:
        wrong = [value + 1 for value in table.column("lines_91d").to_pylist()]
        at = table.column_names.index("lines_91d")
        return table.set_column(at, "lines_91d", pa.array(wrong, table.schema.field(at).type))

    rewrite_served(ready, change)
    outcome = run(ready, "audit")
    assert outcome.code == 1
    assert "40 differ" in outcome.words
    assert "Error: 40 values differ" in outcome.err
    assert "lines_91d: online" in outcome.err
    document = json.loads(run(ready, "audit", "--json").out)
    assert document["served"][0]["differing"] == 40
    assert document["served"][0]["examples"][0]["feature"] == "lines_91d"


def test_audit_after_a_redefinition(ready: Path, run: Any) -> None:
    """Vectors served under other definitions are said to be left out; they never count as proven."""
    serve_some(ready)
    file = ready / "feature_repo" / "customer_views.py"
    file.write_text(file.read_text().replace('over_days("products"', 'over_days("goods"'))
    run(ready, "apply").done()
    outcome = run(ready, "audit").done()
    assert "redefined" in outcome.out
    assert "0 differ" not in outcome.words


@pytest.mark.parametrize(
    "command",
    [
        ("apply",),
        ("dataset", "build", "purchase"),
        ("train", "purchase", "--model", "rule"),
        ("evaluate", "purchase"),
        ("materialize",),
        ("audit", "--views"),
    ],
    ids=lambda command: command[0],
)
def test_json_is_one_document(ready: Path, run: Any, command: tuple[str, ...]) -> None:
    """With --json, stdout is one JSON document and nothing else; people's words go to stderr or nowhere."""
    assert run(ready, *command, "--json").done().document
