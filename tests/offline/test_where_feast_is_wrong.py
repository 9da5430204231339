"""Where Feast 0.67's own stores are wrong, one test a case: each must be right here."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast.data_source import PushMode
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from projects import NOW, Project, at

VIEWS = """
TIMES = dict(timestamp_field="at", created_timestamp_column="known")
SOURCES = {
    "duckdb": DuckDBSource(name="duckdb", database="data/behaviour.duckdb", table="log", **TIMES),
    "sql": SQLSource(name="sql", url="sqlite:///data/shop.db", table="log", **TIMES),
    "parquet": FileSource(name="parquet", path="data/log.parquet", **TIMES),
    "csv": FileSource(name="csv", path="data/log.csv", **TIMES),
}
FEATURES = [Field(name="cents", dtype=Int64), Field(name="x_y", dtype=Float64)]
latest, sql, parquet, csv = (
    FeatureView(
        name=name.replace("duckdb", "latest"), entities=[user], ttl=timedelta(days=3), schema=FEATURES,
        source=PushSource(name=f"{name}_push", batch_source=source),
    )
    for name, source in SOURCES.items()
)
windows = StreamFeatureView(
    name="windows", entities=[user], source=PushSource(name="push", batch_source=SOURCES["duckdb"]),
    timestamp_field="at", schema=[Field(name="n_7d", dtype=Int64), Field(name="spend_7d", dtype=Int64)],
    aggregations=[
        Aggregation(function="count", time_window=timedelta(days=7), name="n_7d"),
        Aggregation(column="cents", function="sum", time_window=timedelta(days=7), name="spend_7d"),
    ],
)
other = Entity(name="other", join_keys=["other_id"], value_type=ValueType.INT64)
pairs = FeatureView(
    name="pairs", entities=[user, other], schema=[Field(name="tag", dtype=String)],
    source=DuckDBSource(name="pairs", database="data/behaviour.duckdb", table="pairs", timestamp_field="at"),
)
"""
BIG = 2**53 + 1
LOG = pa.table(
    {
        "user_id": pa.array([1, 1, 1, 2], pa.int64()),
        "at": pa.array([at("2020-02-20"), at("2020-02-28"), at("2020-02-29"), at("2020-02-20")]),
        "known": pa.array([at("2020-02-20"), at("2020-02-28"), at("2020-03-05"), at("2020-02-20")]),
        "cents": pa.array([5, BIG, None, 8], pa.int64()),
        "x_y": [0.5, 1.5, 2.5, 3.5],
    }
)


def _fill(project: Project) -> Any:
    project.add_duckdb("log", LOG)
    moments = pa.array([at("2020-02-20")] * 2)
    project.add_duckdb("pairs", {"user_id": [1, 11], "other_id": [11, 1], "at": moments, "tag": ["1-11", "11-1"]})
    project.add_parquet("data/log.parquet", LOG)
    project.add_csv("data/log.csv", LOG)
    rows = [
        tuple(value.isoformat() if hasattr(value, "isoformat") else value for value in row.values())
        for row in LOG.to_pylist()
    ]
    project.add_sqlite(
        'CREATE TABLE log (user_id BIGINT, "at" TIMESTAMP, known TIMESTAMP, cents BIGINT, x_y FLOAT)',
        rows, "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
    )  # fmt: skip
    return project.apply(VIEWS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One project for all retrievals. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("wrong"))
    project.configure()
    return _fill(project)


@pytest.fixture
def own(make_project: Callable[[str], Project]) -> Any:
    """A project whose history and state a test may change."""
    return _fill(make_project("own"))


def _spine(users: Any, moments: Any, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"user_id": users, "event_timestamp": moments, **columns})


def _frame(store: Any, spine: Any, *features: str, **options: Any) -> pd.DataFrame:
    found: pd.DataFrame = store.get_historical_features(entity_df=spine, features=list(features), **options).to_df()
    return found


def _online(store: Any, *features: str) -> list[Any]:
    found = store.get_online_features(features=list(features), entity_rows=[{"user_id": 1}]).to_dict()
    return [found[feature.split(":")[1]][0] for feature in features]


def _record(store: Any, moment: str, cents: int, known: str) -> None:
    row = pd.DataFrame({"user_id": [1], "at": [at(moment)], "known": [at(known)], "cents": [cents], "x_y": [0.0]})
    store.push("duckdb_push", row, to=PushMode.OFFLINE)


def test_a_spine_with_repeated_keys_and_times_keeps_its_rows(store: Any) -> None:
    """5,000 rows of 4 users and 6 moments are 5,000 rows, in order (dask: 591; postgres: 5,022)."""
    rng = np.random.default_rng(1)
    moments = pd.Timestamp("2020-02-18", tz="UTC") + pd.to_timedelta(rng.integers(0, 6, 5000), unit="D")
    spine = _spine(rng.integers(1, 5, 5000), moments, number=np.arange(5000))
    found = _frame(store, spine, "latest:cents", "windows:n_7d")
    assert found["number"].tolist() == list(range(5000))
    assert found["user_id"].tolist() == spine["user_id"].tolist()


def test_composite_keys_do_not_cross(store: Any) -> None:
    """(1, 11) is not (11, 1) (postgres mixes them)."""
    spine = _spine([1, 11, 1], [at("2020-02-21")] * 3, other_id=[11, 1, 1])
    assert _frame(store, spine, "pairs:tag")["tag"].tolist() == ["1-11", "11-1", None]


def test_a_row_known_later_does_not_leak(store: Any) -> None:
    """What became known after a row's time is invisible to it, in latest values and in windows."""
    spine = _spine([1, 1], [at("2020-03-01"), at("2020-03-05")])
    found = _frame(store, spine, "latest:x_y", "windows:n_7d", filter_by_created_timestamp=True)
    assert found["n_7d"].tolist() == [1, 2]
    assert found["x_y"].isna().tolist() == [False, True]
    assert found["x_y"][0] == 1.5


