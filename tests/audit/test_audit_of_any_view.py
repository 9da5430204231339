"""Services of every shape are audited: views without keys, keys under other names, lists, text keys."""

from pathlib import Path

import pyarrow as pa
import pytest

from projects import NOW, Project
from storekeeper.audit.log import ServedLog
from storekeeper.audit.replay import audit_served
from storekeeper.audit.witness import Witness
from storekeeper.online.reader import FeatureReader

DECLARED = """
def log(name): return DuckDBSource(
    name=name, database="data/behaviour.duckdb", table="clicks", timestamp_field="at")

whole = StreamFeatureView(
    name="whole", entities=[], timestamp_field="at", schema=[Field(name="all_clicks", dtype=Int64)],
    source=PushSource(name="all_clicks_source", batch_source=log("all_log")),
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="all_clicks")],
)
bought = StreamFeatureView(
    name="bought", entities=[user], timestamp_field="at",
    schema=[Field(name="items", dtype=Array(String)), Field(name="clicks", dtype=Int64)],
    source=PushSource(name="clicks_source", batch_source=log("user_log")),
    aggregations=[
        Aggregation(column="item", function="last_n(3)", time_window=timedelta(days=7), name="items"),
        Aggregation(function="count", time_window=timedelta(days=7), name="clicks"),
    ],
)
shop = FeatureService(
    name="shop", features=[whole, bought.with_join_key_map({"user_id": "buyer_id"}).with_name("buyers")])
"""


def clicks(*rows: tuple[int, str, str]) -> pa.Table:
    """Clicks: user, item, time."""
    users, items, times = zip(*rows, strict=True)
    at = pa.array(times, pa.string()).cast(pa.timestamp("us"))
    return pa.table({"user_id": pa.array(users, pa.int64()), "item": list(items), "at": at})


@pytest.fixture
def log(project: Project) -> Path:
    """The log of vectors whose state lacks a click of today."""
    before = clicks((1, "tea", "2020-02-27"), (2, "soup", "2020-02-28"))
    project.add_duckdb("clicks", before)
    store = project.apply(DECLARED)
    for view in store.all_feature_views():
        store.materialise_view(view)
    project.add_duckdb("clicks", pa.concat_tables([before, clicks((1, "bread", "2020-02-29T12:00:00"))]))
    reader, witness = FeatureReader(store, "shop"), Witness.of(store, "shop")
    asked = {"buyer_id": [1, 2, 3]}
    evidence, found = witness.testify(), reader.read_table(asked, {}, NOW)
    vectors = pa.table({**asked, **{name: found.column(name) for name in found.column_names}})
    with ServedLog(project.root / "served") as served:
        served.append("shop", witness.definition_hash, NOW, vectors, evidence)
    return project.root / "served"


def test_late_in_every_shape(project: Project, log: Path) -> None:
    """A view without keys is late in every vector, a list in the one it is about; entities go by the caller's names."""
    (audit,) = audit_served(project.open(), log)
    (finding,) = audit.findings
    assert (finding.label, finding.values, finding.vectors) == ("late", 5, 3)
    assert finding.by_view() == {"whole": 3, "bought": 2}
    assert finding.entities == 2
    entities = {example.feature: dict(example.entity) for example in finding.examples}
    assert entities == {"all_clicks": {}, "items": {"buyer_id": 1}, "clicks": {"buyer_id": 1}}
    (items,) = (example for example in finding.examples if example.feature == "items")
    assert (items.online, items.offline) == (["tea"], ["tea", "bread"])
