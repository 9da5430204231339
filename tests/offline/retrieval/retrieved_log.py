"""A small log with nulls, large integers and late knowledge, views over it, and a spine."""

from typing import Any

import pandas as pd
import pyarrow as pa

from projects import Project, at

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


def spine_frame(users: list[Any], moments: list[Any], **columns: Any) -> pd.DataFrame:
    """A spine of users at moments, with other columns beside them."""
    return pd.DataFrame({"user_id": users, "event_timestamp": moments, **columns})


def fill(project: Project) -> Any:
    """The project over the log and the pairs, applied."""
    project.add_duckdb("log", LOG)
    project.add_duckdb("pairs", PAIRS)
    return project.apply(VIEWS)
