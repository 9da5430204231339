"""A behaviour log small enough to count by hand, and a spine's rows over it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from storekeeper_training.spine import Spine, read_spine
from storekeeper_training.tasks import Task

MICROSECOND = timedelta(microseconds=1)
START = datetime(2017, 4, 3)  # noqa: DTZ001 (naive UTC, as in the log)


@dataclass(frozen=True)
class Happened:
    """An event; what is None is null in the log."""

    event_type: str
    event_time: datetime
    customer_id: int | None = None
    product_id: int | None = None
    campaign_id: int | None = None
    basket_id: int | None = None
    session_id: int | None = None
    quantity: int | None = None
    amount_cents: int | None = None
    known_after: timedelta = timedelta(0)


def write_log(path: Path, *events: Happened) -> Path:
    """The events as a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE OR REPLACE TABLE events (event_type VARCHAR, event_time TIMESTAMP, known_time TIMESTAMP, "
            "customer_id BIGINT, product_id BIGINT, campaign_id BIGINT, basket_id BIGINT, session_id BIGINT, "
            "quantity BIGINT, amount_cents BIGINT)"
        )
        for one in events:
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    one.event_type, one.event_time, one.event_time + one.known_after, one.customer_id, one.product_id,
                    one.campaign_id, one.basket_id, one.session_id, one.quantity, one.amount_cents,
                ],
            )  # fmt: skip
    return path


def spine_of(task: Task, path: Path, **parameters: Any) -> Spine:
    """The task's spine with some parameters set."""
    return read_spine(replace(task, parameters={**task.parameters, **parameters}), path)


def rows_of(spine: Spine, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of the spine, row by row; times are naive."""
    naive = [
        {key: value.replace(tzinfo=None) if isinstance(value, datetime) else value for key, value in row.items()}
        for row in spine.table.to_pylist()
    ]
    return [tuple(row[name] for name in names) for row in naive]
