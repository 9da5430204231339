"""Training rows through Feast's own calls: the spine comes back, and features are right on it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from projects import Project, at
from storekeeper.errors import DataError, SourceError, UsageError

VIEWS = """
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
activity = StreamFeatureView(
    name="activity", entities=[user], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[Field(name="n", dtype=Int64), Field(name="spend", dtype=Int64), Field(name="words", dtype=Array(String))],
    aggregations=[
        Aggregation(function="count", time_window=timedelta(days=7), name="n"),
        Aggregation(column="cents", function="sum", time_window=timedelta(days=7), name="spend"),
        Aggregation(column="word", function="last_n(2)", name="words"),
    ],
)
latest = FeatureView(
    name="latest", entities=[user], source=log, ttl=timedelta(days=3),
    schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String), Field(name="x_y", dtype=Float64)],
)
pair = Entity(name="pair", join_keys=["other_id"], value_type=ValueType.INT64)
both = FeatureView(
    name="both", entities=[user, pair], ttl=timedelta(0), schema=[Field(name="tag", dtype=String)],
    source=DuckDBSource(name="pairs", database="data/behaviour.duckdb", table="pairs", timestamp_field="at"),
)
request = RequestSource(name="request", schema=[Field(name="price", dtype=Float64)])


@on_demand_feature_view(
    sources=[request, latest[["cents"]]], schema=[Field(name="ratio", dtype=Float64)],
)
def ratios(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"ratio": inputs["price"] / inputs["cents"].astype("float64")})


service = FeatureService(name="service", features=[activity, latest, ratios])
mapped = FeatureService(
    name="mapped",
    features=[
        latest.with_name("buyer").with_join_key_map({"user_id": "buyer_id"}),
        latest.with_name("seller").with_join_key_map({"user_id": "seller_id"}),
    ],
)
"""
BIG = 2**53 + 1
LOG = pa.table(
    {
        "user_id": pa.array([1, 1, 1, 2, 3], pa.int64()),
        "at": pa.array([at(f"2020-02-0{day}") for day in (1, 2, 3, 1, 1)], pa.timestamp("us", tz="UTC")),
        "known": pa.array([at("2020-02-01"), at("2020-02-05"), None, at("2020-02-01"), at("2020-02-01")]),
        "cents": pa.array([BIG, BIG + 1, 7, None, 2], pa.int64()),
        "word": pa.array(["a", "ä", "c", None, "z"]),
        "x_y": pa.array([0.5, 1.5, None, 2.0, 3.0]),
    }
)
PAIRS = pa.table(
    {
        "user_id": pa.array([1, 11, 1, 12], pa.int64()),
        "other_id": pa.array([11, 1, 23, 3], pa.int64()),
        "at": pa.array([at("2020-02-01")] * 4),
        "tag": ["1|11", "11|1", "1|23", "12|3"],
    }
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One applied project for the whole file. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("retrieval"))
    made.configure()
    made.add_duckdb("log", LOG)
    made.add_duckdb("pairs", PAIRS)
    made.apply(VIEWS)
    return made


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()


def _frame(users: list[Any], moments: list[Any], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"user_id": users, "event_timestamp": moments, **columns})


def test_rows_order_index_duplicates_and_columns_are_the_spines(store: Any) -> None:
    """Five thousand rows with repeated keys and times come back as they are: count, order, index, labels (rule 12)."""
    rng = np.random.default_rng(3)
    days = pd.to_datetime("2020-02-01", utc=True) + pd.to_timedelta(rng.integers(0, 6, 5000), unit="D")
    spine = _frame(rng.integers(1, 5, 5000).tolist(), days, label=rng.integers(0, 2, 5000), note=["ü"] * 5000)
    spine.index = pd.Index(rng.permutation(5000), name="row")
    found = store.get_historical_features(entity_df=spine, features=["activity:n", "latest:word"]).to_df()
    pd.testing.assert_frame_equal(
        found[spine.columns], spine.astype({"event_timestamp": found["event_timestamp"].dtype})
    )
    assert found.columns.tolist() == [*spine.columns, "n", "word"]
    first = found.groupby(["user_id", "event_timestamp"])["n"].nunique()
    assert (first == 1).all()


def test_shuffling_the_spine_shuffles_the_answer(store: Any) -> None:
    """A row's features don't depend on its neighbours."""
    spine = _frame([1, 2, 1, 9, 1], [at(f"2020-02-0{day}") for day in (2, 2, 4, 2, 9)])
    features = ["activity:spend", "latest:cents", "latest:x_y"]
    straight = store.get_historical_features(entity_df=spine, features=features).to_df()
    order = [3, 0, 4, 2, 1]
    shuffled = store.get_historical_features(entity_df=spine.iloc[order], features=features).to_df()
    pd.testing.assert_frame_equal(shuffled, straight.iloc[order])


def test_a_duplicated_index_is_kept(store: Any) -> None:
    """An index needs not be unique, or sorted, or of one level."""
    spine = _frame([1, 2, 3], [at("2020-02-04")] * 3)
    for index in ([7, 7, 0], pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 0)], names=["x", None])):
        spine.index = index if isinstance(index, pd.MultiIndex) else pd.Index(index)
        found = store.get_historical_features(entity_df=spine, features=["latest:word"]).to_df()
        pd.testing.assert_index_equal(found.index, spine.index)


def test_composite_keys_do_not_cross(store: Any) -> None:
    """(1, 11) is not (11, 1), and (1, 23) is not (12, 3) (rule 13)."""
    spine = _frame([11, 1, 12, 1, 1], [at("2020-02-02")] * 5, other_id=[1, 11, 3, 23, 3])
    found = store.get_historical_features(entity_df=spine, features=["both:tag"]).to_df()
    assert found["tag"].tolist() == ["11|1", "1|11", "12|3", "1|23", None]


@pytest.mark.parametrize(("cutoff", "cents", "n"), [(False, BIG + 1, [1, 2]), (True, BIG, [1, 1])])
def test_rows_known_later_are_invisible_when_asked(store: Any, cutoff: bool, cents: int, n: list[int]) -> None:
    """`filter_by_created_timestamp` hides what was known later (rule 6); without it Feast's own rule holds."""
    spine = _frame([1, 1], [at("2020-02-02"), at("2020-02-02T12:00:00")])
    found = store.get_historical_features(
        entity_df=spine, features=["latest:cents", "activity:n"], filter_by_created_timestamp=cutoff
    ).to_df()
    assert found["cents"].tolist() == [cents, cents]
    assert found["n"].tolist() == n


