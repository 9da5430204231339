"""Served vectors, put together by what their models were trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.artefact import Manifest, find_artefact, read_manifest
from storekeeper.audit.log import (
    EVIDENCE,
    MODEL,
    PROBABILITY,
    RECORDED_AT,
    REQUEST_ID,
    RUN,
    SEQUENCE,
    SERVED_AT,
    TASK,
    TIMESTAMP,
    VERSION,
    ServedFiles,
    served_files,
    stream,
)
from storekeeper.errors import DataError, NotFoundError

_WHO = (TASK, MODEL, VERSION)
_UNUSED = {REQUEST_ID, PROBABILITY, RUN, SEQUENCE, RECORDED_AT, EVIDENCE}
_BATCH_ROWS = 50_000

Who = tuple[str, str, int]
"""Task, model and version."""


@dataclass(frozen=True)
class ServedSample:
    """Vectors of one definition of a service that are to be held against one training set.

    Attributes
    ----------
    service, definition_hash
        The feature service, and what it meant.
    dataset_hash
        The training set; empty where it isn't known any more.
    models
        Which models were given the vectors, as `task/model version`.
    inputs
        What those models read, in their order; empty where that isn't known.
    table
        One row a vector: when it was served, who was given it, and its values.
    """

    service: str
    definition_hash: str
    dataset_hash: str
    models: tuple[str, ...]
    inputs: tuple[str, ...]
    table: pa.Table

    @property
    def values(self) -> list[str]:
        """Names of the columns that are keys, context or features."""
        return [name for name in self.table.column_names if name not in {SERVED_AT, *_WHO}]


def served_samples(
    folder: Path,
    models_dir: Path,
    *,
    service: str | None = None,
    since: datetime | None = None,
    against: str | None = None,
) -> Iterator[ServedSample]:
    """What the served log holds, of one service if named and from an instant on; only that is ever in memory.

    Parameters
    ----------
    against
        A training set's hash for all vectors. By default each is held against the set that its model was trained on.

    Raises
    ------
    DataError
        If a file of the log, or a model's manifest, is damaged.
    """
    for group in served_files(folder):
        if service in (None, group.service):
            table = _recent(group, since)
            if table is not None:
                yield from _by_training_set(group, table, models_dir, against)


def _recent(group: ServedFiles, since: datetime | None) -> pa.Table | None:
    """Vectors from an instant on; None if there are none."""
    start = None if since is None else pa.scalar(since, TIMESTAMP)
    parts = []
    for table in stream(group, _BATCH_ROWS):
        kept = table.select([name for name in table.column_names if name not in _UNUSED])
        kept = kept if start is None else kept.filter(pc.greater_equal(kept.column(SERVED_AT), start))
        parts += [kept] if kept.num_rows else []
    try:
        return pa.concat_tables(parts, promote_options="default") if parts else None
    except pa.ArrowException as error:
        raise DataError(
            f"Vectors of service '{group.service}' differ in the types of their columns: {error}. Look at newer ones "
            f"alone: storekeeper monitor --since."
        ) from error


def _by_training_set(
    group: ServedFiles, table: pa.Table, models_dir: Path, against: str | None
) -> Iterator[ServedSample]:
    """Parts of a group, each with the vectors of the models that were trained on one set."""
    who = _models_of(table)
    manifests = {one: _manifest(models_dir, one) for one in who}
    parts: dict[str, list[Who]] = {}
    for one in who:
        found = manifests[one]
        parts.setdefault(against or (found.dataset_hash if found else ""), []).append(one)
    if not who:
        parts = {against or "": []}
    for dataset_hash, members in sorted(parts.items()):
        yield ServedSample(
            service=group.service,
            definition_hash=group.definition_hash,
            dataset_hash=dataset_hash,
            models=tuple(f"{task}/{model} {version}" for task, model, version in members),
            inputs=_inputs([found for one in members if (found := manifests[one])]),
            table=_rows_of(table, members),
        )


def _models_of(table: pa.Table) -> list[Who]:
    """Which models were given the vectors; none where whoever served them didn't say."""
    if not set(_WHO) <= set(table.column_names):
        return []
    distinct = table.select(list(_WHO)).group_by(list(_WHO)).aggregate([])
    return sorted(zip(*(distinct.column(name).to_pylist() for name in _WHO), strict=True))


def _rows_of(table: pa.Table, members: Sequence[Who]) -> pa.Table:
    """The vectors that some models were given; all of them where no model is named."""
    if not members:
        return table
    masks = [
        reduce(pc.and_, (pc.equal(table.column(name), part) for name, part in zip(_WHO, one, strict=True)))
        for one in members
    ]
    return table.filter(reduce(pc.or_, masks))


def _manifest(models_dir: Path, who: Who) -> Manifest | None:
    """A model's record; None where the model is gone."""
    task, model, version = who
    try:
        return read_manifest(find_artefact(models_dir, task, model, version).path)
    except NotFoundError:
        return None


def _inputs(manifests: Sequence[Manifest]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column.name for manifest in manifests for column in manifest.inputs))
