"""Building a training set: a task's spine, and its feature service as it stood at each row's own time."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storekeeper.definitions import definition_hash, plan_view
from storekeeper.errors import CheckFailedError, listing
from storekeeper.ledger import DatasetRecord, Ledger
from storekeeper.offline.job import to_frame
from storekeeper.settings import Settings
from storekeeper.sources import source_fingerprint
from storekeeper.store import FeatureStore
from storekeeper_training.dataset import DATA_FILE, MANIFEST_FILE
from storekeeper_training.spine import Spine, read_spine
from storekeeper_training.tasks import Task

FORMAT_VERSION = 1
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
    inputs = _inputs(task, store, spine, service)
    dataset_hash = _hash(inputs)
    folder = settings.datasets_dir / task.name / dataset_hash[:_HASH_DIGITS]
    if not force and (kept := _kept(folder)) is not None:
        _record(settings, kept, folder)
        return BuiltDataset(folder, kept, True)
    progress(f"computing features of {spine.table.num_rows:,} rows")
    job = store.get_historical_features(
        entity_df=to_frame(spine.table), features=service, filter_by_created_timestamp=True
    )
    table = _training_table(spine, job.to_arrow(), service)
    manifest = _manifest(task, inputs, dataset_hash, spine, table)
    progress("writing")
    manifest = _write(folder, table, manifest)
    _record(settings, manifest, folder)
    return BuiltDataset(folder, manifest, False)


def _kept(folder: Path) -> dict[str, Any] | None:
    """The manifest of a dataset that is there, whole to the last byte; None otherwise."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if pq.read_metadata(folder / DATA_FILE).num_rows != manifest["rows"]:
            return None
        return manifest if _file_hash(folder / DATA_FILE) == manifest["file_hash"] else None
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None


def _inputs(task: Task, store: FeatureStore, spine: Spine, service: Any) -> dict[str, Any]:
    """All that the dataset depends on."""
    return {
        "format_version": FORMAT_VERSION,
        "task": task.name,
        "feature_service": task.feature_service,
        "spine_hash": _table_hash(spine.table),
        "definition_hash": definition_hash(store, task.feature_service),
        "source_fingerprints": _fingerprints(store, service, spine),
        "knowledge_cutoff": True,
    }


def _fingerprints(store: FeatureStore, service: Any, spine: Spine) -> dict[str, str]:
    """A fingerprint of each source behind a service, up to the newest row of the spine."""
    newest = max(spine.table.column("event_timestamp").to_pylist()) if spine.table.num_rows else None
    found: dict[str, str] = {}
    for name in sorted({projection.name for projection in service.feature_view_projections}):
        view = store.registry.get_any_feature_view(name, store.project, allow_cache=True)
        if getattr(view, "batch_source", None) is None:
            continue
        source = plan_view(view).source
        if source.name not in found:
            found[source.name] = source_fingerprint(source, store.config, newest)
    return found


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
        "content_hash": _table_hash(table),
        "created_at": datetime.now(UTC).isoformat(),
        "rows": table.num_rows,
        "positives": int(pc.sum(table.column(task.label)).as_py()),
        "immature_rows": spine.immature_rows,
        "first_event_timestamp": pc.min(times).as_py().isoformat(),
        "last_event_timestamp": pc.max(times).as_py().isoformat(),
        "columns": {field.name: str(field.type) for field in table.schema},
        "nulls": {name: table.column(name).null_count for name in table.column_names},
        "versions": {name: version(name) for name in ("storekeeper", "feast", "duckdb", "numpy", "pyarrow")},
    }


def _table_hash(table: pa.Table) -> str:
    """SHA-256 (hex) over a table's schema and values, in row order."""
    digest = hashlib.sha256(str(table.schema.remove_metadata()).encode())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
        for batch in table.combine_chunks().to_batches(max_chunksize=65_536):
            writer.write_batch(batch)
    digest.update(sink.getvalue())
    return digest.hexdigest()


def _hash(inputs: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(folder: Path, table: pa.Table, manifest: dict[str, Any]) -> dict[str, Any]:
    """The whole folder under a temporary name, then renamed; returns the manifest with the file's own hash."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        pq.write_table(table, partial / DATA_FILE)
        manifest = manifest | {"file_hash": _file_hash(partial / DATA_FILE)}
        (partial / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        return manifest
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
