"""Asking a source for the spine's entities only changes no answer, whatever the source and its keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projects import Project, at
from storekeeper.errors import DataError
from storekeeper.offline import pushdown
from storekeeper.sources import OpenSource, ReadRequest

ROWS, USERS = 240_000, 3_000
START = at("2020-02-01")


def _log() -> pa.Table:
    """A large log in which hardly a time is there once: rows at the same time for the same user differ in `n` only."""
    rng = np.random.default_rng(6)
    days = pa.array(rng.integers(0, 5, ROWS) * 86_400_000_000 + int(START.timestamp()) * 1_000_000)
    users = rng.integers(0, USERS, ROWS)
    return pa.table(
        {
            "user_id": pa.array(users, mask=rng.random(ROWS) < 0.01),
            "item_id": pa.array([f"i{number}" for number in rng.integers(0, 4, ROWS).tolist()]),
            "at": days.cast(pa.timestamp("us", "UTC")),
            "n": np.arange(ROWS),
            "cents": rng.integers(-100, 100, ROWS),
        }
    )


def _views(source: str, entities: str = "[user]") -> str:
    ending = f"{source}_{'both' if 'item' in entities else 'one'}"
    return f"""
latest_{ending} = FeatureView(
    name="latest_{ending}", entities={entities}, ttl=timedelta(0), source={source},
    schema=[Field(name="n", dtype=Int64), Field(name="cents", dtype=Int64)],
)
windows_{ending} = StreamFeatureView(
    name="windows_{ending}", entities={entities}, timestamp_field="at",
    source=PushSource(name="push_{ending}", batch_source={source}),
    schema=[
        Field(name="sum", dtype=Int64), Field(name="last", dtype=Int64), Field(name="first", dtype=Int64),
        Field(name="newest", dtype=Array(Int64)), Field(name="count", dtype=Int64),
    ],
    aggregations=[
        Aggregation(column="cents", function="sum", time_window=timedelta(days=2), name="sum"),
        Aggregation(column="n", function="last", name="last"),
        Aggregation(column="n", function="first", time_window=timedelta(days=3), name="first"),
        Aggregation(column="n", function="last_n(30)", name="newest"),
        Aggregation(function="count", name="count"),
    ],
)
"""


SOURCES = {
    "table": 'DuckDBSource(name="table", database="data/behaviour.duckdb", table="log", timestamp_field="at")',
    "seen": 'DuckDBSource(name="seen", database="data/behaviour.duckdb", table="seen", timestamp_field="at")',
    "query": 'DuckDBSource(name="query", database="data/behaviour.duckdb", query="FROM log", timestamp_field="at")',
    "file": 'FileSource(name="file", path="data/log.parquet", timestamp_field="at")',
    "folder": 'FileSource(name="folder", path="data/parts", timestamp_field="at")',
    "hive": 'FileSource(name="hive", path="data/hive", timestamp_field="at")',
    "by_key": 'FileSource(name="by_key", path="data/by_key", timestamp_field="at")',
    "text": 'FileSource(name="text", path="data/log.csv", timestamp_field="at")',
}
DECLARED = 'item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)\n'
DECLARED += "".join(f"{name} = {source}\n" for name, source in SOURCES.items())
DECLARED += "".join(_views(name) + _views(name, "[user, item]") for name in SOURCES)
SIDED = ("table", "folder", "text")
DECLARED += "".join(
    f"""
