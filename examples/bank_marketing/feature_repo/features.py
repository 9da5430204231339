"""What a bank knows before it calls a client; and the call's duration, which it knows only afterwards."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, PushSource, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.types import Float64, Int64, String

from storekeeper.sources import DuckDBSource

LOG = "data/behaviour.duckdb"

client = Entity(name="client", join_keys=["client_id"], value_type=ValueType.INT64)
job = Entity(name="job", join_keys=["job"], value_type=ValueType.STRING)

clients = DuckDBSource(name="clients", database=LOG, table="clients", timestamp_field="listed_at")

# A call happens when the number is dialled; how it went and how long it took is known when it is over.
times = {"timestamp_field": "event_time", "created_timestamp_column": "known_time"}
call_log = DuckDBSource(name="call_log", database=LOG, table="events", **times)
calls = PushSource(name="calls", batch_source=call_log)

# The same table, but nothing says when its rows were known.
careless_log = DuckDBSource(name="careless_log", database=LOG, table="events", timestamp_field="event_time")


def latest(name: str, source: DuckDBSource, **types: object) -> FeatureView:
    """The latest known row of a client."""
    schema = [Field(name=feature, dtype=dtype) for feature, dtype in types.items()]
    return FeatureView(name=name, entities=[client], ttl=timedelta(0), schema=schema, source=source)


words = ("marital", "education", "in_default", "housing", "loan", "outcome_before")
numbers = ("age", "balance", "calls_of_campaign", "calls_before", "days_since_campaign")
client_profile = latest("client_profile", clients, **dict.fromkeys(words, String), **dict.fromkeys(numbers, Int64))
call_result = latest("call_result", call_log, duration_seconds=Int64)
careless_result = latest("careless_result", careless_log, duration_seconds=Int64)

windows = [
    Aggregation(column="subscribed", function=function, time_window=timedelta(days=days), name=f"job_{name}_{days}d")
    for name, function in (("calls", "count"), ("share", "mean"))
    for days in (7, 28)
]
job_calls = StreamFeatureView(
    name="job_calls",
    entities=[job],
    schema=[Field(name=one.name, dtype=Int64 if one.function == "count" else Float64) for one in windows],
    source=calls,
    timestamp_field="event_time",
    aggregations=windows,
)

subscribe = FeatureService(name="subscribe", features=[client_profile, job_calls])
with_duration = FeatureService(name="with_duration", features=[client_profile, job_calls, call_result])
careless = FeatureService(name="careless", features=[client_profile, job_calls, careless_result])
