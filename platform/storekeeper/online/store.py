"""`StateOnlineStore`: what `feature_store.yaml` names as its online store."""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast.entity import Entity
from feast.feature_view import FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.type_map import python_values_to_proto_values
from pydantic import Field, field_validator, model_validator

from storekeeper.clock import Clock, parse_duration, resolve_clock
from storekeeper.definitions import ViewPlan, plan_view
from storekeeper.definitions.views import aggregations
from storekeeper.errors import UsageError, listing
from storekeeper.mends import mend_feast
from storekeeper.online.backends import Backend
from storekeeper.online.backends.opening import URL_VARIABLES, BackendChoice, BackendKind, open_backend
from storekeeper.online.entity_keys import keys_from_protos
from storekeeper.online.feast_reading import FeastReading
from storekeeper.online.pushing import Push, history_types, push_rows
from storekeeper.online.view_state import ViewState
from storekeeper.push_report import PushReport
from storekeeper.sources import home_of

_MOST_PLANS = 1024
_VARIABLE = re.compile(r"[A-Za-z_]\w*")

# Every Feast client imports this module, for feature_store.yaml names it.
mend_feast()


class StateOnlineStoreConfig(FeastConfigBaseModel):
    """The `online_store` block of feature_store.yaml."""

    type: Literal["storekeeper.online.store.StateOnlineStore"] = "storekeeper.online.store.StateOnlineStore"
    backend: BackendKind = "sqlite"
    path: str = "data/online.db"
    """The SQLite file, relative to the project root."""
    url_env: str | None = None
    """The environment variable that holds a server's URL: STOREKEEPER_POSTGRES_URL or STOREKEEPER_REDIS_URL."""
    schema_name: str = "storekeeper_online"
    """The schema in PostgreSQL."""
    shards: int = 1
    """How many parts Redis keeps a view in: more than one only if a view outgrows a cluster's node."""
    clock: str | None = None
    """What `now` is: `wall` (default), an instant, or a shifted wall; the variable STOREKEEPER_CLOCK overrides it."""
    lookback: str = "1d"
    """How far back an incremental materialisation looks for rows that came late: a number and one of d, h, m, s."""
    retry_horizon: str = "1d"
    """For how long after a materialisation took an event into state a retry of it is known as one."""

    @model_validator(mode="before")
    @classmethod
    def _without_urls(cls, values: Any) -> Any:
        """A URL may hold a password, and this file is no place for one."""
        for name, value in values.items() if isinstance(values, dict) else ():
            is_url = isinstance(value, str) and "://" in value
            if is_url or (name == "url_env" and value is not None and not _VARIABLE.fullmatch(str(value))):
                # Pydantic would turn a ValueError into one that shows the value.
                raise TypeError(
                    f"online_store.{name} must not hold a URL, for a URL may hold a password. Put it into an "
                    f"environment variable, by default one of {listing(URL_VARIABLES.values())}, and give "
                    f"online_store.url_env the variable's name if it is another."
                )
        return values

    push_tolerance_seconds: float = Field(default=5, ge=0, allow_inf_nan=False)
    """By how much a pushed row's times may be later than now; it is seen when its time has come."""

    @field_validator("clock", mode="before")
    @classmethod
    def _as_text(cls, clock: object) -> object:
        """YAML reads an instant without quotes as a date."""
        return str(clock) if isinstance(clock, date) else clock