sides_{name} = FeatureService(
    name="sides_{name}",
    features=[
        latest_{name}_one.with_name("buyer").with_join_key_map({{"user_id": "buyer_id"}}),
        latest_{name}_one.with_name("seller").with_join_key_map({{"user_id": "seller_id"}}),
    ],
)
"""
    for name in SIDED
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same large log in every kind of source. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("pushdown"))
    made.configure()
    log = _log()
    made.add_duckdb("log", log)
    with duckdb.connect(str(made.root / "data/behaviour.duckdb")) as connection:
        connection.execute("CREATE VIEW seen AS SELECT * FROM log")
    made.add_csv("data/log.csv", log)
    _write_files(made.root / "data", log)
    made.apply(DECLARED)
    return made


def _write_files(data: Path, log: pa.Table) -> None:
    pq.write_table(log, data / "log.parquet", row_group_size=5_000)
    (data / "parts").mkdir()
    for place in range(12):
        pq.write_table(log.slice(place * 20_000, 20_000), data / f"parts/{place:02d}.parquet", row_group_size=3_000)
    # Partitions in the log's own order, so that every source has the same ties: by row number, and by a join key.
    parted = log.append_column("part", [np.arange(ROWS) // 60_000])
    pq.write_to_dataset(parted, data / "hive", partition_cols=["part"])
    pq.write_to_dataset(log, data / "by_key", partition_cols=["item_id"])


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()


@contextmanager
def _asked(*, pushed: bool) -> Iterator[list[bool]]:
    """Push keys always or never; which reads got keys."""
    got: list[bool] = []
    read = OpenSource.batches

    def batches(self: OpenSource, request: ReadRequest) -> Any:
        if request.limit is None:
            got.append(request.keys is not None)
        return read(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenSource, "batches", batches)
        patch.setattr(pushdown, "_MOST_KEYS", 10**9 if pushed else -1)
        patch.setattr(pushdown, "_MOST_UNCOUNTED_KEYS", 10**9)
        if pushed:
            patch.setattr(pushdown, "_FEW_ROWS", -1)
            patch.setattr(pushdown, "_LARGEST_SHARE", 2.0)
        yield got


def _spine(users: Any, rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    moments = pd.Timestamp(START) + pd.to_timedelta(rng.integers(-1, 6 * 24, rows), unit="h")
    items = pd.Series([f"i{number}" for number in rng.integers(0, 5, rows)], dtype="string")
    return pd.DataFrame({"user_id": users, "item_id": items, "event_timestamp": moments})


def _few() -> pd.DataFrame:
    """Few users, some unseen, some null."""
    users = pd.array(np.random.default_rng(8).choice([5, 17, 17, 2_999, 900_000, -1], 60), "Int64")
    users[::9] = pd.NA
    return _spine(users)


def _answer(store: Any, spine: pd.DataFrame, *views: str, pushed: bool) -> tuple[pa.Table, list[bool]]:
    features = [f"{view}:{name}" for view in views for name in _features(view)]
    with _asked(pushed=pushed) as got:
        found = store.get_historical_features(entity_df=spine, features=features, full_feature_names=True).to_arrow()
    return found, got


def _features(view: str) -> list[str]:
    return ["n", "cents"] if view.startswith("latest") else ["sum", "last", "first", "newest", "count"]


@pytest.mark.parametrize("keys", ["one", "both"])
@pytest.mark.parametrize("source", SOURCES)
def test_few_keys_of_a_large_source(source: str, keys: str, store: Any) -> None:
    """Few entities, one key or two, are answered the same from their own rows as from all, ties by source order."""
    views = (f"latest_{source}_{keys}", f"windows_{source}_{keys}")
    pushed, got = _answer(store, _few(), *views, pushed=True)
    whole, read = _answer(store, _few(), *views, pushed=False)
    assert (got, read) == ([True, True], [False, False])
    assert pushed.equals(whole)
    assert 0 < whole[f"{views[0]}__n"].null_count < len(whole)


def test_many_keys_and_all_sources_agree(store: Any) -> None:
    """Two thousand entities: every source whose rows stand in the log's order gives the same answer, pushed or not."""
    spine = _spine(np.random.default_rng(9).integers(0, USERS, 2_000), 2_000)
    expected: list[Any] | None = None
    for source in [name for name in SOURCES if name != "by_key"]:
        for pushed in (True, False):
            found, _ = _answer(store, spine, f"latest_{source}_one", f"windows_{source}_one", pushed=pushed)
            values = [column.combine_chunks() for column in found.columns]
            expected = expected or values
            assert all(ours.equals(theirs) for ours, theirs in zip(values, expected, strict=True)), source


@pytest.mark.parametrize("source", ["table", "file", "folder", "query"])
def test_ties_go_by_the_sources_order(source: str, store: Any) -> None:
    """Of many rows at one time the last in the source wins, and lists are in its order, though threads read it."""
    log = _log().to_pandas()
    for pushed in (True, False):
        view = f"windows_{source}_one"
        found = _answer(store, _few(), view, f"latest_{source}_one", pushed=pushed)[0].to_pandas()
        for row in found.to_dict("records"):
            own = log[log["user_id"] == (-9 if pd.isna(row["user_id"]) else row["user_id"])]
            before = own[own["at"] < row["event_timestamp"]].sort_values(["at", "n"])
            upto = own[own["at"] <= row["event_timestamp"]].sort_values(["at", "n"])
            assert row[f"{view}__newest"].tolist() == before["n"].tail(30).tolist()
            latest = row[f"latest_{source}_one__n"]
            assert (upto.empty and pd.isna(latest)) or latest == upto["n"].iloc[-1]


