"""Feast's own declarations over other sources: Parquet, CSV, SQL, mapped columns; and Feast's direct pulls."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project, at

VIEWS = """
SOURCES = {
    "parquet": FileSource(
        name="parquet", path="data/rows.parquet", timestamp_field="at", created_timestamp_column="known",
    ),
    "csv": FileSource(name="csv", path="data/rows.csv", timestamp_field="at", created_timestamp_column="known"),
    "duckdb": DuckDBSource(
        name="duckdb", database="data/behaviour.duckdb", table="rows", timestamp_field="at",
        created_timestamp_column="known",
    ),
    "sql": SQLSource(
        name="sql", url="sqlite:///data/shop.db", table="rows", timestamp_field="at", created_timestamp_column="known",
    ),
    "sql_query": SQLSource(
        name="sql_query", url="sqlite:///data/shop.db", query="SELECT * FROM rows", timestamp_field="at",
        created_timestamp_column="known",
    ),
    "mapped": DuckDBSource(
        name="mapped", database="data/behaviour.duckdb", table="mapped", timestamp_field="t",
        created_timestamp_column="k",
        field_mapping={"u": "user_id", "t": "at", "k": "known", "c": "cents", "w": "word"},
    ),
}
VIEWS = [
    view
    for name, source in SOURCES.items()
    for view in (
        FeatureView(
            name=f"{name}_latest", entities=[user], source=source, ttl=timedelta(days=3),
            schema=[
                Field(name="cents", dtype=Int64), Field(name="word", dtype=String),
                Field(name="at", dtype=UnixTimestamp),
            ],
        ),
        StreamFeatureView(
            name=f"{name}_windows", entities=[user], source=PushSource(name=f"{name}_push", batch_source=source),
            timestamp_field="at", schema=[Field(name="n", dtype=Int64), Field(name="spend", dtype=Int64)],
            aggregations=[
                Aggregation(function="count", time_window=timedelta(days=7), name="n"),
                Aggregation(column="cents", function="sum", time_window=timedelta(days=7), name="spend"),
            ],
        ),
    )
]
(
    parquet_latest, parquet_windows, csv_latest, csv_windows, duckdb_latest, duckdb_windows, sql_latest, sql_windows,
    sql_query_latest, sql_query_windows, mapped_latest, mapped_windows,
) = VIEWS
"""
SOURCES = ["parquet", "csv", "duckdb", "sql", "sql_query", "mapped"]
ROWS = pa.table(
    {
        "user_id": pa.array([1, 1, 2, 1], pa.int64()),
        "at": pa.array([at("2020-02-27"), at("2020-02-28T12:34:56.000789"), at("2020-02-28"), at("2020-02-28")]),
        "known": pa.array([at("2020-02-27"), at("2020-02-29"), at("2020-02-28"), at("2020-02-28")]),
        "cents": pa.array([5, 2**53 + 1, None, 7], pa.int64()),
        "word": pa.array(["a", "ü", "c", "d"]),
    }
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same rows behind every kind of source, applied and materialised. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("sources"))
    made.configure()
    made.add_duckdb("rows", ROWS)
    made.add_duckdb("mapped", ROWS.rename_columns(["u", "t", "k", "c", "w"]))
    made.add_parquet("data/rows.parquet", ROWS)
    made.add_csv("data/rows.csv", ROWS)
    texts = [
        (row["user_id"], row["at"].isoformat(), row["known"].isoformat(), row["cents"], row["word"])
        for row in ROWS.to_pylist()
    ]
    made.add_sqlite(
        "CREATE TABLE rows (user_id BIGINT, at TIMESTAMP, known TIMESTAMP, cents BIGINT, word TEXT)",
        texts, "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
    )  # fmt: skip
    store = made.apply(VIEWS)
    store.materialize(NOW - pd.Timedelta(days=30), NOW)
    return made


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()


# A SQL spine runs in the DuckDB file that the views share.
@pytest.mark.parametrize(
    ("source", "by_sql"), [*((name, False) for name in SOURCES), ("duckdb", True), ("mapped", True)]
)
def test_history_over_any_source(store: Any, source: str, by_sql: bool) -> None:
    """The same rows give the same features from any source, for a DataFrame and for a SQL spine."""
    features = [f"{source}_latest:{name}" for name in ("cents", "word", "at")] + [
        f"{source}_windows:{n}" for n in ("n", "spend")
    ]
    moments = [at("2020-02-28"), at("2020-02-28T12:34:56.000789"), at("2020-02-29"), at("2020-03-08"), at("2020-02-28")]
    users = [1, 1, 1, 1, 2]
    spine: Any = pd.DataFrame({"user_id": users, "event_timestamp": moments})
    if by_sql:
        rows = ", ".join(
            f"({user}, TIMESTAMP '{moment.replace(tzinfo=None)}')" for user, moment in zip(users, moments, strict=True)
        )
        spine = f"SELECT * FROM (VALUES {rows}) AS spine(user_id, event_timestamp)"
    job = store.get_historical_features(entity_df=spine, features=features, filter_by_created_timestamp=True)
    rows = job.to_arrow().select(["cents", "word", "n", "spend"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (7, "d", 1, 5), (7, "d", 2, 12), (2**53 + 1, "ü", 3, 2**53 + 13), (None, None, 0, 0), (None, "c", 0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_online_over_any_source(store: Any, source: str) -> None:
    """So they do online."""
    features = [f"{source}_latest:cents", f"{source}_latest:word", f"{source}_windows:n", f"{source}_windows:spend"]
    found = store.get_online_features(features=features, entity_rows=[{"user_id": 1}, {"user_id": 2}]).to_dict()
    expected = {"cents": [2**53 + 1, None], "word": ["ü", "c"], "n": [3, 1], "spend": [2**53 + 13, 0]}
    assert found == {"user_id": [1, 2], **expected}


def test_a_sql_spine_needs_one_file(store: Any) -> None:
    """Where the views share no DuckDB file, the error names the setting that tells one."""
    from storekeeper.errors import UsageError

    with pytest.raises(UsageError, match=r"offline_store\.spine_database"):
        store.get_historical_features(
            entity_df="SELECT 1 AS user_id, now() AS event_timestamp", features=["csv_windows:n"]
        )


def test_a_spine_database_can_be_set(project: Project) -> None:
    """With that setting, a SQL spine runs there, whatever the views read."""
    project.configure(offline="\n  spine_database: data/spines.duckdb")
    project.add_duckdb("spine", [{"user_id": 1, "event_timestamp": at("2020-02-28")}], "data/spines.duckdb")
    project.add_parquet("data/rows.parquet", ROWS)
    store = project.apply(
        """
