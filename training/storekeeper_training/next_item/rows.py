"""Rows of a task's training set as sequences, by period, in codes of a catalogue that the training rows fix."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError, listing
from storekeeper_training.dataset import Dataset
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.lists import flatten
from storekeeper_training.next_item.sequences import Sequences, build_sequences
from storekeeper_training.split import Rows, Split


def sequences_of(dataset: Dataset, split: Split) -> Mapping[str, Sequences]:
    """The rows of each period; what may be ranked are the most frequent items of the training rows' labels.

    Raises
    ------
    DataError
        If the task's history isn't in the dataset; the message lists what is.
    """
    task = dataset.task
    if task.history not in dataset.table.column_names:
        features = [column.name for column in dataset.inputs]
        raise DataError(
            f"Task '{task.name}' ranks by the history '{task.history}', which the dataset lacks. It has: "
            f"{listing(features)}. Add it to the feature service '{task.feature_service}'."
        )
    catalogue = _most_frequent(dataset.table[task.label].take(pa.array(split.train)), task.catalogue_size)
    return {name: rows_of(dataset, catalogue, rows) for name, rows in split.parts.items()}


def rows_of(dataset: Dataset, catalogue: Catalogue, rows: Rows) -> Sequences:
    """Some rows of a dataset, in their order, in codes of a catalogue."""
    chosen = dataset.table.select([dataset.task.history, dataset.task.label]).take(pa.array(rows))
    return build_sequences(
        catalogue, chosen[dataset.task.history], chosen[dataset.task.label], times=dataset.timestamps[rows]
    )


def _most_frequent(labels: pa.ChunkedArray, size: int) -> Catalogue:
    """At most `size` items, by the number of rows that took them; of equal ones the lower id."""
    items, counts = np.unique(flatten(labels, "labels")[0], return_counts=True)
    kept = np.lexsort((items, -counts))[:size]
    return Catalogue(np.sort(items[kept]))