def test_a_null_knowledge_time_is_the_event_time(store: Any) -> None:
    """Such a row is visible from its event on."""
    spine = _frame([1], [at("2020-02-03")])
    found = store.get_historical_features(
        entity_df=spine, features=["latest:word"], filter_by_created_timestamp=True
    ).to_df()
    assert found["word"].tolist() == ["c"]


def test_integers_beyond_floats_are_exact_beside_nulls(store: Any) -> None:
    """A nullable integer column loses no digit beyond 2^53 in to_df, feature or spine column."""
    spine = _frame([1, 2, 9], [at("2020-02-01T12:00:00")] * 3, big=pd.array([BIG, None, 3], "Int64"))
    found = store.get_historical_features(entity_df=spine, features=["latest:cents", "latest:x_y"]).to_df()
    assert found["cents"].tolist() == [BIG, pd.NA, pd.NA]
    assert found["big"].tolist() == [BIG, pd.NA, 3]
    assert found["x_y"].tolist()[:2] == [0.5, 2.0]


@pytest.mark.parametrize("dtype", ["UInt64", "Int32", "Int16", "Int8", "UInt32", "UInt16", "UInt8"])
def test_nullable_integers_of_the_spine_stay_integers(store: Any, dtype: str) -> None:
    """Extra columns of any integer type come back exact beside a null."""
    largest = int(np.iinfo(dtype.lower()).max)
    spine = _frame([1, 2], [at("2020-02-02")] * 2, extra=pd.array([largest, None], dtype))
    found = store.get_historical_features(entity_df=spine, features=["latest:word"]).to_df()
    assert found["extra"].tolist() == [largest, pd.NA]


def test_the_new_edge_is_strict_for_windows_and_inclusive_for_latest(store: Any) -> None:
    """At an event's own time the window doesn't see it (rule 7), and the latest value does (rule 3)."""
    spine = _frame([1, 1], [at("2020-02-01"), at("2020-02-01").replace(microsecond=1)])
    found = store.get_historical_features(entity_df=spine, features=["activity:n", "latest:word"]).to_df()
    assert found["n"].tolist() == [0, 1]
    assert found["word"].tolist() == ["a", "a"]


