"""A project whose views, of every shape, are over push sources, and how its online and offline answers compare."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from projects import NOW, Project

DAY = timedelta(days=1)
TIME = pa.timestamp("us", "UTC")
LOG = pa.schema(
    [
        ("user_id", pa.int64()), ("product", pa.string()), ("at", TIME), ("known", TIME), ("cents", pa.int64()),
        ("price", pa.float64()), ("flag", pa.bool_()), ("word", pa.string()), ("moment", TIME),
    ]
)  # fmt: skip
NUMBERED = pa.schema(
    [("user_id", pa.int64()), ("at", pa.timestamp("us")), ("number", pa.int64()), ("cents", pa.int32())]
)
VIEWS = """
product = Entity(name="product", join_keys=["product"], value_type=ValueType.STRING)
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
numbered = DuckDBSource(
    name="numbered", database="data/behaviour.duckdb", table="numbered", timestamp_field="at",
    tags={"event_id": "number"},
)
events = PushSource(name="events", batch_source=log)
orders = PushSource(name="orders", batch_source=numbered)
WINDOWED = {
    "n": Aggregation(function="count", name="n", time_window=timedelta(days=7)),
    "spend": Aggregation(column="cents", function="sum", name="spend", time_window=timedelta(days=7)),
    "mean": Aggregation(column="price", function="mean", name="mean", time_window=timedelta(days=1)),
    "flags": Aggregation(column="flag", function="count", name="flags"),
    "words": Aggregation(column="word", function="count_distinct", name="words", time_window=timedelta(days=7)),
    "last_word": Aggregation(column="word", function="last", name="last_word", time_window=timedelta(days=7)),
    "newest": Aggregation(column="word", function="last_n(3)", name="newest"),
    "first_moment": Aggregation(column="moment", function="min", name="first_moment", time_window=timedelta(days=7)),
}
TYPES = {
    "n": Int64, "spend": Int64, "mean": Float64, "flags": Int64, "words": Int64, "last_word": String,
    "newest": Array(String), "first_moment": UnixTimestamp,
}
def windowed(name, entities, source=events, features=tuple(WINDOWED)):
    return StreamFeatureView(
        name=name, entities=entities, source=source, timestamp_field="at",
        schema=[Field(name=feature, dtype=TYPES[feature]) for feature in features],
        aggregations=[WINDOWED[feature] for feature in features],
    )
of_user = windowed("of_user", [user])
of_product = windowed("of_product", [product])
of_both = windowed("of_both", [user, product])
of_all = windowed("of_all", [], features=("n", "spend"))
counted = windowed("counted", [user], source=orders, features=("n", "spend"))
latest = FeatureView(
    name="latest", entities=[user], source=events, ttl=timedelta(days=3), schema=[
        Field(name="word", dtype=String), Field(name="cents", dtype=Int64), Field(name="price", dtype=Float32),
        Field(name="flag", dtype=Bool), Field(name="moment", dtype=UnixTimestamp),
    ],
)
plain = FeatureView(name="plain", entities=[user], source=numbered, schema=[Field(name="cents", dtype=Int64)])
"""
WINDOWS = ["n", "spend", "mean", "flags", "words", "last_word", "newest", "first_moment"]
FEATURES = [
    *(f"{view}:{feature}" for view in ("of_user", "of_product", "of_both") for feature in WINDOWS),
    *(f"of_all:{feature}" for feature in ("n", "spend")),
    *(f"latest:{feature}" for feature in ("word", "cents", "price", "flag", "moment")),
]


def event(user: int | None, happened: Any, product: str | None = "tea", **values: Any) -> dict[str, Any]:
    """An event of the log, known as it happened."""
    blank = {"cents": 1, "price": 0.5, "flag": True, "word": "a", "moment": NOW - DAY}
    return {"user_id": user, "product": product, "at": happened, "known": happened, **blank, **values}


def order(user: int, happened: Any, number: Any, cents: Any = 1) -> dict[str, Any]:
    """An event of the numbered source."""
    return {"user_id": user, "at": happened, "number": number, "cents": cents}


def table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Events in the log's types."""
    return pa.Table.from_pylist(list(rows), LOG)


class PushedShop:
    """The project, applied, with a store open."""

    def __init__(self, project: Project, *, clock: datetime = NOW) -> None:
        self.project = project
        project.configure(clock=clock.isoformat())
        project.add_duckdb("log", LOG.empty_table())
        project.add_duckdb("numbered", NUMBERED.empty_table())
        self.store = project.apply(VIEWS)

    def at(self, clock: datetime) -> Any:
        """A store whose clock stands elsewhere."""
        self.project.configure(clock=clock.isoformat())
        return self.project.open()

    def state(self, view: str) -> Any:
        """A view's state."""
        return self.store._get_provider().online_store.view_state(self.store.config, self._view(view))

    def waiting(self, view: str) -> int:
        """How many pushed rows wait for a materialisation."""
        state = self.state(view)
        return len(list(state.backend.pushed(state.name)))

    def _view(self, name: str) -> Any:
        return next(view for view in self.store.all_feature_views() if view.name == name)

    def online(self, entities: list[dict[str, Any]], *features: str, store: Any = None) -> dict[str, list[Any]]:
        """Features of entities now."""
        found = (store or self.store).get_online_features(
            features=list(features or FEATURES), entity_rows=entities, full_feature_names=True
        )
        return _told(found.to_dict())

    def offline(self, entities: list[dict[str, Any]], *features: str, now: datetime = NOW) -> dict[str, list[Any]]:
        """What training would see at the same moment."""
        spine = pd.DataFrame(entities).assign(event_timestamp=now)
        job = self.store.get_historical_features(
            entity_df=spine, features=list(features or FEATURES), full_feature_names=True,
            filter_by_created_timestamp=True,
        )  # fmt: skip
        return _told(job.to_arrow().drop_columns(["event_timestamp"]).to_pydict())


def _told(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Values that compare: floats to nine digits, instants with their zone."""
    return {name: [_plain(value) for value in columns[name]] for name in sorted(columns)}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.9g}")
    return pd.Timestamp(value).tz_convert("UTC").isoformat() if isinstance(value, datetime) else value
