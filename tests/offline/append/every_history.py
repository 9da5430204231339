"""The same two rows behind every kind of source, how rows are appended to them, and what is seen then."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from projects import at
from storekeeper.offline.store import HistoryOfflineStore

VIEWS = """
SOURCES = {
    "duckdb": DuckDBSource(
        name="duckdb", database="data/behaviour.duckdb", table="rows", timestamp_field="at",
        created_timestamp_column="known",
    ),
    "sql": SQLSource(
        name="sql", url="sqlite:///data/shop.db", table="rows", timestamp_field="at", created_timestamp_column="known",
    ),
    "folder": FileSource(name="folder", path="data/folder", timestamp_field="at", created_timestamp_column="known"),
    "hive": FileSource(name="hive", path="data/hive", timestamp_field="at", created_timestamp_column="known"),
    "mapped": DuckDBSource(
        name="mapped", database="data/behaviour.duckdb", table="mapped", timestamp_field="t",
        created_timestamp_column="k",
        field_mapping={"u": "user_id", "t": "at", "k": "known", "c": "cents", "p": "share", "w": "word"},
    ),
    "plain": FileSource(name="plain", path="data/plain", timestamp_field="at"),
    "parquet": FileSource(name="parquet", path="data/rows.parquet", timestamp_field="at"),
    "csv": FileSource(name="csv", path="data/rows.csv", timestamp_field="at"),
    "query": DuckDBSource(
        name="query", database="data/behaviour.duckdb", query="SELECT * FROM rows", timestamp_field="at",
    ),
    "sql_query": SQLSource(
        name="sql_query", url="sqlite:///data/shop.db", query="SELECT * FROM rows", timestamp_field="at",
    ),
}
PUSHES = {name: PushSource(name=f"{name}_push", batch_source=source) for name, source in SOURCES.items()}
VIEWS = [
    view
    for name in SOURCES
    for view in (
        FeatureView(
            name=f"{name}_latest", entities=[user], source=PUSHES[name],
            schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String)],
        ),
        StreamFeatureView(
            name=f"{name}_windows", entities=[user], source=PUSHES[name], timestamp_field="at",
            schema=[Field(name="n", dtype=Int64), Field(name="spend", dtype=Int64)],
            aggregations=[
                Aggregation(function="count", name="n"), Aggregation(column="cents", function="sum", name="spend"),
            ],
        ),
    )
]
(
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16, v17, v18, v19,
) = VIEWS
"""
SOURCES = ["duckdb", "sql", "folder", "hive", "mapped"]
TIMESTAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("user_id", pa.int64()), ("at", TIMESTAMP), ("known", TIMESTAMP), ("cents", pa.int32()),
     ("share", pa.float32()), ("word", pa.string())]
)  # fmt: skip


def new_row(user: int | None, moment: str, cents: Any = 1, word: str = "new", **others: Any) -> dict[str, Any]:
    """A row to append, known when it happened unless told otherwise."""
    row = {"user_id": user, "at": at(moment), "known": at(moment), "cents": cents, "share": 0.5, "word": word}
    return row | others


OLD = pa.Table.from_pylist([new_row(1, "2020-02-01", 5, "old"), new_row(2, "2020-02-01", 7, "old")], SCHEMA)


def append(store: Any, source: str, rows: Any, progress: Any = None) -> None:
    """Append as Feast does: to the view's batch source, through the offline store."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    HistoryOfflineStore.offline_write_batch(store.config, store.get_feature_view(f"{source}_latest"), table, progress)


def ask(store: Any, source: str, users: list[int], moment: str, **options: Any) -> list[tuple[Any, ...]]:
    """What each user's row of a spine at one moment gets: cents and word of the latest row, count and spend of all."""
    spine = pd.DataFrame({"user_id": users, "event_timestamp": [at(moment)] * len(users)})
    features = [f"{source}_latest:cents", f"{source}_latest:word", f"{source}_windows:n", f"{source}_windows:spend"]
    job = store.get_historical_features(entity_df=spine, features=features, **options)
    return [tuple(row.values()) for row in job.to_arrow().select(["cents", "word", "n", "spend"]).to_pylist()]


def contents(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Every Parquet part of a project, and every other file of its folders."""
    files = [path for path in (root / "data").rglob("*") if path.is_file() and path.parent != root / "data"]
    return {str(path): pq.read_table(path, partitioning=None).to_pylist() for path in files}