def test_it_is_chosen_where_it_pays(store: Any) -> None:
    """By itself, few keys of a large source are pushed, and keys of most of its rows are not."""

    def pushed(spine: pd.DataFrame, view: str) -> list[bool]:
        got: list[bool] = []
        read = OpenSource.batches
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                OpenSource,
                "batches",
                lambda self, request: (got.append(request.keys is not None), read(self, request))[1],
            )
            store.get_historical_features(entity_df=spine, features=[f"{view}:n"]).to_arrow()
        return got

    everybody = _spine(np.arange(USERS), USERS)
    for view in ("latest_table_one", "latest_file_one", "latest_folder_one"):
        assert pushed(_few(), view) == [False, True]  # a sample, and the rows
        assert pushed(everybody, view) == [False, False]
    for view in ("latest_query_one", "latest_text_one", "latest_hive_one"):
        assert pushed(_few(), view) == [True]


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.parametrize("view", ["latest_table_one", "windows_folder_one", "latest_query_both", "windows_text_one"])
def test_kinds_that_differ_are_an_error_all_the_same(view: str, pushed: bool, store: Any) -> None:
    """Text keys over integers name both types (rule 14), where the database would have cast them in silence."""
    spine = _few().astype({"user_id": "string"})
    with pytest.raises(DataError, match=r"'user_id' is (large_)?string in the spine and int64 in the source"):
        _answer(store, spine, view, pushed=pushed)


@pytest.mark.parametrize("type_", ["int8", "uint16", "int32", "uint64", "category"])
def test_integers_of_another_width_match(type_: str, store: Any) -> None:
    """The spine's integers of any width, and categories of them, are the source's."""
    spine = _spine(np.random.default_rng(4).integers(0, 100, 60))
    views = ("latest_table_one", "latest_file_both", "windows_query_one")
    expected = _answer(store, spine, *views, pushed=False)[0]
    for pushed in (True, False):
        found = _answer(store, spine.astype({"user_id": type_}), *views, pushed=pushed)[0]
        for name in expected.column_names[3:]:
            assert found[name].equals(expected[name])


def test_categories_combine(store: Any) -> None:
    """Categorical columns are keys as any, together too."""
    spine = _few()
    views = ("latest_table_both", "windows_hive_both", "latest_query_both")
    expected = _answer(store, spine, *views, pushed=False)[0]
    found, got = _answer(store, spine.astype({"item_id": "category"}), *views, pushed=True)
    assert got == [True] * 3
    for name in expected.column_names[3:]:
        assert found[name].equals(expected[name])


@pytest.mark.parametrize("pushed", [True, False])
def test_a_spine_of_nobody(pushed: bool, store: Any) -> None:
    """Where every key is null, or there is no row, nothing is asked of the source by key."""
    nobody = _spine(pd.array([None] * 60, "Int64"))
    found, got = _answer(store, nobody, "latest_table_one", "windows_query_one", pushed=pushed)
    assert got == [False, False]
    assert found["latest_table_one__n"].null_count == 60
    assert set(found["windows_query_one__count"].to_pylist()) == {0}
    assert _answer(store, _few().iloc[:0], "latest_file_one", "windows_text_one", pushed=pushed)[0].num_rows == 0


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.parametrize("source", SIDED)
def test_two_aliases_of_one_view(source: str, pushed: bool, store: Any) -> None:
    """Join-key maps: buyer and seller are looked up each by a column of its own, over one source."""
    sides = {"buyer": "buyer_id", "seller": "seller_id"}
    service = store.get_feature_service(f"sides_{source}")
    spine = _few().rename(columns={"user_id": "buyer_id"})
    spine["seller_id"] = np.arange(100, 160)
    with _asked(pushed=pushed) as got:
        found = store.get_historical_features(entity_df=spine, features=service, full_feature_names=True).to_arrow()
    assert got == [pushed, pushed]
    for alias, key in sides.items():
        alone = spine.rename(columns={key: "user_id"})[["user_id", "item_id", "event_timestamp"]]
        expected = _answer(store, alone, f"latest_{source}_one", pushed=False)[0]
        assert found[f"{alias}__n"].equals(expected[f"latest_{source}_one__n"])