def test_ttl_holds_to_the_microsecond(store: Any) -> None:
    """A row as old as the ttl counts, older ones don't (rule 5)."""
    spine = _frame([2, 2, 3], [at("2020-02-04"), at("2020-02-04").replace(microsecond=1), at("2020-02-04")])
    found = store.get_historical_features(entity_df=spine, features=["latest:x_y"]).to_df()
    assert [value if value == value else None for value in found["x_y"]] == [2.0, None, 3.0]


def test_unseen_entities_and_null_keys(store: Any) -> None:
    """Unseen: latest values null, windows as empty ones (rule 11); null keys match nothing (rule 13)."""
    spine = _frame(pd.array([77, None], "Int64").tolist(), [at("2020-02-04")] * 2)
    spine["user_id"] = spine["user_id"].astype("Int64")
    job = store.get_historical_features(
        entity_df=spine, features=["activity:n", "activity:spend", "activity:words", "latest:word"]
    )
    rows = job.to_arrow().select(["n", "spend", "words", "word"]).to_pylist()
    assert rows == [{"n": 0, "spend": 0, "words": [], "word": None}] * 2


def test_an_empty_spine_gives_an_empty_table(store: Any) -> None:
    """No rows in, no rows out, all columns there."""
    spine = _frame([], []).astype({"user_id": "int64", "event_timestamp": "datetime64[us, UTC]"})
    found = store.get_historical_features(entity_df=spine, features=["activity:n", "latest:x_y"]).to_df()
    assert found.columns.tolist() == ["user_id", "event_timestamp", "n", "x_y"]
    assert len(found) == 0


def test_a_null_time_names_the_spines_column(store: Any) -> None:
    """A SQL spine's row without a time is an error that names the spine's own column, and the row."""
    spine = "SELECT 1::BIGINT AS user_id, t AS moment FROM (VALUES (TIMESTAMP '2020-02-01'), (NULL)) AS v(t)"
    with pytest.raises(DataError, match="Column 'moment' of the spine is null at row 1"):
        store.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()


