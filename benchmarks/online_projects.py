"""The same entities with the same features in Storekeeper's online store and in Feast's own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feast
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

from benchmarks.online_repos import feasts_repo, our_repo
from storekeeper.store import FeatureStore

VIEWS = ("a", "b", "c")
FEATURES = 20
_WINDOWS = {"1h": 1, "6h": 6, "1d": 24, "7d": 168, "30d": 720}
_EVENTS_AN_ENTITY = 60


@dataclass(frozen=True)
class Data:
    """Files that everyone reads.

    Attributes
    ----------
    folder
        `a.parquet`, `b.parquet`, `c.parquet`: one row an entity; `events.parquet`: many.
    entities
        Their number; keys are from 0.
    """

    folder: Path
    entities: int


def write_data(folder: Path, entities: int) -> Data:
    """Write the files."""
    folder.mkdir(parents=True)
    rng, now = np.random.default_rng(7), datetime.now(UTC)
    for view in VIEWS:
        columns: dict[str, Any] = {f"{view}_{number}": rng.normal(size=entities) for number in range(FEATURES)}
        columns["user_id"], columns["at"] = np.arange(entities), [now - timedelta(hours=1)] * entities
        pq.write_table(pa.table(columns), folder / f"{view}.parquet")
    count = entities * _EVENTS_AN_ENTITY
    times = np.datetime64(now.replace(tzinfo=None), "us") - rng.integers(60, 30 * 86400, count).astype("m8[s]")
    events = {"user_id": np.repeat(np.arange(entities), _EVENTS_AN_ENTITY), "amount": rng.normal(size=count)}
    order = np.argsort(times)
    plain = pa.table({name: values[order] for name, values in events.items()})
    stamps = pa.array(times[order]).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(plain.append_column("at", stamps), folder / "events.parquet")
    return Data(folder, entities)


def our_store(data: Data, scratch: Path, online: str) -> FeatureStore:
    """A project of Storekeeper's, materialised; `online` is the online store's block."""
    store = our_repo(scratch, online, "reading")
    windowed = [_windowed(view, data) for view in VIEWS]
    plain = [_plain(view, data) for view in VIEWS]
    services = [FeatureService(name="latest", features=plain), FeatureService(name="windows", features=windowed)]
    store.apply([_user(), *plain, *windowed, *services])
    for view in store.all_feature_views():
        store.materialise_view(view)
    return store


def feasts_store(data: Data, scratch: Path, online: str) -> feast.FeatureStore:
    """A project with an online store of Feast's own, filled with the latest-value views."""
    store = feasts_repo(scratch, online, "reading")
    plain = [_plain(view, data) for view in VIEWS]
    store.apply([_user(), *plain, FeatureService(name="latest", features=plain)])
    for view in VIEWS:
        store.write_to_online_store(f"view_{view}", pq.read_table(data.folder / f"{view}.parquet").to_pandas())
    return store


def _user() -> Entity:
    return Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)


def _plain(view: str, data: Data) -> FeatureView:
    source = FileSource(name=view, path=str(data.folder / f"{view}.parquet"), timestamp_field="at")
    schema = [Field(name=f"{view}_{number}", dtype=Float64) for number in range(FEATURES)]
    return FeatureView(name=f"view_{view}", entities=[_user()], ttl=timedelta(days=7), schema=schema, source=source)


def _windowed(view: str, data: Data) -> StreamFeatureView:
    source = FileSource(name=f"{view}_log", path=str(data.folder / "events.parquet"), timestamp_field="at")
    asked = [
        Aggregation(
            function=function, column=column, time_window=timedelta(hours=hours), name=f"{view}_{name}_{function}"
        )
        for name, hours in _WINDOWS.items()
        for function, column in (("count", ""), ("sum", "amount"), ("mean", "amount"), ("max", "amount"))
    ]
    return StreamFeatureView(
        name=f"windows_{view}",
        entities=[_user()],
        schema=[Field(name=each.name, dtype=Int64 if each.function == "count" else Float64) for each in asked],
        source=PushSource(name=f"{view}_push", batch_source=source),
        timestamp_field="at",
        aggregations=asked,
    )
