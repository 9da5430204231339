"""Dataset: a built training set on disk, read for training."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.artefact import InputColumn
from storekeeper.errors import DataError, NotFoundError, listing
from storekeeper_training.problems import Labels, Problem, find_problem
from storekeeper_training.tasks import Task

DATA_FILE = "data.parquet"
MANIFEST_FILE = "manifest.json"
# Key of the names of lints whose errors were let pass.
ALLOWED_LINTS = "allowed_lints"
REQUIRED_KEYS = ("task", "dataset_hash", "definition_hash", "feature_service")


@dataclass(frozen=True)
class Dataset:
    """Rows with features and labels, in the order of the spine.

    Attributes
    ----------
    task
        What is predicted.
    table
        The spine's columns, then the features under their plain names.
    manifest
        The dataset's record; `task`, `dataset_hash`, `definition_hash` and `feature_service` at least.
    """

    task: Task
    table: pa.Table
    manifest: Mapping[str, Any]

    @property
    def allowed_lints(self) -> tuple[str, ...]:
        """Names of lints whose errors were let pass, as far as the record tells."""
        return tuple(self.manifest.get(ALLOWED_LINTS, ()))

    @property
    def problem(self) -> Problem:
        """What the task's kind of label means."""
        return find_problem(self.task.kind)

    @property
    def labels(self) -> Labels:
        """`(n_rows,)`, as the task's kind has them: int8 of 0 and 1, or float64 of units."""
        return self.problem.read_labels(self.table[self.task.label])

    @property
    def timestamps(self) -> npt.NDArray[np.datetime64]:
        """`(n_rows,) datetime64[us]`, UTC."""
        instants: npt.NDArray[np.datetime64] = (
            self.table["event_timestamp"].cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
        )
        return instants

    @property
    def inputs(self) -> tuple[InputColumn, ...]:
        """What models may read: the task's spine inputs, then every feature, in the table's order."""
        spine = {column.name for column in self.task.spine_columns}
        keys = {column.name for column in self.task.entity_keys}
        types = {field.name: str(field.type) for field in self.table.schema}
        from_spine = (
            InputColumn(name, types[name], "entity" if name in keys else "request") for name in self.task.spine_inputs
        )
        features = (InputColumn(name, dtype, "feature") for name, dtype in types.items() if name not in spine)
        return (*from_spine, *features)

    def entity_codes(self, key: str) -> npt.NDArray[np.int64]:
        """`(n_rows,) int64`: which value of an entity key a row has, numbered as they come; null is one of them."""
        codes = self.table[key].combine_chunks().dictionary_encode(null_encoding="encode").indices
        return np.asarray(codes.to_numpy()).astype(np.int64)

    def columns(self, rows: npt.NDArray[np.int64]) -> dict[str, pa.ChunkedArray]:
        """The inputs of some rows, in the order of `rows`."""
        chosen = self.table.select([column.name for column in self.inputs]).take(pa.array(rows))
        return {name: chosen[name] for name in chosen.column_names}


def read_dataset(task: Task, folder: Path) -> Dataset:
    """Read a dataset's Parquet file and manifest, and check that they are this task's.

    Raises
    ------
    NotFoundError
        If the folder or a file is missing.
    DataError
        If a file is damaged, the dataset is another task's, a column is missing, or a label isn't of the task's kind.
    """
    for name in (DATA_FILE, MANIFEST_FILE):
        if not (folder / name).is_file():
            found = listing(entry.name for entry in folder.iterdir()) if folder.is_dir() else "nothing"
            raise NotFoundError(
                f"No {name} in the dataset folder '{folder}'. It holds: {found}. "
                f"Build it: storekeeper dataset build {task.name}."
            )
    dataset = Dataset(task, _read_table(folder / DATA_FILE), _read_record(folder / MANIFEST_FILE))
    _check(dataset, folder)
    return dataset


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {error}. Build the dataset again.") from error


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}. Build the dataset again.") from error
    if not isinstance(record, dict):
        raise DataError(f"{path} must hold a JSON object. Received: {type(record).__name__}.")
    if missing := [key for key in REQUIRED_KEYS if key not in record]:
        raise DataError(f"{path} lacks {missing}. Build the dataset again.")
    return record


def _check(dataset: Dataset, folder: Path) -> None:
    """Refuse a dataset that is another task's or that can't be learnt from."""
    task, table = dataset.task, dataset.table
    if dataset.manifest["task"] != task.name:
        raise DataError(f"'{folder}' is a dataset of task '{dataset.manifest['task']}', not of '{task.name}'.")
    needed = [column.name for column in task.spine_columns]
    if missing := [name for name in needed if name not in table.column_names]:
        raise DataError(f"The dataset in '{folder}' lacks the columns {missing}. It has {table.column_names}.")
    for name in ("event_timestamp", task.label):
        if nulls := table[name].null_count:
            raise DataError(f"Column '{name}' of the dataset in '{folder}' has {nulls} nulls. It must have none.")
    dataset.problem.check_labels(table[task.label], str(folder))