def test_a_key_of_another_type_is_an_error(store: Any) -> None:
    """Text where the source has integers names both types (rule 14)."""
    spine = _frame(["1"], [at("2020-02-04")])
    with pytest.raises(DataError, match=r"'user_id' is (large_)?string in the spine and int64 in the source"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


def test_float_keys_are_refused(store: Any) -> None:
    """Keys with fractions are no integers, and an error that says so (whole numbers: see test_spine_keys)."""
    spine = _frame([1.5, None], [at("2020-02-04")] * 2)
    with pytest.raises(DataError, match=r"'user_id' is double in the spine and int64"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


def test_a_missing_key_column_is_named(store: Any) -> None:
    """A spine without a join key is refused, naming key, view and columns."""
    spine = pd.DataFrame({"customer": [1], "event_timestamp": [at("2020-02-04")]})
    with pytest.raises(UsageError, match=r"no column 'user_id'.*'latest'.*'customer'"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


@pytest.mark.parametrize("moment", ["never", None, "", 1580515200, 1.5])
def test_unreadable_times_name_column_and_row(store: Any, moment: Any) -> None:
    """A time that is none names the column and the row (rule 1); numbers are no times."""
    spine = pd.DataFrame({"user_id": [1, 1], "event_timestamp": pd.Series([at("2020-02-04"), moment], dtype=object)})
    with pytest.raises(DataError, match=r"'event_timestamp'.*row 1.*Received"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()


@pytest.mark.parametrize(
    "moment",
    [
        "2020-02-02T00:00:00Z",
        "2020-02-02",
        "2020-02-02 01:00:00+01:00",
        datetime(2020, 2, 2),  # noqa: DTZ001  (naive means UTC)
        pd.Timestamp("2020-02-01T19:00:00", tz="America/New_York"),
        np.datetime64("2020-02-02", "ns"),
        np.datetime64("2020-02-02", "s"),
    ],
    ids=str,
)
def test_times_in_any_form_are_utc(store: Any, moment: Any) -> None:
    """Text, naive, zoned, any unit: the same instant, the same features (rule 1)."""
    spine = _frame([1], [moment])
    found = store.get_historical_features(entity_df=spine, features=["latest:cents", "activity:n"]).to_df()
    assert (found["cents"][0], found["n"][0]) == (BIG + 1, 1)
    assert found["event_timestamp"][0] == at("2020-02-02")


def test_the_only_time_column_is_the_time(store: Any) -> None:
    """Without `event_timestamp` a single timestamp column is taken; two are refused, naming the columns."""
    spine = _frame([1], [at("2020-02-04")]).rename(columns={"event_timestamp": "asked"})
    found = store.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()
    assert found.columns.tolist() == ["user_id", "asked", "n"]
    spine["also"] = spine["asked"]
    with pytest.raises(UsageError, match=r"event_timestamp.*'also', 'asked', 'user_id'"):
        store.get_historical_features(entity_df=spine, features=["activity:n"]).to_arrow()


def test_a_spine_column_named_as_a_feature_is_refused(store: Any) -> None:
    """Two columns of one name are refused; full names keep them apart."""
    spine = _frame([1], [at("2020-02-04")], word=["mine"])
    with pytest.raises(UsageError, match="'word'"):
        store.get_historical_features(entity_df=spine, features=["latest:word"]).to_arrow()
    found = store.get_historical_features(entity_df=spine, features=["latest:word"], full_feature_names=True).to_df()
    assert found[["word", "latest__word"]].to_numpy().tolist() == [["mine", "c"]]


@pytest.mark.parametrize("type_", ["UBIGINT", "UINTEGER", "INTEGER", "SMALLINT", "TINYINT"])
def test_nullable_integers_of_a_sql_spine_stay_integers(store: Any, type_: str) -> None:
    """So do those of a SQL spine."""
    largest = {"UBIGINT": 2**64 - 1, "UINTEGER": 2**32 - 1, "INTEGER": 2**31 - 1, "SMALLINT": 2**15 - 1, "TINYINT": 127}
    numbers = f"unnest([{largest[type_]}, NULL])::{type_}"
    spine = f"SELECT 1 AS user_id, TIMESTAMP '2020-02-04' AS event_timestamp, {numbers} AS x"
    found = store.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()
    assert found["x"].tolist() == [largest[type_], pd.NA]


def _spine_sql(extra: str = "") -> str:
    return f"SELECT user_id, TIMESTAMP '2020-02-04' AS event_timestamp, 5.0 AS price {extra} FROM log ORDER BY user_id"


def test_a_sql_spine_is_the_frame_of_its_result(store: Any) -> None:
    """A SELECT as a spine gives what its result as a DataFrame gives, in the query's order, duplicates kept."""
    service = store.get_feature_service("service")
    by_sql = store.get_historical_features(entity_df=_spine_sql(", word AS label"), features=service)
    frame = _frame([1, 1, 1, 2, 3], [at("2020-02-04")] * 5, price=5.0)
    by_frame = store.get_historical_features(entity_df=frame, features=service)
    names = ["n", "spend", "words", "cents", "word", "x_y", "ratio"]
    assert by_sql.to_arrow().select(names).to_pylist() == by_frame.to_arrow().select(names).to_pylist()
    assert sorted(by_sql.to_df()["label"].dropna()) == ["a", "c", "z", "ä"]


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELEC 1", "syntax|Parser"),
        ("CREATE TABLE t AS SELECT 1", "read-only|SELECT"),
        ("SET threads = 2", "SELECT"),
        ("", "SELECT"),
        ("SELECT 1 AS user_id; SELECT 2 AS user_id", "event_timestamp|SELECT"),
    ],
)
def test_a_broken_sql_spine_is_an_error(store: Any, query: str, match: str) -> None:
    """What is no SELECT, or one that fails, is an error of ours that tells why."""
    with pytest.raises((SourceError, UsageError), match=match):
        store.get_historical_features(entity_df=query, features=["activity:n"]).to_arrow()


def test_a_date_range_asks_at_every_recorded_moment(store: Any) -> None:
    """Without a spine, each entity asks once at each of its own event times in the range, by time and key."""
    found = store.get_historical_features(
        entity_df=None,
        features=["activity:n", "latest:word"],
        start_date=at("2020-02-01"),
        end_date=at("2020-02-02"),
    ).to_df()
    moments = list(zip(found["event_timestamp"], found["user_id"], strict=True))
    assert moments == [(at("2020-02-01"), 1), (at("2020-02-01"), 2), (at("2020-02-01"), 3), (at("2020-02-02"), 1)]
    assert found["n"].tolist() == [0, 0, 0, 1]
    assert found["word"].tolist() == ["a", None, "z", "ä"]


def test_a_date_range_needs_one_kind_of_entity(store: Any) -> None:
    """Views about different entities can't make a spine together; the message names their keys."""
    with pytest.raises(UsageError, match=r"both: user_id, other_id.*latest: user_id"):
        store.get_historical_features(
            entity_df=None,
            features=["latest:word", "both:tag"],
            start_date=at("2020-02-01"),
            end_date=at("2020-02-02"),
        )


def test_no_spine_is_an_error(store: Any) -> None:
    """Retrieval without a spine or a start says what it needs."""
    with pytest.raises(UsageError, match="entity_df"):
        store.get_historical_features(entity_df=None, features=["activity:n"], end_date=at("2020-02-02"))


def test_on_demand_features_come_along(store: Any) -> None:
    """A transformation over the request and a view is applied, null where its input is null."""
    spine = _frame([1, 2], [at("2020-02-04")] * 2, price=[14.0, 3.0])
    found = store.get_historical_features(entity_df=spine, features=["ratios:ratio", "latest:cents"]).to_df()
    assert found["ratio"].isna().tolist() == [False, True]
    assert found["ratio"][0] == 2.0


def test_aliases_and_join_key_maps(store: Any) -> None:
    """One view twice in a service, under two names and over two keys of the spine."""
    spine = pd.DataFrame({"buyer_id": [1, 3], "seller_id": [3, 1], "event_timestamp": [at("2020-02-04")] * 2})
    service = store.get_feature_service("mapped")
    found = store.get_historical_features(entity_df=spine, features=service, full_feature_names=True).to_df()
    assert found["buyer__word"].tolist() == ["c", "z"]
    assert found["seller__word"].tolist() == ["z", "c"]


@pytest.mark.filterwarnings("ignore:Saving dataset:RuntimeWarning", "ignore:Retrieving datasets:RuntimeWarning")
def test_a_saved_dataset_keeps_its_label(shared: Project, store: Any) -> None:
    """Labels and every other column of the spine survive saving, and the dataset reads back."""
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    spine = _frame([1, 3, 1], [at("2020-02-04"), at("2020-02-05"), at("2020-02-04")], label=[1, 0, 1], price=2.0)
    features = ["latest:word", "activity:n", "ratios:ratio", "latest:cents"]
    job = store.get_historical_features(entity_df=spine, features=features)
    storage = SavedDatasetFileStorage(path="data/saved/set.parquet")
    saved = store.create_saved_dataset(from_=job, name="set", storage=storage, allow_overwrite=True)
    columns = ["user_id", "label", "price", "word", "n", "ratio", "cents"]
    expected = job.to_arrow().select(columns).to_pylist()
    assert saved.to_arrow().select(columns).to_pylist() == expected
    again = shared.open().get_saved_dataset("set")
    assert again.to_df()["label"].tolist() == [1, 0, 1]
    assert (shared.root / "data" / "saved" / "set.parquet").is_file()
    assert [path.name for path in (shared.root / "data" / "saved").iterdir()] == ["set.parquet"]


def test_a_saved_dataset_is_not_overwritten(shared: Project, store: Any) -> None:
    """An existing file stays unless overwriting is asked for."""
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    target = shared.root / "data" / "kept.parquet"
    target.write_bytes(b"mine")
    job = store.get_historical_features(entity_df=_frame([1], [at("2020-02-04")]), features=["activity:n"])
    with pytest.raises(UsageError, match=r"kept\.parquet' exists"):
        job.persist(SavedDatasetFileStorage(path="data/kept.parquet"))
    assert target.read_bytes() == b"mine"


def test_nothing_is_read_until_asked(make_project: Callable[[str], Project]) -> None:
    """A retrieval is lazy, and then computed once."""
    project = make_project("lazy")
    project.add_duckdb("log", LOG)
    project.add_duckdb("pairs", PAIRS)
    store = project.apply(VIEWS)
    job = store.get_historical_features(entity_df=_frame([1], [at("2020-02-04")]), features=["activity:n"])
    (project.root / "data" / "behaviour.duckdb").rename(project.root / "away")
    with pytest.raises(SourceError, match="no DuckDB file"):
        job.to_df()
    (project.root / "away").rename(project.root / "data" / "behaviour.duckdb")
    assert job.to_df()["n"].tolist() == [3]
    (project.root / "data" / "behaviour.duckdb").unlink()
    assert job.to_df()["n"].tolist() == [3]
