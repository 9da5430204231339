"""Reading what the feature store and the shop's data say of a dataset."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from storekeeper.definitions import definition_hash
from storekeeper.offline.job import to_frame
from storekeeper.settings import Settings
from storekeeper.sources.duckdb_reader import open_duckdb
from storekeeper.store import FeatureStore
from storekeeper_training.dataset import Dataset
from storekeeper_training.lint.chances import chance_tables, sources_of_chances
from storekeeper_training.lint.evidence import Declared, Rows, SpineThen
from storekeeper_training.lint.finding import Limits
from storekeeper_training.lint.label_source import newest_event, reads_any, rows_at_edge
from storekeeper_training.lint.source_facts import source_facts
from storekeeper_training.lint.tables_read import tables_read
from storekeeper_training.plans import service_plans
from storekeeper_training.spine import spine_at, spine_parameters

_SAMPLE_ROWS = 500


def read_declared(dataset: Dataset, settings: Settings, store: FeatureStore, limits: Limits) -> Declared:
    """Look at the declarations behind a dataset, at their sources, and at the spine with the clock turned back.

    Nothing is written.

    Raises
    ------
    SourceError, NotFoundError, DataError
        If the registry, a source or the behaviour log can't be read.
    """
    task, config, log = dataset.task, store.config, settings.behaviour_path
    plans = service_plans(store, store.feature_service(task.feature_service))
    current = definition_hash(store, task.feature_service)
    sampled = _sampled(dataset) if current == dataset.manifest["definition_hash"] else None
    given = spine_parameters(task, settings.clock.now())
    with open_duckdb(log) as connection:
        tables = tables_read(connection, task.spine_sql, given)
        answer_in_spine = bool(tables & chance_tables(connection))
    latest = [plan for plan in plans if not plan.is_windowed and reads_any(plan.source, log, tables, config)]
    unknowing = {plan.source.name: plan for plan in plans if plan.known_time is None}
    return Declared(
        definition_hash=current,
        plans=tuple(plans),
        sources={name: source_facts(plan, config, limits.lateness) for name, plan in unknowing.items()},
        edges={plan.name: rows_at_edge(plan, dataset.table, config) for plan in latest},
        sampled=sampled,
        replayed=None if sampled is None else _replay(dataset, store, sampled),
        spine_then=_spine_then(dataset, settings),
        observed_until=newest_event(log, tables, settings.clock.now()),
        knowing=(*([task.name] if answer_in_spine else []), *sources_of_chances(plans, config)),
    )


def _sampled(dataset: Dataset) -> Rows:
    """Rows evenly spread over the dataset."""
    count = dataset.table.num_rows
    return np.unique(np.linspace(0, count - 1, min(count, _SAMPLE_ROWS)).astype(np.int64))


def _replay(dataset: Dataset, store: FeatureStore, rows: Rows) -> pa.Table:
    """The service's features of some rows, from what was known before each."""
    task = dataset.task
    asked = [column.name for column in task.spine_columns if column.name != task.label]
    spine = dataset.table.select(asked).take(pa.array(rows))
    found = store.get_historical_features(
        entity_df=to_frame(spine),
        features=store.feature_service(task.feature_service),
        filter_by_created_timestamp=True,
    ).to_arrow()
    return found.select([name for name in found.column_names if name not in asked])


def _spine_then(dataset: Dataset, settings: Settings) -> SpineThen | None:
    """The spine with the clock turned back to where a third of the rows are past, and three horizons at least."""
    times = np.sort(dataset.timestamps)
    if not len(times):
        return None
    instant = max(times[len(times) // 3], times[0] + 3 * np.timedelta64(dataset.task.horizon))
    if instant >= times[-1]:
        return None
    at = instant.astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC)
    return SpineThen(at, spine_at(dataset.task, settings.behaviour_path, at))