MAPPED = """
mapped = DuckDBSource(
    name="mapped", database="data/behaviour.duckdb", table="log", timestamp_field="happened",
    field_mapping={"customer AS id": "user_id", "happened": "moment"},
)
files = FileSource(
    name="files", path="data/mapped.parquet", timestamp_field="happened",
    field_mapping={"customer AS id": "user_id", "happened": "moment"},
)
table_view = FeatureView(
    name="table_view", entities=[user], ttl=timedelta(0), source=mapped, schema=[Field(name="cents", dtype=Int64)]
)
file_view = FeatureView(
    name="file_view", entities=[user], ttl=timedelta(0), source=files, schema=[Field(name="cents", dtype=Int64)]
)
window_view = StreamFeatureView(
    name="window_view", entities=[user], timestamp_field="happened", schema=[Field(name="sum", dtype=Int64)],
    aggregations=[Aggregation(column="cents", function="sum", name="sum")],
    source=PushSource(name="push", batch_source=mapped),
)
"""


def test_mapped_keys(project: Project) -> None:
    """A key, and a time, that the source has under another name, which reads as SQL."""
    log = _log().slice(0, 2_000).rename_columns(["customer AS id", "item_id", "happened", "n", "cents"])
    project.add_duckdb("log", log)
    project.add_parquet("data/mapped.parquet", log)
    store = project.apply(MAPPED)
    spine = _spine(log["customer AS id"].take(pa.array(np.arange(60))).to_pandas().astype("Int64"))
    features = ["table_view:cents", "file_view:cents", "window_view:sum"]
    answers = []
    for pushed in (True, False):
        with _asked(pushed=pushed) as got:
            job = store.get_historical_features(entity_df=spine, features=features, full_feature_names=True)
            answers.append(job.to_arrow())
        assert got == [pushed] * 3
    assert answers[0].equals(answers[1])
    assert answers[0]["table_view__cents"].equals(answers[0]["file_view__cents"])
    known = log.to_pandas().dropna(subset=["customer AS id"])
    for row in answers[0].to_pandas().to_dict("records"):
        own = known[(known["customer AS id"] == row["user_id"]) & (known["happened"] < row["event_timestamp"])]
        assert row["window_view__sum"] == own["cents"].sum()


NANOSECONDS = """
files = FileSource(name="files", path="data/fine.parquet", timestamp_field="at")
latest = FeatureView(
    name="latest", entities=[user], ttl=timedelta(0), source=files, schema=[Field(name="n", dtype=Int64)]
)
counts = StreamFeatureView(
    name="counts", entities=[user], timestamp_field="at", schema=[Field(name="count", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=1), name="count")],
    source=PushSource(name="push", batch_source=files),
)
"""


@pytest.mark.parametrize("pushed", [True, False])
def test_nanoseconds_count_as_their_microsecond(pushed: bool, project: Project) -> None:
    """An event within the microsecond that a row asks at is at that time, whoever else asks, and in any century."""
    noon = int(at("2020-02-01T12:00:00").timestamp()) * 10**9
    happened = pa.array([noon, noon + 999, noon + 1_000]).cast(pa.timestamp("ns", "UTC"))
    project.add_parquet("data/fine.parquet", {"user_id": [1, 1, 1], "at": happened, "n": [0, 1, 2]})
    store = project.apply(NANOSECONDS)
    moments = [
        at("2020-02-01T12:00:00"),
        at("1600-01-01"),
        at("2020-02-01T12:00:00").replace(microsecond=1),
        at("2300-01-01"),
    ]
    expected = [(1, 0), (None, 0), (2, 2), (2, 0)]
    for rows in ([0], [0, 1], [2], [0, 2], [0, 3], [3], [1], [0, 1, 2, 3]):
        asked = pa.table({"user_id": [1] * len(rows), "event_timestamp": [moments[row] for row in rows]})
        with _asked(pushed=pushed):
            found = store.get_historical_features(
                entity_df=asked.to_pandas(), features=["latest:n", "counts:count"]
            ).to_arrow()
        answers = list(zip(found["n"].to_pylist(), found["count"].to_pylist(), strict=True))
        assert answers == [expected[row] for row in rows], rows
