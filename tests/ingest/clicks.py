"""A small project with a push source of clicks, and events for it."""

import json
from datetime import timedelta
from typing import Any

import pyarrow as pa

from projects import NOW, Project

DECLARED = """
log = DuckDBSource(
    name="click_log", database="data/behaviour.duckdb", table="clicks", timestamp_field="at",
    created_timestamp_column="known", tags={"event_id": "id"},
)
activity = StreamFeatureView(
    name="activity", entities=[user], timestamp_field="at", source=PushSource(name="clicks", batch_source=log),
    schema=[Field(name="clicks_7d", dtype=Int64), Field(name="spend_7d", dtype=Float64)],
    aggregations=[
        Aggregation(function="count", time_window=timedelta(days=7), name="clicks_7d"),
        Aggregation(column="price", function="sum", time_window=timedelta(days=7), name="spend_7d"),
    ],
)
"""
USERS = 50
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("id", pa.int64()), ("user_id", pa.int64()), ("at", _TIME), ("known", _TIME), ("price", pa.float64())]
)


def make_ready(project: Project) -> Any:
    """Declare and apply over an empty history; gives the feature store."""
    project.add_duckdb("clicks", SCHEMA.empty_table())
    return project.apply(DECLARED)


def click(number: int, **changes: Any) -> dict[str, Any]:
    """An event, as JSON has it; each number is a click of its own."""
    at = (NOW - timedelta(hours=1, milliseconds=number)).isoformat()
    return {"id": number, "user_id": number % USERS, "at": at, "price": 0.5, **changes}


def lines(events: Any) -> str:
    """Events as newline JSON."""
    return "".join(json.dumps(event) + "\n" for event in events)


def table(numbers: range) -> pa.Table:
    """Clicks as Arrow has them."""
    at = pa.array([click(number)["at"] for number in numbers]).cast(_TIME)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "user_id": pa.array([number % USERS for number in numbers], pa.int64()),
            "at": at,
            "price": pa.array([0.5] * len(numbers)),
        }
    )


def counts(project: Project) -> list[int | None]:
    """Clicks of each user, as they are served."""
    rows = [{"user_id": user} for user in range(USERS)]
    found = project.open().get_online_features(features=["activity:clicks_7d"], entity_rows=rows).to_dict()
    told: list[int | None] = found["clicks_7d"]
    return told


def expected_counts(numbers: range) -> list[int]:
    """What `counts` gives when each of these clicks was pushed."""
    return [sum(number % USERS == user for number in numbers) for user in range(USERS)]
