"""One push source, and the views that its events go into: three windowed ones and one of latest values."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureView, Field, FileSource, PushSource, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

SOURCE = "activity"
LATEST = ("amount", "quantity")
USERS, PRODUCTS = 10_000, 1_000
_WINDOWS = {"1h": 1, "1d": 24, "7d": 168, "30d": 720}
_VIEWS = {
    "user_spend": ("user", (("count", ""), ("sum", "amount"), ("max", "amount"))),
    "user_basket": ("user", (("mean", "quantity"), ("min", "amount"), ("max", "quantity"))),
    "product_demand": ("product", (("count", ""), ("sum", "quantity"), ("max", "amount"))),
}
_STEP_US = 1_000


def events(first: int, count: int, starts: datetime) -> pa.Table:
    """Events number `first` and those after it, a millisecond apart; the same whenever they are asked for."""
    numbers = np.arange(first, first + count)
    rng = np.random.default_rng(first)
    times = np.datetime64(starts.astimezone(UTC).replace(tzinfo=None), "us") + (numbers * _STEP_US).astype("m8[us]")
    return pa.table(
        {
            "user_id": rng.integers(0, USERS, count),
            "product_id": rng.integers(0, PRODUCTS, count),
            "amount": np.round(rng.exponential(20, count), 2),
            "quantity": rng.integers(1, 10, count),
            "at": pa.array(times).cast(pa.timestamp("us", tz="UTC")),
        }
    )


def batches(size: int, first: int, starts: datetime) -> Iterator[pa.Table]:
    """Events without end, some at a time."""
    while True:
        yield events(first, size, starts)
        first += size


def declarations(folder: Path, starts: datetime, *, windowed: bool) -> list[Any]:
    """The latest-value view, and beside it the windowed ones if wanted; their history is a file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    history = folder / "activity.parquet"
    pq.write_table(events(0, 100, starts - timedelta(days=1)), history)
    source = FileSource(name=f"{SOURCE}_log", path=str(history), timestamp_field="at")
    pushed = PushSource(name=SOURCE, batch_source=source)
    entities = {
        name: Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64) for name in ("user", "product")
    }
    types = dict(zip(LATEST, (Float64, Int64), strict=True))
    latest = FeatureView(
        name="user_last",
        entities=[entities["user"]],
        ttl=timedelta(days=7),
        schema=[Field(name=name, dtype=dtype) for name, dtype in types.items()],
        source=pushed,
    )
    views = [_windowed(name, entities[key], asked, pushed) for name, (key, asked) in _VIEWS.items()]
    return [*entities.values(), latest, *(views if windowed else [])]


def _windowed(name: str, entity: Any, asked: tuple[tuple[str, str], ...], pushed: Any) -> StreamFeatureView:
    aggregations = [
        Aggregation(
            function=function,
            column=column,
            time_window=timedelta(hours=hours),
            name=f"{name}_{function}_{column or 'events'}_{window}",
        )
        for window, hours in _WINDOWS.items()
        for function, column in asked
    ]
    whole = {"count": Int64, "max_quantity": Int64, "sum_quantity": Int64}
    schema = [
        Field(name=each.name, dtype=whole.get(each.function, whole.get(f"{each.function}_{each.column}", Float64)))
        for each in aggregations
    ]
    return StreamFeatureView(
        name=name,
        entities=[entity],
        schema=schema,
        source=pushed,
        timestamp_field="at",
        aggregations=aggregations,
    )
