"""What the ledger holds, as frozen records. Times are UTC; naive ones mean UTC and come back aware."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class LoadRecord:
    """One run of a loader.

    Attributes
    ----------
    loader
        Its name, such as `complete-journey`.
    source_fingerprint
        Identifies what was loaded: the same source gives the same text.
    started_at, finished_at
        When it ran.
    counts
        Events, rejects and the like: what `LoadReport.as_dict` gives.
    """

    loader: str
    source_fingerprint: str
    started_at: datetime
    finished_at: datetime
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetRecord:
    """One built training set.

    Attributes
    ----------
    task, dataset_hash
        Its key.
    spine_hash, definition_hash
        What it was built from: the spine's rows and the feature declarations.
    rows
        How many it has.
    path
        Its folder.
    created_at
        When it was built.
    """

    task: str
    dataset_hash: str
    spine_hash: str
    definition_hash: str
    rows: int
    path: str
    created_at: datetime


@dataclass(frozen=True)
class MaterialisationRecord:
    """One materialisation of a view.

    Attributes
    ----------
    view
        The feature view's name.
    start, end
        The interval of times in which rows were looked for, `[start, end)`; no start means from the beginning.
    rows
        How many entities were written.
    finished_at
        When it was done.
    rows_read, settled
        How many rows of the source were read, and how many pushed rows went since the state holds them; None for
        runs of releases that didn't tell.
    seconds
        How long it took; None likewise.
    kind
        `full` or `incremental`.
    """

    view: str
    start: datetime | None
    end: datetime
    rows: int
    finished_at: datetime
    rows_read: int | None = None
    settled: int | None = None
    seconds: float | None = None
    kind: str = "full"


@dataclass(frozen=True)
class ModelRunRecord:
    """One trained model.

    Attributes
    ----------
    task, model, version
        Its key.
    dataset_hash, definition_hash
        What it was trained on.
    metrics
        Figures by name; those that are not finite are kept as null.
    path
        Its artefact's folder.
    created_at
        When it was trained.
    """

    task: str
    model: str
    version: str
    dataset_hash: str
    definition_hash: str
    metrics: Mapping[str, Any]
    path: str
    created_at: datetime
