"""Feast projects over a case's files: with Storekeeper's offline store, or with Feast's DuckDB store."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

from benchmarks.cases import SUMS, TTL_DAYS, VIEWS, WINDOWS
from benchmarks.data import feature_names

_CONFIG = """
project: benchmark
registry: {registry}
entity_key_serialization_version: 3
"""
_STORES = {
    "storekeeper": """
provider: storekeeper.provider.StorekeeperProvider
offline_store:
  type: storekeeper.offline.store.HistoryOfflineStore
online_store:
  type: storekeeper.online.store.StateOnlineStore
  path: online.db
""",
    "duckdb": """
provider: local
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: online.db
""",
}


def latest_through_feast(store: str, files: Path, scratch: Path) -> Callable[[], pa.Table]:
    """Apply the latest-value views; the callable retrieves them for the spine."""
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=f"view{name}",
            entities=[user],
            ttl=timedelta(days=TTL_DAYS),
            schema=[Field(name=feature, dtype=Float64) for feature in feature_names(name)],
            source=FileSource(name=name, path=str(files / f"{name}.parquet"), timestamp_field="event_timestamp"),
        )
        for name in VIEWS
    ]
    refs = [f"view{name}:{feature}" for name in VIEWS for feature in feature_names(name)]
    return _retrieval(store, [user, *views], refs, files, scratch)


def windows_through_feast(windows: Sequence[str], files: Path, scratch: Path) -> Callable[[], pa.Table]:
    """Apply one view with the windows given; the callable retrieves it for the spine."""
    return _retrieval("storekeeper", *_windowed_view(windows, files), files, scratch)


def windows_streamed(windows: Sequence[str], files: Path, scratch: Path) -> Callable[[], pa.Table]:
    """The same, where the answer is streamed, since it may be larger than memory: all that is kept are its sums."""
    job = _job("storekeeper", *_windowed_view(windows, files), files, scratch)

    def streamed() -> pa.Table:
        return pa.Table.from_pylist(
            [{name: pc.sum(batch.column(name)).as_py() for name in SUMS} for batch in job().to_record_batches()]
        )

    return streamed


def _windowed_view(windows: Sequence[str], files: Path) -> tuple[list[Any], list[str]]:
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    log = FileSource(name="log", path=str(files / "events.parquet"), timestamp_field="event_timestamp")
    aggregations = [
        Aggregation(
            column=column,
            function=function,
            name=f"{name}{window}",
            time_window=timedelta(microseconds=WINDOWS[window][0]),
        )
        for window in windows
        for name, function, column in (
            ("count", "count", ""),
            ("amount", "sum", "amount"),
            ("quantity", "sum", "quantity"),
            ("highest", "max", "amount"),
        )
    ]
    view = StreamFeatureView(
        name="activity",
        entities=[user],
        schema=[
            Field(name=each.name, dtype=Int64 if each.name.startswith("count") else Float64) for each in aggregations
        ],
        source=PushSource(name="events", batch_source=log),
        timestamp_field="event_timestamp",
        aggregations=aggregations,
    )
    return [user, view], [f"activity:{each.name}" for each in aggregations]


def _retrieval(
    store: str, declarations: list[Any], refs: list[str], files: Path, scratch: Path
) -> Callable[[], pa.Table]:
    job = _job(store, declarations, refs, files, scratch)
    return lambda: job().to_arrow()


def _job(store: str, declarations: list[Any], refs: list[str], files: Path, scratch: Path) -> Callable[[], Any]:
    repo = scratch / "feature_repo"
    repo.mkdir(parents=True)
    config = _CONFIG.format(registry=scratch / "registry.db") + _STORES[store]
    (repo / "feature_store.yaml").write_text(config, encoding="utf-8")
    features = FeatureStore(repo_path=str(repo))
    features.apply(declarations)

    def ask() -> Any:
        spine = pd.read_parquet(files / "spine.parquet")
        return features.get_historical_features(entity_df=spine, features=refs)

    return ask
