"""A project that lives through a stream of deliveries in simulated time, and what it answers on the way."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast.data_source import PushMode

from projects import Project
from replay.replayed_stream import Stream, from_us, to_us
from replay.replayed_views import SERVICES, VIEWS
from storekeeper.clock import CLOCK_VARIABLE
from storekeeper.definitions import plan_view
from storekeeper.online.reader import FeatureReader

KEYS = {"customer_id": "Int64", "product_id": "Int64", "category": object}
LOOKBACKS = (timedelta(0), timedelta(hours=1), timedelta(days=1))


class ReplayedShop:
    """The project, its clock and the stream it lives through."""

    def __init__(self, project: Project, stream: Stream, patch: pytest.MonkeyPatch, seed: int) -> None:
        self.stream, self._patch, self._seen = stream, patch, 0
        self.rng = np.random.default_rng(seed)
        self.pushed: Counter[str] = Counter()
        self.materialised: Counter[str] = Counter()
        self.set_clock(from_us(stream.arrivals[0]))
        for name in ("looks", "orders"):
            project.add_duckdb("log", stream.rows.slice(0, 0), f"data/{name}.duckdb")
        self.store = project.apply(VIEWS)
        self.views = self.store.all_feature_views()
        self.features = [f"{view.name}:{name}" for view in self.views for name in plan_view(view).types]
        self._full_names: dict[str, dict[str, str]] = {service: {} for service in SERVICES}
        for view, _, name in (reference.partition(":") for reference in self.features):
            service = view if view in SERVICES else "windows"
            self._full_names[service][name] = f"{view}__{name}"
        self._readers = {name: FeatureReader(self.store, name, watch_seconds=None) for name in SERVICES}

    def set_clock(self, now: datetime) -> None:
        """Everything that asks the time asks this clock."""
        self.now = now
        self._patch.setenv(CLOCK_VARIABLE, now.isoformat())

    @property
    def state_lies_in(self) -> str:
        """The backend's name."""
        backend = self.store._get_provider().online_store.backend(self.store.config)
        return type(backend).__name__.removesuffix("Backend").lower()

    def go_to(self, now: datetime, ahead: timedelta = timedelta(0)) -> None:
        """Push what arrives until `now`, as the senders' clocks have it, which are somewhat ahead.

        Second deliveries are pushed as the first ones are, and are known as retries.
        """
        self.set_clock(now)
        first, self._seen = self._seen, max(self._seen, self._arrived(now + ahead))
        self._push(np.arange(first, self._seen))

    def _arrived(self, now: datetime) -> int:
        return int(np.searchsorted(self.stream.arrivals, to_us(now), "right"))

    def _push(self, places: np.ndarray) -> None:
        is_look = self.stream.is_look[places]
        for name, chosen in (("looks", places[is_look]), ("orders", places[~is_look])):
            if len(chosen):
                rows, again = self.stream.rows.take(pa.array(chosen)), int(self.stream.again[chosen].sum())
                report = self.store.push(name, rows, to=PushMode.ONLINE_AND_OFFLINE)
                assert (report.accepted, report.duplicates, report.rejected) == (len(chosen) - again, again, ())
                assert report.appended == report.accepted
                self.pushed.update(events=report.accepted, retries=again)

    def materialise(self, share: float, full_share: float) -> None:
        """Bring some views' state to now, most of them incrementally."""
        for view in self.views:
            if self.rng.random() < share:
                lookback = LOOKBACKS[self.rng.integers(len(LOOKBACKS))]
                goes_on = bool(self.rng.random() >= full_share)
                found = self.store.materialise_views([view], incremental=goes_on, lookback=lookback)
                self.materialised.update(outcome.kind for outcome in found)

    def entities(self) -> pd.DataFrame:
        """Some who have just done something, some who did long ago, some strangers, and some without a name."""
        recent = self._picked(max(self._seen - 200, 0), 3)
        mixed = pd.DataFrame({key: self._picked(0, 2)[key] for key in KEYS})
        others = pd.DataFrame({"customer_id": [-1, None], "product_id": [None, -1], "category": ["NOBODY'S", None]})
        known = pd.DataFrame({"customer_id": recent["customer_id"][:1], "product_id": [-1], "category": [None]})
        return pd.concat([part.astype(KEYS) for part in (recent, mixed, others, known)], ignore_index=True)

    def _picked(self, first: int, count: int) -> pd.DataFrame:
        places = self.rng.integers(first, max(self._seen, 1), count)
        return pd.DataFrame(self.stream.rows.select(list(KEYS)).take(pa.array(places)).to_pydict()).astype(KEYS)

    def spine(self) -> pd.DataFrame:
        """Entities that ask now."""
        return self.entities().assign(event_timestamp=pd.Timestamp(self.now))

    def read(self, spine: pd.DataFrame) -> pa.Table:
        """Every feature as models read it."""
        columns = {}
        entities = {key: [None if pd.isna(value) else value for value in spine[key]] for key in KEYS}
        for service, reader in self._readers.items():
            found = reader.read_table(entities, now=self.now)
            full_names = self._full_names[service]
            columns |= {full_names[name]: found[name] for name in found.column_names}
        return pa.table(columns)

    def served(self, spine: pd.DataFrame) -> dict[str, list[Any]]:
        """Every feature as Feast's clients get it."""
        rows = [{key: None if pd.isna(row[key]) else row[key] for key in KEYS} for row in spine.to_dict("records")]
        found = self.store.get_online_features(features=self.features, entity_rows=rows, full_feature_names=True)
        return found.to_dict()

    def trained(self, spine: pd.DataFrame) -> pa.Table:
        """Every feature as training sees it, of what was known at the spine's times."""
        return (
            self.store.get_historical_features(
                entity_df=spine, features=self.features, full_feature_names=True, filter_by_created_timestamp=True
            )
            .to_arrow()
            .select([name.replace(":", "__") for name in self.features])
        )
