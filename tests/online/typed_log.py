"""A log with columns of every type, views over it, and how Feast's clients read them online."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from projects import NOW, Project

VIEWS = """
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
activity = StreamFeatureView(
    name="activity", entities=[user], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[
        Field(name="n", dtype=Int64), Field(name="total", dtype=Int64), Field(name="words", dtype=Array(String)),
        Field(name="average", dtype=Float64), Field(name="newest", dtype=UnixTimestamp), Field(name="any", dtype=Bool),
    ],
    aggregations=[
        Aggregation(function="count", time_window=timedelta(days=7), name="n"),
        Aggregation(column="big", function="sum", time_window=timedelta(days=7), name="total"),
        Aggregation(column="word", function="last_n(3)", name="words"),
        Aggregation(column="price", function="mean", time_window=timedelta(days=7), name="average"),
        Aggregation(column="at", function="max", name="newest"),
        Aggregation(column="flag", function="last", name="any"),
    ],
)
latest = FeatureView(
    name="latest", entities=[user], source=log, ttl=timedelta(days=3),
    schema=[
        Field(name="big", dtype=Int64), Field(name="word", dtype=String), Field(name="x_y", dtype=Float64),
        Field(name="flag", dtype=Bool), Field(name="tags", dtype=Array(String)),
        Field(name="numbers", dtype=Array(Int64)), Field(name="small", dtype=Int32),
        Field(name="half", dtype=Float32), Field(name="raw", dtype=Bytes), Field(name="moment", dtype=UnixTimestamp),
    ],
)
pair = Entity(name="pair", join_keys=["other"], value_type=ValueType.STRING)
both = FeatureView(
    name="both", entities=[user, pair], schema=[Field(name="tag", dtype=String)],
    source=DuckDBSource(name="pairs", database="data/behaviour.duckdb", table="pairs", timestamp_field="at"),
)
everyone = StreamFeatureView(
    name="everyone", entities=[], source=PushSource(name="push_all", batch_source=log), timestamp_field="at",
    schema=[Field(name="all_n", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="all_n")],
)
today = FeatureView(
    name="today", entities=[], ttl=timedelta(0), schema=[Field(name="weather", dtype=String)],
    source=DuckDBSource(name="weather", database="data/behaviour.duckdb", table="weather", timestamp_field="at"),
)
request = RequestSource(name="request", schema=[Field(name="price", dtype=Float64)])


@on_demand_feature_view(sources=[request, activity[["average"]]], schema=[Field(name="ratio", dtype=Float64)])
def ratios(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"ratio": inputs["price"] / inputs["average"].astype("float64")})


service = FeatureService(name="service", features=[activity, latest, ratios, today, everyone])
mapped = FeatureService(
    name="mapped",
    features=[
        latest[["word"]].with_name("buyer").with_join_key_map({"user_id": "buyer_id"}),
        latest[["word"]].with_name("seller").with_join_key_map({"user_id": "seller_id"}),
    ],
)
"""
BIG = 2**53 + 1
DAY = timedelta(days=1)


def log_row(user: int | None, happened: datetime, **changes: Any) -> dict[str, Any]:
    """An event of a user with a value in every column, unless told otherwise."""
    return {
        "user_id": user, "at": happened, "known": None, "big": BIG, "word": "ä", "x_y": 0.1, "price": 2.0,
        "flag": False, "tags": ["a", ""], "numbers": [BIG, -1], "small": -(2**31), "half": 0.5, "raw": b"\x00\xff",
        "moment": NOW - DAY, **changes,
    }  # fmt: skip


_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()), ("at", _TIME), ("known", _TIME), ("big", pa.int64()), ("word", pa.string()),
        ("x_y", pa.float64()), ("price", pa.float64()), ("flag", pa.bool_()), ("tags", pa.list_(pa.string())),
        ("numbers", pa.list_(pa.int64())), ("small", pa.int32()), ("half", pa.float32()), ("raw", pa.binary()),
        ("moment", _TIME),
    ]
)  # fmt: skip
NULLS = dict.fromkeys(["big", "word", "x_y", "price", "flag", "tags", "numbers", "small", "half", "raw", "moment"])
LATEST = ["big", "word", "x_y", "flag", "tags", "numbers", "small", "half", "raw"]


def log_of(*rows: dict[str, Any]) -> pa.Table:
    """The log that holds these rows."""
    return pa.Table.from_pylist(list(rows), SCHEMA)


def fill(project: Project, *rows: dict[str, Any]) -> Any:
    """The project with these rows in its log, and pairs and weather beside it, applied."""
    project.add_duckdb("log", log_of(*rows))
    pairs = [(1, "23", "1|23"), (12, "3", "12|3"), (1, "1", "1|1")]
    project.add_duckdb("pairs", [{"user_id": u, "other": o, "at": NOW - DAY, "tag": t} for u, o, t in pairs])
    project.add_duckdb("weather", [{"at": NOW - DAY, "weather": "sun"}, {"at": NOW - 2 * DAY, "weather": "rain"}])
    return project.apply(VIEWS)


def read_online(store: Any, features: Any, rows: list[dict[str, Any]], **options: Any) -> dict[str, list[Any]]:
    """What `get_online_features` gives, a list for each name."""
    found: dict[str, list[Any]] = store.get_online_features(features=features, entity_rows=rows, **options).to_dict()
    return found


def set_clock(project: Project, moment: datetime) -> Any:
    """The project opened anew at another now."""
    project.configure(clock=moment.isoformat())
    return project.open()


def field_statuses(found: Any) -> dict[str, list[str]]:
    """Feast's status of each value, by feature."""
    from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

    names = found.proto.metadata.feature_names.val
    return {
        name: [FieldStatus.Name(status) for status in vector.statuses]
        for name, vector in zip(names, found.proto.results, strict=True)
    }