def test_row_order_and_index_are_kept(store: Any) -> None:
    """The spine's order and its index come back."""
    spine = _spine([2, 1, 2], [at("2020-02-21"), at("2020-02-28"), at("2020-02-20")])
    spine.index = pd.Index(["c", "a", "b"], name="row")
    found = _frame(store, spine, "latest:x_y")
    pd.testing.assert_index_equal(found.index, spine.index)
    assert found["x_y"].tolist() == [3.5, 1.5, 3.5]


def test_nullable_integers_beyond_floats_are_exact(store: Any) -> None:
    """2^53 + 1 beside a null comes out of `to_df` as it is."""
    found = _frame(store, _spine([1, 1], [at("2020-02-28"), at("2020-02-29")]), "latest:cents")
    assert found["cents"].tolist() == [BIG, pd.NA]


def test_a_feature_may_be_named_x_y(store: Any) -> None:
    """Names with an underscore as joins make them work (duckdb crashes)."""
    assert _frame(store, _spine([1], [at("2020-02-28")]), "latest:x_y")["x_y"].tolist() == [1.5]


def test_what_ttl_expired_is_not_served(own: Any) -> None:
    """Older than the ttl at the moment of asking is null online, as offline (sqlite, redis: still PRESENT)."""
    own.materialize(at("2020-02-01"), NOW, feature_views=["latest"])
    rows = [{"user_id": 1}, {"user_id": 2}]
    response = own.get_online_features(features=["latest:x_y"], entity_rows=rows)
    offline = _frame(own, _spine([1, 2], [NOW] * 2), "latest:x_y", filter_by_created_timestamp=True)
    assert response.to_dict()["x_y"] == [1.5, None]
    assert offline["x_y"].isna().tolist() == [False, True]


