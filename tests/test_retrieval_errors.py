"""A question that can't be answered is told what there is, by Storekeeper's store and by Feast's own."""

import asyncio
from collections.abc import Callable
from typing import Any

import feast
import pandas as pd
import pytest
from feast import FeatureView, Field, FileSource
from feast.types import Int64

from projects import NOW, Project, at
from storekeeper.errors import NotFoundError, UsageError
from storekeeper.offline.spine import spine_from_frame

DEFINITIONS = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
latest = FeatureView(name="latest", entities=[user], source=log, schema=[Field(name="big", dtype=Int64)])
windows = StreamFeatureView(
    name="windows", entities=[user], timestamp_field="at",
    schema=[Field(name="n", dtype=Int64), Field(name="total", dtype=Int64)],
    source=PushSource(name="push", batch_source=log),
    aggregations=[Aggregation(function="count", name="n"), Aggregation(column="big", function="sum", name="total")],
)


@on_demand_feature_view(sources=[latest], schema=[Field(name="twice", dtype=Int64)])
def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["big"] * 2})
"""
LOCAL = """
project: plain
provider: local
registry: data/registry.pb
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: data/plain.db
entity_key_serialization_version: 3
"""
SPINE = pd.DataFrame({"user_id": [1], "event_timestamp": [NOW], "label": [1]})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a view of each kind. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("errors"))
    made.configure()
    made.add_duckdb("log", [{"user_id": 1, "at": at("2020-02-01"), "big": 7}])
    made.apply(DEFINITIONS)
    return made


def _ours(project: Project) -> Any:
    return project.open()


def _feasts(project: Project) -> Any:
    return feast.FeatureStore(str(project.repo))


@pytest.mark.parametrize("opened", [_ours, _feasts])
@pytest.mark.parametrize(("view", "has"), [("latest", "'big'"), ("windows", "'n', 'total'"), ("doubled", "'twice'")])
def test_an_unknown_feature_lists_those_that_exist(
    project: Project, opened: Callable[[Project], Any], view: str, has: str
) -> None:
    """Offline, online and awaited: the error names the view, what was asked and what it has."""
    store, asked = opened(project), ["latest:big", f"{view}:nope"]
    told = f"view '{view}' has no feature 'nope'. It has: {has}. .*storekeeper apply"
    with pytest.raises(NotFoundError, match=told):
        store.get_historical_features(entity_df=SPINE, features=asked)
    with pytest.raises(NotFoundError, match=told):
        store.get_historical_features(SPINE, asked, True)
    with pytest.raises(NotFoundError, match=told):
        store.get_online_features(features=asked, entity_rows=[{"user_id": 1}])
    with pytest.raises(NotFoundError, match=told):
        asyncio.run(store.get_online_features_async(asked, [{"user_id": 1}]))


@pytest.mark.parametrize("opened", [_ours, _feasts])
@pytest.mark.parametrize("name", ["label", "user_id", "event_timestamp"])
def test_a_column_twice_is_named(project: Project, opened: Callable[[Project], Any], name: str) -> None:
    """A spine with two columns of one name is refused before anything is read."""
    twice = pd.concat([SPINE, SPINE[[name]]], axis=1)
    told = f"more than one column named '{name}'.*It has: 'event_timestamp', 'label', 'user_id'. Rename or drop"
    with pytest.raises(UsageError, match=told):
        opened(project).get_historical_features(entity_df=twice, features=["latest:big"])
    with pytest.raises(UsageError, match=told):
        spine_from_frame(twice)


def test_a_query_with_a_column_twice_is_refused(project: Project) -> None:
    """One of the two would be lost without a word."""
    query = 'SELECT user_id, "at" AS event_timestamp, 1 AS label, 2 AS label FROM log'
    with pytest.raises(UsageError, match="more than one column named 'label'"):
        project.open().get_historical_features(entity_df=query, features=["latest:big"])


def test_an_error_about_something_else_stays(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all features exist, a KeyError is what it is."""
    store = project.open()
    monkeypatch.setattr(store, "_get_provider", lambda: {}["provider"])
    with pytest.raises(KeyError, match="provider"):
        store.get_historical_features(entity_df=SPINE, features=["latest:big"])
    with pytest.raises(KeyError, match="provider"):
        store.get_online_features(features=["latest:big"], entity_rows=[{"user_id": 1}])


def test_repos_of_others_hear_feast_itself(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repo without Storekeeper's provider is left alone."""
    (tmp_path / "data").mkdir()
    (tmp_path / "feature_store.yaml").write_text(LOCAL, encoding="utf-8")
    SPINE.assign(big=7).to_parquet(tmp_path / "data/log.parquet")
    monkeypatch.chdir(tmp_path)
    store = feast.FeatureStore(str(tmp_path))
    user = feast.Entity(name="user", join_keys=["user_id"], value_type=feast.ValueType.INT64)
    source = FileSource(path=str(tmp_path / "data/log.parquet"), timestamp_field="event_timestamp")
    view = FeatureView(name="latest", entities=[user], source=source, schema=[Field(name="big", dtype=Int64)])
    store.apply([user, view])
    with pytest.raises(KeyError, match="Feature nope not found in projection latest"):
        store.get_historical_features(entity_df=SPINE, features=["latest:nope"])
    with pytest.raises(KeyError, match="Feature nope not found in projection latest"):
        store.get_online_features(features=["latest:nope"], entity_rows=[{"user_id": 1}])
