"""The `online_store` block of feature_store.yaml: which backend it names, and that it holds no secret."""

from datetime import timedelta
from typing import Any

import feast
import pandas as pd
import pytest
import yaml

from projects import NOW, Project
from servers.postgres_server import Postgres
from storekeeper.errors import SettingError
from storekeeper.online.reader import FeatureReader
from storekeeper.online.store import retry_horizon_of
from storekeeper.store import load_config

DAY = timedelta(days=1)
VIEWS = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
latest = FeatureView(name="latest", entities=[user], source=log, schema=[Field(name="word", dtype=String)])
activity = StreamFeatureView(
    name="activity", entities=[user], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[Field(name="n", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="n")],
)
service = FeatureService(name="service", features=[latest, activity])
"""


def _set(project: Project, **options: Any) -> None:
    file = project.repo / "feature_store.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["online_store"] |= options
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "redis://:geheim@db"), ("path", "postgresql://anna:geheim@db/shop"), ("url_env", "redis://:geheim@db"),
        ("url_env", "anna:geheim@db"), ("connection_string", "redis://geheim@db:6379,password=geheim"),
    ],
)  # fmt: skip
def test_urls_are_refused(project: Project, name: str, value: str) -> None:
    """A URL in the file is an error that says where it belongs and doesn't repeat it, for plain Feast too."""
    _set(project, backend="redis", **{name: value})
    with pytest.raises(SettingError, match=rf"online_store\.{name} must not hold a URL.*STOREKEEPER_REDIS_URL") as ours:
        load_config(project.repo)
    with pytest.raises(TypeError, match="must not hold a URL") as plain:
        feast.FeatureStore(str(project.repo))
    for caught in (ours.value, ours.value.__cause__, plain.value):
        assert "geheim" not in str(caught)


def test_other_backends_are_refused(project: Project) -> None:
    """What isn't offered is an error that lists what is."""
    _set(project, backend="mysql")
    with pytest.raises(SettingError, match=r"'sqlite', 'postgres' or 'redis'"):
        load_config(project.repo)


def test_the_retry_horizon_is_a_length_of_time(project: Project) -> None:
    """One day if nothing is said; what is none is an error that names the setting."""
    assert retry_horizon_of(load_config(project.repo)) == DAY
    _set(project, retry_horizon="36h")
    assert retry_horizon_of(load_config(project.repo)) == 1.5 * DAY
    _set(project, retry_horizon="a while")
    with pytest.raises(SettingError, match=r"online_store\.retry_horizon must be a length of time.*'a while'"):
        retry_horizon_of(load_config(project.repo))


def test_a_missing_variable_is_named(project: Project) -> None:
    """Reading, not opening the store, needs the server."""
    project.add_duckdb("log", [{"user_id": 1, "at": NOW - DAY, "word": "a"}])
    store = project.apply(VIEWS)
    _set(project, backend="redis", url_env="OWN_REDIS")
    with pytest.raises(SettingError, match="OWN_REDIS"):
        project.open().get_online_features(features=["latest:word"], entity_rows=[{"user_id": 1}])
    assert store.get_online_features(features=["latest:word"], entity_rows=[{"user_id": 1}]).to_dict()["word"] == [None]


def test_a_shop_on_postgres(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Materialised, written and read through Feast and by a reader; torn down, nothing is left of the project."""
    monkeypatch.setenv("SHOP_ONLINE", postgres.make_database("shop_online"))
    _set(project, backend="postgres", url_env="SHOP_ONLINE", schema_name="features")
    project.add_duckdb(
        "log", [{"user_id": 1, "at": NOW - DAY, "word": "ä"}, {"user_id": 2, "at": NOW - DAY, "word": "b"}]
    )
    store = project.apply(VIEWS)
    store.materialize(NOW - 30 * DAY, NOW)
    store.write_to_online_store("latest", pd.DataFrame([{"user_id": 2, "at": NOW - DAY / 2, "word": "newer"}]))
    rows = [{"user_id": 1}, {"user_id": 2}, {"user_id": 77}]
    found = store.get_online_features(features=["latest:word", "activity:n"], entity_rows=rows).to_dict()
    assert (found["word"], found["n"]) == (["ä", "newer", None], [1, 1, 0])
    read = FeatureReader(store, "service").read_table({"user_id": [77, 2, 1]})
    assert read.to_pydict() == {"word": [None, "newer", "ä"], "n": [0, 1, 1]}
    assert not (project.root / "data" / "online.db").exists()
    with postgres.connect("shop_online") as database:
        assert database.execute("SELECT view FROM features.views ORDER BY 1").fetchall() == [
            ("small/activity",), ("small/latest",),
        ]  # fmt: skip
        store.teardown()
        assert database.execute("SELECT count(*) FROM features.views").fetchone() == (0,)
    store._get_provider().online_store.backend(store.config).close()