def test_a_correction_with_the_same_event_time_replaces_online(own: Any) -> None:
    """The later created of two rows of one event time is served (redis keeps the old one)."""
    own.materialize(at("2020-02-01"), NOW, feature_views=["latest"])
    _record(own, "2020-02-28", 77, known="2020-02-29")
    own.materialize(at("2020-02-01"), NOW, feature_views=["latest"])
    assert _online(own, "latest:cents") == [77]


def test_an_older_window_materialised_again_loses(own: Any) -> None:
    """State doesn't go back to what an older range holds (sqlite: the older value wins)."""
    own.materialize(at("2020-02-01"), NOW, feature_views=["latest", "windows"])
    own.materialize(at("2020-02-01"), at("2020-02-21"), feature_views=["latest", "windows"])
    assert _online(own, "latest:cents", "windows:n_7d") == [BIG, 1]


def test_a_late_row_behind_the_watermark_is_online(own: Any) -> None:
    """The next incremental materialisation takes it in, though it happened before the last one."""
    own.materialize_incremental(NOW - timedelta(hours=1), feature_views=["latest", "windows"])
    _record(own, "2020-02-28T12:00:00", 9, known="2020-02-29")
    own.materialize_incremental(NOW, feature_views=["latest", "windows"])
    assert _online(own, "latest:cents", "windows:n_7d", "windows:spend_7d") == [9, 2, BIG + 9]


def test_windowed_aggregations_are_computed(own: Any) -> None:
    """Offline and online alike, without another engine (Feast's local one refuses)."""
    own.materialize(at("2020-02-01"), NOW, feature_views=["windows"])
    found = _frame(own, _spine([1], [NOW]), "windows:n_7d", "windows:spend_7d", filter_by_created_timestamp=True)
    assert found[["n_7d", "spend_7d"]].to_numpy().tolist() == [[1, BIG]]
    assert _online(own, "windows:n_7d", "windows:spend_7d") == [1, BIG]


def test_a_spine_may_be_sql(store: Any) -> None:
    """A SELECT is a spine."""
    spine = 'SELECT user_id, "at" AS event_timestamp, x_y AS label FROM log WHERE user_id = 1 ORDER BY 2'
    found = _frame(store, spine, "latest:cents", "windows:n_7d")
    assert found["label"].tolist() == [0.5, 1.5, 2.5]
    assert found["cents"].tolist() == [5, BIG, pd.NA]
    assert found["n_7d"].tolist() == [0, 0, 1]


def test_a_date_range_needs_no_spine(store: Any) -> None:
    """Every recorded moment of the range asks once."""
    found = _frame(store, None, "latest:x_y", start_date=at("2020-02-01"), end_date=at("2020-02-28"))
    assert found[["user_id", "x_y"]].to_numpy().tolist() == [[1, 0.5], [2, 3.5], [1, 1.5]]


@pytest.mark.parametrize("view", ["csv", "parquet", "sql", "latest"])
def test_csv_duckdb_tables_and_sql_databases_are_sources(store: Any, view: str) -> None:
    """The same rows give the same features from each."""
    spine = _spine([1, 2, 1], [at("2020-02-28"), at("2020-02-23"), at("2020-03-04")])
    found = _frame(store, spine, f"{view}:cents", f"{view}:x_y")
    assert found["cents"].tolist() == [BIG, 8, pd.NA]
    assert found["x_y"].isna().tolist() == [False, False, True]


@pytest.mark.filterwarnings("ignore:(Saving dataset|Retrieving datasets):RuntimeWarning")
def test_a_saved_dataset_keeps_its_labels(own: Any) -> None:
    """The spine's other columns are in `to_df`, at once and when it is fetched again."""
    spine = _spine([1, 2], [at("2020-02-28"), at("2020-02-20")], label=[1, 0])
    job = own.get_historical_features(entity_df=spine, features=["latest:cents"])
    saved = own.create_saved_dataset(job, name="kept", storage=SavedDatasetFileStorage(path="data/kept.parquet"))
    for dataset in (saved, own.get_saved_dataset("kept")):
        assert dataset.to_df()[["label", "cents"]].to_numpy().tolist() == [[1, BIG], [0, 8]]
