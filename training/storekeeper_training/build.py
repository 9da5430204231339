"""Building a training set: a task's spine, and its feature service as it stood at each row's own time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import CheckFailedError, listing
from storekeeper.ledger import DatasetRecord, Ledger
from storekeeper.offline.job import to_frame
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore
from storekeeper_training.dataset_folder import kept_manifest, write_dataset
from storekeeper_training.inputs import dataset_inputs, inputs_hash, table_hash
from storekeeper_training.problems import find_problem
from storekeeper_training.spine import Spine, read_spine
from storekeeper_training.tasks import Task

_HASH_DIGITS = 16

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BuiltDataset:
    """A dataset on disk.

    Attributes
    ----------
    folder
        Where it lies.
    manifest
        Its record.
    reused
        Whether it was there already, made from the same inputs.
    """

    folder: Path
    manifest: dict[str, Any]
    reused: bool


def build_dataset(
    task: Task, settings: Settings, store: FeatureStore, *, force: bool = False, progress: Progress = lambda _: None
) -> BuiltDataset:
    """Build a task's training set through plain `FeatureStore.get_historical_features`.

    The knowledge cut-off is on: nothing known after a row's time is in its features. The same inputs (spine,
    definitions, sources' rows) give the same hash and are built once.

    Parameters
    ----------
    force
        Build again even where the same inputs were built before.
    progress
        Told of each stage.

    Raises
    ------
    SourceError, DataError, NotFoundError
        From the sources, the spine and the registry; nothing is then left under the final name.
    """
    service = store.feature_service(task.feature_service)
    progress("reading the spine")
    spine = read_spine(task, settings.behaviour_path, settings.clock.now())
    progress("fingerprinting the sources")
    inputs = dataset_inputs(task, store, spine)
    dataset_hash = inputs_hash(inputs)
    folder = settings.datasets_dir / task.name / dataset_hash[:_HASH_DIGITS]
    if not force and (kept := kept_manifest(folder)) is not None:
        _record(settings, kept, folder)
        return BuiltDataset(folder, kept, True)
    progress(f"computing features of {spine.table.num_rows:,} rows")
    job = store.get_historical_features(
        entity_df=to_frame(spine.table), features=service, filter_by_created_timestamp=True
    )
    table = _training_table(spine, job.to_arrow(), service)
    manifest = _manifest(task, inputs, dataset_hash, spine, table)
    progress("writing")
    manifest = write_dataset(folder, table, manifest)
    _record(settings, manifest, folder)
    return BuiltDataset(folder, manifest, False)


def _training_table(spine: Spine, retrieved: pa.Table, service: Any) -> pa.Table:
    """The spine's own columns as they were, then the service's features."""
    if retrieved.num_rows != spine.table.num_rows:
        raise CheckFailedError(
            f"The spine has {spine.table.num_rows:,} rows and retrieval gave {retrieved.num_rows:,}: rows must be kept."
        )
    table = spine.table
    features = [feature.name for projection in service.feature_view_projections for feature in projection.features]
    if missing := set(features) - set(retrieved.column_names):
        raise CheckFailedError(f"Retrieval lacks the features {listing(missing)} of service '{service.name}'.")
    for name in features:
        if name not in table.column_names:
            table = table.append_column(name, retrieved.column(name))
    return table


def _manifest(task: Task, inputs: dict[str, Any], dataset_hash: str, spine: Spine, table: pa.Table) -> dict[str, Any]:
    from importlib.metadata import version

    times = spine.table.column("event_timestamp")
    return inputs | {
        "dataset_hash": dataset_hash,
        "content_hash": table_hash(table),
        "created_at": datetime.now(UTC).isoformat(),
        "rows": table.num_rows,
        **_counted(task, table),
        "immature_rows": spine.immature_rows,
        "first_event_timestamp": pc.min(times).as_py().isoformat(),
        "last_event_timestamp": pc.max(times).as_py().isoformat(),
        "columns": {field.name: str(field.type) for field in table.schema},
        "nulls": {name: table.column(name).null_count for name in table.column_names},
        "versions": {name: version(name) for name in ("storekeeper", "feast", "duckdb", "numpy", "pyarrow")},
    }


def _counted(task: Task, table: pa.Table) -> dict[str, float]:
    """What the task's kind counts of labels; lists of items are not counted."""
    if task.kind == "ranking":
        return {}
    problem = find_problem(task.kind)
    return problem.count_labels(problem.read_labels(table.column(task.label)))


def _record(settings: Settings, manifest: dict[str, Any], folder: Path) -> None:
    """Note in the ledger that this is the training set in use now, newly made or not."""
    record = DatasetRecord(
        task=manifest["task"],
        dataset_hash=manifest["dataset_hash"],
        spine_hash=manifest["spine_hash"],
        definition_hash=manifest["definition_hash"],
        rows=manifest["rows"],
        path=str(folder.relative_to(settings.home)),
        created_at=datetime.now(UTC),
    )
    Ledger(settings.database_url).record_dataset(record)
