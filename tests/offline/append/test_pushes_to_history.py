"""Pushing into history appends each event once, and only what was accepted."""

import asyncio
from typing import Any

import feast
import pandas as pd
import pytest
from feast.data_source import PushMode

from offline.append.every_history import SOURCES, ask, new_row
from projects import Project, at

ONE_VIEW = """
rows = DuckDBSource(
    name="rows", database="data/behaviour.duckdb", table="rows", timestamp_field="at", created_timestamp_column="known",
)
one = FeatureView(
    name="one", entities=[user], source=PushSource(name="one_push", batch_source=rows),
    schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String)],
)
"""


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("client", ["ours", "feast"])
def test_a_push_into_history_appends_once(store: Any, project: Project, source: str, client: str) -> None:
    """Two views share the push source's history, and an event pushed once is one event; any pandas index will do."""
    frame = pd.DataFrame([new_row(2, "2020-02-03"), new_row(1, "2020-02-03", 2), new_row(1, "2020-02-04", 3)])
    if source == "mapped":
        frame.columns = pd.Index(["u", "t", "k", "c", "p", "w"])
    opened = store if client == "ours" else feast.FeatureStore(str(project.repo))
    opened.push(f"{source}_push", frame.iloc[1:].rename_axis("row"), to=PushMode.OFFLINE)
    assert ask(store, source, [1, 2], "2020-02-10") == [(3, "new", 3, 10), (7, "old", 1, 7)]


def test_an_asynchronous_push_appends_once(store: Any) -> None:
    """As a feature server pushes."""
    asyncio.run(store.push_async("duckdb_push", pd.DataFrame([new_row(1, "2020-02-03", 2)]), to=PushMode.OFFLINE))
    assert ask(store, "duckdb", [1], "2020-02-10") == [(2, "new", 2, 7)]


def test_a_push_to_both_appends_only_what_was_written_online(project: Project) -> None:
    """A row that is rejected goes nowhere; pushed again when its time has come, it is there once."""
    project.declare(ONE_VIEW)
    store = project.apply()
    early, fine = (pd.DataFrame([new_row(1, moment, 2)]) for moment in ("2020-05-01", "2020-02-03"))
    report = store.push("one_push", early, to=PushMode.ONLINE_AND_OFFLINE)
    assert (report.accepted, "clock" in report.rejected[0].reason) == (0, True)
    store.push("one_push", fine, to=PushMode.ONLINE_AND_OFFLINE)
    found = store.get_online_features(features=["one:word", "one:cents"], entity_rows=[{"user_id": 1}]).to_dict()
    assert (found["word"], found["cents"]) == (["new"], [2])
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [at("2020-06-01")]})
    history = store.get_historical_features(entity_df=spine, features=["one:cents"]).to_df()
    assert history["cents"].tolist() == [2]


def test_a_push_without_knowledge_time_is_known_now(store: Any) -> None:
    """Feast would refuse the rows; here the clock's now is when they became known."""
    frame = pd.DataFrame([new_row(1, "2020-02-03", 2)]).drop(columns="known")
    store.push("duckdb_push", frame, to=PushMode.OFFLINE)
    store.write_to_offline_store("sql_latest", frame)
    for source in ("duckdb", "sql"):
        assert ask(store, source, [1], "2020-02-29", filter_by_created_timestamp=True) == [(5, "old", 1, 5)]
        assert ask(store, source, [1], "2020-03-01", filter_by_created_timestamp=True) == [(2, "new", 2, 7)]
