"""A materialised log with features of every type, from which compiled readers read."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from projects import NOW, Project

VIEWS = """
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
names = ["big", "small", "price", "half", "flag", "word", "raw", "moment", "tags", "numbers"]
types = [Int64, Int32, Float64, Float32, Bool, String, Bytes, UnixTimestamp, Array(String), Array(Int64)]
latest = FeatureView(
    name="latest", entities=[user], source=log, ttl=timedelta(days=3),
    schema=[Field(name=name, dtype=dtype) for name, dtype in zip(names, types)],
)
made = [
    ("count", "", 7, Int64), ("sum", "big", 7, Int64), ("sum", "small", 7, Int64), ("max", "small", 7, Int32),
    ("mean", "price", 7, Float64), ("mean", "price", 9, Float32), ("min", "price", 7, Float64),
    ("first", "word", 7, String), ("last", "flag", 7, Bool), ("last", "at", 7, UnixTimestamp),
    ("last_n(2)", "word", 7, Array(String)), ("last_n(2)", "big", 7, Array(Int64)),
    ("last_n(3)", "price", 7, Array(Float64)), ("count_distinct", "word", 7, Int64),
    ("seconds_since_last", "", 7, Float64), ("last", "big", 7, Int64), ("std", "small", 7, Float64),
]
def recent(name, chosen):
    return StreamFeatureView(
        name=name, entities=[user], timestamp_field="at", source=PushSource(name=name + "_push", batch_source=log),
        schema=[Field(name=f"{name}_{i}", dtype=dtype) for i, (_, _, _, dtype) in chosen],
        aggregations=[
            Aggregation(function=function, column=column, time_window=timedelta(days=days), name=f"{name}_{i}")
            for i, (function, column, days, _) in chosen
        ],
    )
recent_plain = recent("plain", [(i, one) for i, one in enumerate(made) if one[3] != Int32])
recent_cast = recent("cast", [(i, one) for i, one in enumerate(made) if one[3] in (Int32, Float32, Int64)])
everyone = StreamFeatureView(
    name="everyone", entities=[], source=PushSource(name="everyone_push", batch_source=log), timestamp_field="at",
    schema=[Field(name="all_n", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="all_n")],
)
request = RequestSource(name="request", schema=[Field(name="offer", dtype=Float64), Field(name="asked", dtype=Int64)])


@on_demand_feature_view(
    sources=[request, latest[["big", "price"]]],
    schema=[Field(name="sum_of", dtype=Float64), Field(name="exact", dtype=Int64)],
)
def by_pandas(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"sum_of": inputs["price"] + inputs["offer"], "exact": inputs["big"]})


@on_demand_feature_view(
    sources=[request, latest[["word", "big"]]], mode="python",
    schema=[Field(name="louder", dtype=String), Field(name="next_big", dtype=Int64)],
)
def by_python(inputs: dict) -> dict:
    return {
        "louder": [word and word.upper() for word in inputs["word"]],
        "next_big": [None if big is None else big + asked for big, asked in zip(inputs["big"], inputs["asked"])],
    }


service = FeatureService(
    name="service", features=[latest, recent_plain, recent_cast, everyone, by_pandas, by_python],
)
only = FeatureService(name="only", features=[latest[["big", "word"]]])
shared = FeatureService(name="shared", features=[everyone])
"""
BIG = 2**53 + 1
DAY = timedelta(days=1)
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()), ("at", _TIME), ("known", _TIME), ("big", pa.int64()), ("small", pa.int32()),
        ("price", pa.float64()), ("half", pa.float32()), ("flag", pa.bool_()), ("word", pa.string()),
        ("raw", pa.binary()), ("moment", _TIME), ("tags", pa.list_(pa.string())), ("numbers", pa.list_(pa.int64())),
    ]
)  # fmt: skip
FEATURES = SCHEMA.names[3:]
#: Full, null in all features, expired, with a full and a null event, unseen, without a key.
USERS = [1, 2, 3, 4, 77, None]
CONTEXT = {"offer": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], "asked": [1, 2, 3, 4, 5, 6]}


def log_row(user: int, happened: datetime, **changes: Any) -> dict[str, Any]:
    """An event of a user with a value of every type, unless told otherwise."""
    return {
        "user_id": user, "at": happened, "known": happened, "big": BIG, "small": -7, "price": 0.1, "half": 0.1,
        "flag": True, "word": "ä", "raw": b"\x00\xff", "moment": NOW - DAY, "tags": ["a", ""], "numbers": [BIG, -1],
        **changes,
    }  # fmt: skip


NULLS: dict[str, Any] = dict.fromkeys(FEATURES)
ROWS = [
    log_row(1, NOW - DAY), log_row(1, NOW - 2 * DAY, word="older", small=3, price=2.25, big=5),
    log_row(2, NOW - DAY, **NULLS), log_row(3, NOW - 5 * DAY),
    log_row(4, NOW - 2 * DAY, price=7.3, flag=False), log_row(4, NOW - DAY, **NULLS),
]  # fmt: skip


def fill(project: Project, code: str = VIEWS) -> Any:
    """The project over the log, applied and materialised."""
    project.add_duckdb("log", pa.Table.from_pylist(ROWS, SCHEMA))
    store = project.apply(code)
    for view in store.all_feature_views():
        store.materialise_view(view)
    return store
