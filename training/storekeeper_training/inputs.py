"""What a training set is made from, as hashes: the same inputs have the same hash, and a changed one is named."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.definitions import definition_hash
from storekeeper.sources.fingerprint import source_fingerprints
from storekeeper.store import FeatureStore
from storekeeper_training.plans import service_plans
from storekeeper_training.spine import Spine
from storekeeper_training.tasks import Task

FORMAT_VERSION = 2
_ROWS_AT_ONCE = 65_536


def dataset_inputs(task: Task, store: FeatureStore, spine: Spine) -> dict[str, Any]:
    """All that a task's training set depends on.

    Raises
    ------
    SourceError, NotFoundError
        If a source can't be read, or the service isn't registered.
    """
    return {
        "format_version": FORMAT_VERSION,
        "task": task.name,
        "feature_service": task.feature_service,
        "spine_hash": table_hash(spine.table),
        "definition_hash": definition_hash(store, task.feature_service),
        "source_fingerprints": _fingerprints(task, store, spine),
        "knowledge_cutoff": True,
    }


def inputs_hash(inputs: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what `dataset_inputs` gives."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def table_hash(table: pa.Table) -> str:
    """SHA-256 (hex) over a table's schema and values, in row order; what lies under nulls doesn't count."""
    digest = hashlib.sha256(str(table.schema.remove_metadata()).encode())
    for start in range(0, table.num_rows, _ROWS_AT_ONCE):
        rows = table.slice(start, _ROWS_AT_ONCE)
        # A copy has nothing but zeros under its nulls, wherever the rows come from.
        plain = rows.take(pa.array(np.arange(rows.num_rows))).combine_chunks().replace_schema_metadata()
        for batch in plain.to_batches():
            digest.update(batch.serialize())
    return digest.hexdigest()


def _fingerprints(task: Task, store: FeatureStore, spine: Spine) -> dict[str, str]:
    """Of each source behind the task's service, by name, up to the newest row of the spine.

    Views with other keys let other rows tie. A source is read once, whatever number of views are over it.
    """
    newest = pc.max(spine.table.column("event_timestamp")).as_py()
    sources: dict[str, Any] = {}
    ties: dict[str, set[tuple[str, ...]]] = {}
    for plan in service_plans(store, store.feature_service(task.feature_service)):
        sources[plan.source.name] = plan.source
        ties.setdefault(plan.source.name, set()).add(tuple(sorted(name for name in plan.ties if name)))
    found = {n: source_fingerprints(sources[n], store.config, newest, sorted(ties[n])) for n in sorted(sources)}
    return {name: hashlib.sha256(" ".join(hashes).encode()).hexdigest() for name, hashes in found.items()}