rows = FileSource(name="rows", path="data/rows.parquet", timestamp_field="at")
latest = FeatureView(name="latest", entities=[user], source=rows, schema=[Field(name="word", dtype=String)])
"""
    )
    found = store.get_historical_features(entity_df="FROM spine", features=["latest:word"]).to_df()
    assert found["word"].tolist() == ["d"]


def test_one_file_by_two_paths_is_one_file(project: Project) -> None:
    """A relative and an absolute path of one DuckDB file don't make a SQL spine ambiguous."""
    project.add_duckdb("rows", ROWS)
    store = project.apply(
        f"""
a = DuckDBSource(name="a", database="data/behaviour.duckdb", table="rows", timestamp_field="at")
b = DuckDBSource(name="b", database="{project.root}/data/behaviour.duckdb", table="rows", timestamp_field="at")
va = FeatureView(name="va", entities=[user], source=a, schema=[Field(name="word", dtype=String)])
vb = FeatureView(name="vb", entities=[user], source=b, schema=[Field(name="cents", dtype=Int64)])
"""
    )
    spine = "SELECT 1 AS user_id, TIMESTAMP '2020-02-28' AS event_timestamp"
    found = store.get_historical_features(entity_df=spine, features=["va:word", "vb:cents"]).to_df()
    assert found[["word", "cents"]].to_numpy().tolist() == [["d", 7]]


@pytest.mark.parametrize("source", ["duckdb", "mapped"])
def test_direct_pulls_speak_the_sources_words(shared: Project, store: Any, source: str) -> None:
    """Feast's `pull_latest` and `pull_all` ask for, and get, the columns as the source names them."""
    from storekeeper.offline.store import HistoryOfflineStore

    declared = store.get_data_source(source)
    key, time, known, feature = ("user_id", "at", "known", "cents") if source == "duckdb" else ("u", "t", "k", "c")
    common: dict[str, Any] = {
        "config": store.config, "data_source": declared, "join_key_columns": [key], "feature_name_columns": [feature],
        "timestamp_field": time, "created_timestamp_column": known, "start_date": at("2020-02-27"),
        "end_date": at("2020-02-28"),
    }  # fmt: skip
    everything = HistoryOfflineStore.pull_all_from_table_or_query(**common).to_arrow()
    assert set(everything.column_names) == {key, time, known, feature}
    assert sorted(everything[key].to_pylist()) == [1, 1, 2]
    latest = HistoryOfflineStore.pull_latest_from_table_or_query(**common).to_arrow()
    assert {row[key]: row[feature] for row in latest.to_pylist()} == {1: 7, 2: None}


def test_a_files_path_starts_at_the_root_and_else_at_the_repo(project: Project) -> None:
    """Relative paths start at the project root; where nothing is there, at the repo, as in Feast's own templates."""
    (project.repo / "data").mkdir()
    project.add_parquet("feature_repo/data/theirs.parquet", ROWS)
    project.add_parquet("data/ours.parquet", ROWS)
    store = project.apply(
        """
ours = FileSource(name="ours", path="data/ours.parquet", timestamp_field="at")
theirs = FileSource(name="theirs", path="data/theirs.parquet", timestamp_field="at")
vo = FeatureView(name="vo", entities=[user], source=ours, schema=[Field(name="word", dtype=String)])
vt = FeatureView(name="vt", entities=[user], source=theirs, schema=[Field(name="cents", dtype=Int64)])
"""
    )
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [at("2020-02-28")]})
    found = store.get_historical_features(entity_df=spine, features=["vo:word", "vt:cents"]).to_df()
    assert found[["word", "cents"]].to_numpy().tolist() == [["d", 7]]


def test_feast_apply_takes_files_at_the_root(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast's own `apply` accepts a FileSource whose relative path starts at the project root."""
    import sys

    from click.testing import CliRunner
    from feast.cli.cli import cli

    project.add_parquet("data/rows.parquet", ROWS)
    project.declare(
        """
rows = FileSource(name="rows", path="data/rows.parquet", timestamp_field="at")
latest = FeatureView(name="latest", entities=[user], source=rows, schema=[Field(name="word", dtype=String)])
"""
    )
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(sys, "path", sys.path[:])
    sys.modules.pop("definitions", None)
    done = CliRunner().invoke(cli, ["-c", "feature_repo", "apply"])
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert [view.name for view in project.open().list_feature_views()] == ["latest"]
