"""What lints look at: a dataset and its split, and what the declarations and the shop's data say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper_training.dataset import Dataset
from storekeeper_training.lint.finding import Limits
from storekeeper_training.split import Split

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SourceFacts:
    """What a source without knowledge time shows of when its rows were recorded.

    Attributes
    ----------
    rows
        How many it has.
    later
        Its other timestamp columns -> share of the rows in which they lie later than the event time.
    out_of_order
        Share of the rows that stand after a row that happened later; None where a source has no order.
    instants
        How many different event times there are, counted up to 2.
    """

    rows: int
    later: Mapping[str, float]
    out_of_order: float | None
    instants: int


@dataclass(frozen=True, eq=False)
class SpineThen:
    """A task's spine as it was when the clock showed an earlier time.

    Attributes
    ----------
    at
        That time, UTC.
    table
        The task's spine columns; labels that could not be known are null.
    """

    at: datetime
    table: pa.Table


@dataclass(frozen=True, eq=False)
class Declared:
    """What the feature store and the shop's data say of a dataset.

    Attributes
    ----------
    definition_hash
        What the task's feature service means now.
    plans
        The views behind the service.
    sources
        Facts of the sources that declare no knowledge time, by name.
    edges
        Latest-value views that read the label's own source -> rows of the dataset at whose very time an event of
        their entity stands.
    sampled, replayed
        Some rows of the dataset, ascending, and their features computed anew; None where the definitions differ.
    spine_then
        None where the dataset is too short for it.
    observed_until
        The newest event of the tables that the label is made of; None where they are empty.
    knowing
        The task, where its spine reads the true chances of a simulated shop, and the sources that do.
    """

    definition_hash: str
    plans: tuple[ViewPlan, ...]
    sources: Mapping[str, SourceFacts] = field(default_factory=dict)
    edges: Mapping[str, int] = field(default_factory=dict)
    sampled: Rows | None = None
    replayed: pa.Table | None = None
    spine_then: SpineThen | None = None
    observed_until: datetime | None = None
    knowing: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that lints look at.

    Attributes
    ----------
    declared
        None where only the dataset is at hand; lints that need more then find nothing.
    unread
        Why there is no `declared`, where it was sought.
    """

    dataset: Dataset
    split: Split
    limits: Limits = field(default_factory=Limits)
    declared: Declared | None = None
    unread: str = ""
