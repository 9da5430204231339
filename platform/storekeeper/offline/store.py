"""`HistoryOfflineStore`: what `feature_store.yaml` names as its offline store."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import _strip_version_from_ref

from storekeeper.definitions import ViewPlan, plan_view
from storekeeper.definitions.views import arrow_type
from storekeeper.errors import UsageError, listing
from storekeeper.history.columns import times_us
from storekeeper.offline.append import append_rows
from storekeeper.offline.date_range import spine_from_range
from storekeeper.offline.job import HistoryRetrievalJob
from storekeeper.offline.logged import write_logs
from storekeeper.offline.pull import Pull, pull_all, pull_latest
from storekeeper.offline.retrieve import ViewRequest, retrieve_slices
from storekeeper.offline.spine import Spine, spine_from_frame, spine_from_sql
from storekeeper.settings import expand_references
from storekeeper.sources import DuckDBSource, ReadRequest, home_of, read_source, source_schema


class HistoryOfflineStoreConfig(FeastConfigBaseModel):
    """The `offline_store` block of feature_store.yaml."""

    type: Literal["storekeeper.offline.store.HistoryOfflineStore"] = "storekeeper.offline.store.HistoryOfflineStore"
    spine_database: str | None = None
    """DuckDB file in which SQL spines run; by default the one that the asked views' DuckDB sources share."""
    memory_limit: str | None = None
    """Memory that a retrieval may use, such as '8GB'; by default half of the machine's."""


class HistoryOfflineStore(OfflineStore):
    """Point-in-time-correct features from any source that `storekeeper.sources` reads."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **options: Any,
    ) -> RetrievalJob:
        """Features for the rows of a spine: a DataFrame, a SELECT for DuckDB, or the moments of a date range.

        Rows, order, duplicates and extra columns are the spine's. `filter_by_created_timestamp=True` hides what was
        known later than a row's time.
        """
        requests = view_requests(feature_views, feature_refs, full_feature_names=full_feature_names)
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        if entity_df is None:
            spine = spine_from_range(requests, config, options.get("start_date"), options.get("end_date"))
        else:
            spine = _spine(entity_df, [request.plan for request in requests], config)
        spine = spine.with_floats(_request_floats(on_demand)).typed_if_empty(_key_types(requests))
        cutoff = bool(options.get("filter_by_created_timestamp"))
        return HistoryRetrievalJob(
            lambda: retrieve_slices(requests, spine, config, cutoff=cutoff),
            full_feature_names=full_feature_names,
            on_demand=on_demand,
            metadata=lambda: _metadata(spine, feature_refs, requests),
            index=spine.index,
            home=home_of(config),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The latest row of each entity within a time range."""
        known = created_timestamp_column or None
        pull = Pull(join_key_columns, feature_name_columns, timestamp_field, known, start_date, end_date)
        return pull_latest(config, data_source, pull)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """All rows within a time range."""
        known = created_timestamp_column or None
        pull = Pull(join_key_columns, feature_name_columns, timestamp_field, known, start_date, end_date)
        return pull_all(config, data_source, pull)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows to the view's batch source, all of them or none; what it holds is never rewritten."""
        count = append_rows(config, feature_view, table)
        if progress is not None:
            progress(count)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Append logs of a feature service to their destination, all of them or none."""
        write_logs(config, data, source, logging_config, registry)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Column names and Arrow types, as text, read as features are: files from the project root, folders too."""
        return [(field.name, str(field.type)) for field in source_schema(data_source, config)]


def saved_rows(config: RepoConfig, source: DataSource) -> RetrievalJob:
    """All rows and columns of a saved dataset, the spine's labels among them."""

    def compute() -> pa.Table:
        return read_source(source, config, ReadRequest(tuple(source_schema(source, config).names)))

    return HistoryRetrievalJob(lambda: iter([compute()]), home=home_of(config))


def view_requests(views: Sequence[FeatureView], refs: Iterable[str], *, full_feature_names: bool) -> list[ViewRequest]:
    """Group feature references by view, in the order of the references."""
    wanted: dict[str, list[str]] = {}
    for ref in refs:
        view_name, feature = _strip_version_from_ref(ref).split(":", 1)
        wanted.setdefault(view_name, []).append(feature)
    requests = []
    for view in views:
        alias = view.projection.name_to_use()
        features = tuple(dict.fromkeys(wanted.get(alias, [])))
        if not features:
            continue
        plan = plan_view(view)
        key_map = view.projection.join_key_map
        names = tuple(f"{alias}__{feature}" if full_feature_names else feature for feature in features)
        requests.append(ViewRequest(plan, features, names, tuple(key_map.get(key, key) for key in plan.keys)))
    return requests


def _spine(entity_df: pd.DataFrame | str, plans: Sequence[ViewPlan], config: RepoConfig) -> Spine:
    if isinstance(entity_df, pd.DataFrame):
        return spine_from_frame(entity_df)
    return spine_from_sql(entity_df, _spine_database(plans, config))


def _request_floats(views: Iterable[OnDemandFeatureView]) -> set[str]:
    """Request columns that transformations expect as floats."""
    fields = [field for view in views for source in view.source_request_sources.values() for field in source.schema]
    return {field.name for field in fields if pa.types.is_floating(arrow_type(field.dtype))}


def _key_types(requests: Iterable[ViewRequest]) -> dict[str, pa.DataType]:
    """Declared types of the spine's key columns."""
    types: dict[str, pa.DataType] = {}
    for request in requests:
        declared = [request.plan.key_types[key] for key in request.plan.keys]
        types |= dict(zip(request.spine_keys, declared, strict=True))
    return types


def _spine_database(plans: Sequence[ViewPlan], config: RepoConfig) -> Path:
    configured, home = config.offline_store.spine_database, home_of(config)
    locations = [plan.source.location for plan in plans if isinstance(plan.source, DuckDBSource)]
    shared = {home / expand_references(location) for location in locations}
    if configured is None and len(shared) != 1:
        raise UsageError(
            f"A SQL spine runs in one DuckDB file, but the asked views read {listing(shared)}. "
            f"Name the file as offline_store.spine_database in feature_store.yaml."
        )
    return home / expand_references(configured) if configured else next(iter(shared))


def _metadata(spine: Spine, refs: Sequence[str], requests: Sequence[ViewRequest]) -> RetrievalMetadata:
    times = times_us(spine.time, spine.table.column(spine.time))
    bounds: list[Callable[[], Any]] = [times.min, times.max]
    low, high = (
        (pd.Timestamp(int(bound()), unit="us", tz="UTC").to_pydatetime() for bound in bounds)
        if len(times)
        else (None, None)
    )
    keys = dict.fromkeys(key for request in requests for key in request.spine_keys)
    others = [name for name in spine.table.column_names if name != spine.time and name not in keys]
    return RetrievalMetadata(
        features=list(refs), keys=[*keys, *others], min_event_timestamp=low, max_event_timestamp=high
    )
