"""All that there is to watch, in one report."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.audit.log import SERVED_AT, read_losses
from storekeeper.errors import NotFoundError
from storekeeper.monitor.drift import FeatureDrift, compare_feature
from storekeeper.monitor.freshness import watch_views
from storekeeper.monitor.limits import Limits
from storekeeper.monitor.report import Comparison, MonitorReport
from storekeeper.monitor.served import ServedSample, served_samples
from storekeeper.monitor.training_set import TrainingSet, find_training_set
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore


def watch(
    store: FeatureStore,
    settings: Settings,
    limits: Limits,
    *,
    service: str | None = None,
    since: datetime | None = None,
    against: str | None = None,
) -> MonitorReport:
    """Look at the state of all views and at what was served.

    Parameters
    ----------
    service
        Only this one, and the views behind it.
    since
        Only vectors served from this instant on.
    against
        The hash of a training set, or its first digits, to hold vectors of its service against (of `service` if that
        is named). By default each vector is held against the set that its model was trained on.

    Raises
    ------
    NotFoundError
        If there is no such service or training set; the message lists those that exist.
    SourceError, DataError
        If the online store can't be read, or a file is damaged.
    """
    named = find_training_set(settings.datasets_dir, against) if against is not None else None
    views = tuple(watch_views(store, limits, service))
    samples = served_samples(
        settings.served_dir,
        settings.models_dir,
        service=service or (named.feature_service if named else None),
        since=since,
        against=named.dataset_hash if named else None,
    )
    comparisons = tuple(_compare(store, settings, sample, limits) for sample in samples)
    missing = sum(run.missing for run in read_losses(settings.served_dir))
    return MonitorReport(store.clock.now(), since, limits, views, comparisons, missing)


def _compare(store: FeatureStore, settings: Settings, sample: ServedSample, limits: Limits) -> Comparison:
    times, training, problem = sample.table.column(SERVED_AT), None, ""
    try:
        training = _training_set(settings, sample)
    except NotFoundError as error:
        problem = str(error)
    return Comparison(
        service=sample.service,
        definition_hash=sample.definition_hash,
        models=sample.models,
        vectors=sample.table.num_rows,
        first=pc.min(times).as_py(),
        last=pc.max(times).as_py(),
        dataset_hash=sample.dataset_hash,
        rows=training.rows if training else 0,
        features=tuple(_drifts(store, sample, training, limits)) if training else (),
        problem=problem,
    )


def _training_set(settings: Settings, sample: ServedSample) -> TrainingSet:
    if not sample.dataset_hash:
        raise NotFoundError(
            f"What the models behind service '{sample.service}' were trained on isn't known any more: they are gone "
            f"from '{settings.models_dir}'. Name a training set: storekeeper monitor --against HASH."
        )
    return find_training_set(settings.datasets_dir, sample.dataset_hash)


def _drifts(store: FeatureStore, sample: ServedSample, training: TrainingSet, limits: Limits) -> Iterator[FeatureDrift]:
    for name in _compared(store, sample):
        served: pa.ChunkedArray = sample.table.column(name)
        yield compare_feature(name, training.column(name), served, limits)


def _compared(store: FeatureStore, sample: ServedSample) -> Sequence[str]:
    """What of the vectors is compared: what their models read, else the service's features, else all there is."""
    registered = {one.name: one for one in store.list_feature_services()}
    found = registered.get(sample.service)
    projections = found.feature_view_projections if found else ()
    features = [feature.name for projection in projections for feature in projection.features]
    there = sample.values
    return [name for name in sample.inputs or features or there if name in there]