class StateOnlineStore(OnlineStore):
    """Entity state in a backend; windows and ttl are evaluated at `now` when they are read."""

    def __init__(self) -> None:
        super().__init__()
        self._backends: dict[BackendChoice, Backend] = {}
        self._plans: dict[int, tuple[FeatureView, ViewPlan]] = {}
        self._reading = FeastReading(self.view_state)

    def view_state(self, config: RepoConfig, view: FeatureView) -> ViewState:
        """The state of one view."""
        return ViewState(self._plan(view), state_name(config.project, view.name), self.backend(config))

    def _plan(self, view: FeatureView) -> ViewPlan:
        """A view's plan, worked out once for as long as Feast's registry hands out that same object."""
        kept = self._plans.get(id(view))
        if kept is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans = {}
            # The view is kept too, so that no other has its identity.
            kept = self._plans[id(view)] = view, plan_view(view)
        return kept[1]

    def backend(self, config: RepoConfig) -> Backend:
        """The backend that the configuration names; opened once."""
        named = config.online_store
        choice = BackendChoice(
            named.backend, home_of(config) / named.path, named.url_env, named.schema_name, named.shards
        )
        if choice not in self._backends:
            self._backends[choice] = open_backend(choice)
        return self._backends[choice]

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKeyProto, dict[str, ValueProto], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows of a latest-value view, as Feast pushes them; an older row never overwrites a newer.

        Raises
        ------
        UsageError
            For a windowed view: its state is made of events, not of feature values.
        DataError
            For rows that happen, or are known, later than the clock's now.
        """
        if aggregations(table):
            raise UsageError(
                f"Feature view '{table.name}' is windowed: its features are computed from events and can't be "
                f"written. Push the events to its source, or materialise it (storekeeper materialize)."
            )
        state = self.view_state(config, table)
        state.write_latest(_rows_table(state.plan, data), clock_of(config).now())
        if progress:
            progress(len(data))

    def push_rows(
        self,
        config: RepoConfig,
        source: str,
        views: Sequence[FeatureView],
        rows: pa.Table | pd.DataFrame,
        *,
        online: bool = True,
        history: bool = False,
    ) -> tuple[PushReport, pa.Table]:
        """Push raw events to the views over a push source: as `pushing.push_rows`.

        Parameters
        ----------
        online
            Whether they go into state, or are looked at only.
        history
            Whether the history behind the views is to have what is returned.
        """
        states = [self.view_state(config, view) for view in views]
        types = history_types(states[0].plan, config) if history else None
        tolerance = timedelta(seconds=config.online_store.push_tolerance_seconds)
        push = Push(source, states, online, types, clock_of(config).now(), tolerance)
        return push_rows(rows, push, config)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKeyProto],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, ValueProto] | None]]:
        """Features of entities at the clock's now, for every Feast client.

        Where a latest-value view has no row to show, both parts are None, and Feast says NOT_FOUND.
        """
        features = list(requested_features or plan_view(table).types)
        state = self._reading.state(config, table, features)
        keys = keys_from_protos(entity_keys, state.plan.key_types)
        columns, times = state.read_timed(keys, features, clock_of(config).now())
        value_types = {feature.name: feature.dtype.to_value_type() for feature in table.features}
        protos = [
            python_values_to_proto_values(columns.column(name).to_pylist(), value_types[name]) for name in features
        ]
        rows = zip(times, zip(*protos, strict=True), strict=True)
        return [(time, dict(zip(features, row, strict=True)) if time else None) for time, row in rows]

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: list[Any],
        join_key_values: dict[str, Any],
        entity_name_to_join_key_map: dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        """Feast's `get_online_features`: all views in one read, values as columns."""
        given = config, grouped_refs, join_key_values, entity_name_to_join_key_map, online_features_response
        if include_feature_view_version_metadata:
            super()._read_features_per_fv(*given, full_feature_names, include_feature_view_version_metadata)
            return
        now = clock_of(config).now()
        self._reading.add(
            online_features_response, config, grouped_refs, join_key_values, entity_name_to_join_key_map, now,
            full_names=full_feature_names,
        )  # fmt: skip

    async def _read_features_per_fv_async(self, *given: Any) -> None:
        """As the other, in a thread: Feast's own knows no null keys, and asks each view at another instant."""
        await asyncio.to_thread(self._read_features_per_fv, *given)

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Reading doesn't hold up the event loop."""
        return SupportedAsyncMethods(read=True)

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKeyProto],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, ValueProto] | None]]:
        """As `online_read`, in a thread: each has its own connection to the backend."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make room for views and forget deleted ones."""
        del entities_to_delete, entities_to_keep, partial
        backend = self.backend(config)
        for view in tables_to_delete:
            backend.drop(state_name(config.project, view.name))
        for view in tables_to_keep:
            if isinstance(view, FeatureView):
                backend.create(state_name(config.project, view.name))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Forget all state of the project: Feast names its plain views only."""
        del tables, entities
        backend = self.backend(config)
        for name in backend.views():
            if name.startswith(state_name(config.project, "")):
                backend.drop(name)


def state_name(project: str, view: str) -> str:
    """The name of a view's state in a backend."""
    return f"{project}/{view}"


def clock_of(config: RepoConfig) -> Clock:
    """The clock in force for a Feast configuration."""
    return resolve_clock(getattr(config.online_store, "clock", None))


def lookback_of(config: RepoConfig) -> timedelta:
    """How far back an incremental materialisation looks for rows that came late.

    Raises
    ------
    SettingError
        If `online_store.lookback` is no duration.
    """
    return parse_duration(str(getattr(config.online_store, "lookback", "1d")), "online_store.lookback")


def retry_horizon_of(config: RepoConfig) -> timedelta:
    """For how long after a materialisation took an event into state a retry of it is known as one.

    Raises
    ------
    SettingError
        If `online_store.retry_horizon` is no duration.
    """
    return parse_duration(str(getattr(config.online_store, "retry_horizon", "1d")), "online_store.retry_horizon")


def _rows_table(
    plan: ViewPlan, data: Sequence[tuple[EntityKeyProto, dict[str, ValueProto], datetime, datetime | None]]
) -> pa.Table:
    """Feast's rows as columns."""
    from feast.type_map import feast_value_type_to_python_type

    keys = keys_from_protos([key for key, _, _, _ in data], plan.key_types)
    columns = {name: keys.column(name) for name in keys.column_names}
    for name, type_ in plan.types.items():
        values = [feast_value_type_to_python_type(row[name]) if name in row else None for _, row, _, _ in data]
        columns[name] = pa.array(values, type_)
    time = pa.timestamp("us", tz="UTC")
    columns[plan.event_time] = pa.array([event for _, _, event, _ in data], time)
    if plan.known_time:
        # A null in pandas' timestamps is no None.
        known_times = [None if known is None or known != known else known for _, _, _, known in data]
        columns[plan.known_time] = pa.array(known_times, time)
    return pa.table(columns)
