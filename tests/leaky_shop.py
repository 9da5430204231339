"""A small shop of orders, with a task and a feature repo, into which one leak at a time can be planted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from projects import Project
from storekeeper.artefact import Column
from storekeeper.settings import Settings
from storekeeper_training.build import build_dataset
from storekeeper_training.dataset import Dataset, read_dataset
from storekeeper_training.lint import Evidence, Limits
from storekeeper_training.lint.declared import read_declared
from storekeeper_training.split import split_by_fractions
from storekeeper_training.tasks import RuleBaseline, Task

NOW = datetime(2020, 4, 1, tzinfo=UTC)

SPINE = """
WITH seen AS (SELECT * FROM events WHERE event_time < $now AND known_time <= $now),
bounds AS (SELECT max(event_time) AS until FROM seen),
cutoffs AS (
  SELECT unnest(generate_series(TIMESTAMP '2020-01-11 12:00', until, INTERVAL 1 DAY)) AS cutoff, until FROM bounds
),
drawn AS (
  SELECT DISTINCT seen.customer_id, cutoff, until
  FROM cutoffs JOIN seen
    ON seen.event_time < cutoff AND seen.known_time <= cutoff AND seen.event_time >= cutoff - INTERVAL 10 DAY
)
SELECT
  drawn.customer_id,
  cutoff AS event_timestamp,
  CASE WHEN cutoff + $horizon <= any_value(until) THEN (count(seen.customer_id) > 0)::BIGINT END AS label
FROM drawn LEFT JOIN seen
  ON seen.customer_id = drawn.customer_id
  AND seen.event_time >= cutoff AND seen.event_time < cutoff + $horizon
GROUP BY drawn.customer_id, cutoff ORDER BY event_timestamp, customer_id
"""

DEFINITIONS = """
orders = PushSource(name="orders", batch_source=DuckDBSource(
    name="order_log", database="data/behaviour.duckdb", query="SELECT * FROM events", timestamp_field="event_time",
    created_timestamp_column="known_time"))
profiles = DuckDBSource(
    name="profiles", database="data/behaviour.duckdb", table="profiles", timestamp_field="since"{profile_options})
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)


def over(name, function, column, days):
    return Aggregation(column=column, function=function, time_window=timedelta(days=days), name=name)


made = [over("orders_3d", "count", "", 3), over("spent_10d", "sum", "amount_cents", 10),
        over("since_order", "seconds_since_last", "", 30)]
activity = StreamFeatureView(
    name="activity", entities=[customer], source=orders, timestamp_field="event_time", aggregations=made,
    schema=[Field(name="orders_3d", dtype=Int64), Field(name="spent_10d", dtype=Int64),
            Field(name="since_order", dtype=Float64)])
profile = FeatureView(name="profile", entities=[customer], source=profiles, schema=[{profile_fields}])
{more}
shop = FeatureService(name="shop", features=[activity, profile{services}])
"""

TASK = Task(
    name="orders",
    title="Will the customer order within 3 days?",
    description="",
    feature_service="shop",
    spine_sql=SPINE,
    entity_keys=(Column("customer_id", "int64"),),
    horizon=timedelta(days=3),
    rule=RuleBaseline("orders_3d", "rising"),
)


@dataclass(frozen=True)
class LeakyShop:
    """What a shop is made of; a test replaces the part that leaks."""

    task: Task = TASK
    profile_options: str = ', created_timestamp_column="recorded_at"'
    profile_fields: str = 'Field(name="region", dtype=String)'
    more: str = ""
    services: str = ""
    profiles: Any = None
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    files: Mapping[str, pa.Table] = field(default_factory=dict)

    def with_spine(self, old: str, new: str) -> "LeakyShop":
        """Another spine."""
        sql = self.task.spine_sql
        assert old in sql
        return replace(self, task=replace(self.task, spine_sql=sql.replace(old, new)))

    def evidence(self, root: Path, limits: Limits | None = None) -> Evidence:
        """Load the shop, apply, build the training set and gather all that lints look at."""
        from storekeeper.database import upgrade

        project = Project(root)
        project.configure(clock=NOW.isoformat())
        project.add_duckdb("events", order_log())
        project.add_duckdb("profiles", self.profiles or profile_rows())
        for name, table in self.tables.items():
            project.add_duckdb(name, table)
        for path, table in self.files.items():
            project.add_parquet(path, table)
        upgrade(f"sqlite:///{project.root}/data/shop.db")
        parts = {name: getattr(self, name) for name in ("profile_options", "profile_fields", "more", "services")}
        store = project.apply(DEFINITIONS.format(**parts))
        settings = Settings.load(project.root, {})
        built = build_dataset(self.task, settings, store)
        dataset = read_dataset(self.task, built.folder)
        split = split_by_fractions(dataset.timestamps, self.task.horizon)
        chosen = limits or Limits()
        return Evidence(dataset, split, chosen, read_declared(dataset, settings, store, chosen))


def order_log(customers: int = 60, days: int = 90) -> pa.Table:
    """Orders of customers who differ in how often they order; one in twenty is reported a day late."""
    rng = np.random.default_rng(3)
    rate = rng.gamma(1.0, 0.25, customers) + 0.02
    customer, day = np.nonzero(rng.random((customers, days)) < rate[:, None])
    second = (day * 86_400 + rng.integers(0, 86_400, len(day))).astype("timedelta64[s]")
    time = np.datetime64("2020-01-01", "us") + second.astype("timedelta64[us]")
    order = np.argsort(time, kind="stable")
    late = np.where(rng.random(len(day)) < 0.05, np.timedelta64(1, "D"), np.timedelta64(0, "D"))
    return pa.table(
        {
            "customer_id": customer[order] + 1,
            "event_time": time[order],
            "known_time": (time + late)[order],
            "amount_cents": rng.integers(100, 9000, len(day)),
        }
    )


def profile_rows(**columns: Any) -> pa.Table:
    """One row a customer, of the time before the orders, with more columns if wanted."""
    rng = np.random.default_rng(4)
    since = np.datetime64("2019-06-01", "us") + np.arange(60).astype("timedelta64[D]").astype("timedelta64[us]")
    rows = {
        "customer_id": np.arange(1, 61),
        "since": since,
        "recorded_at": since,
        "region": rng.choice(["north", "south", "west"], 60).tolist(),
    }
    return pa.table(rows | columns)


def with_column(dataset: Dataset, name: str, values: Any) -> Dataset:
    """A dataset with one column more, or another one of that name."""
    table = dataset.table
    if name in table.column_names:
        table = table.drop_columns([name])
    return replace(dataset, table=table.append_column(name, pa.array(values)))
