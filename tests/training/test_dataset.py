"""Datasets as read for training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.artefact import InputColumn
from storekeeper.errors import DataError, NotFoundError
from storekeeper_training.dataset import read_dataset
from storekeeper_training.tasks import Task

Make = Callable[..., Path]


def test_inputs_are_spine_inputs_and_features(small_task: Task, dataset_folder: Path) -> None:
    """Models read the task's spine inputs and every feature, never keys, times or labels that aren't named."""
    inputs = read_dataset(small_task, dataset_folder).inputs
    assert inputs[:3] == (
        InputColumn("category", "string", "entity"),
        InputColumn("price", "double", "request"),
        InputColumn("baskets_28d", "int64", "feature"),
    )
    assert not {"customer_id", "event_timestamp", "request_time", "label"} & {column.name for column in inputs}


def test_rows_come_in_the_order_asked_for(small_task: Task, dataset_folder: Path, dataset_table: pa.Table) -> None:
    """Columns are taken in the order of the rows asked for; labels and times stay aligned with the table."""
    dataset = read_dataset(small_task, dataset_folder)
    rows = np.array([5, 0, 7])
    assert dataset.columns(rows)["baskets_28d"].to_pylist() == [dataset_table["baskets_28d"][i].as_py() for i in rows]
    assert dataset.labels.dtype == np.int8
    assert dataset.timestamps.dtype == np.dtype("datetime64[us]")


def test_missing_dataset_says_how_to_build_it(small_task: Task, tmp_path: Path) -> None:
    """A folder without data is an error that says what is there and how to build it."""
    with pytest.raises(NotFoundError, match=r"No data.parquet.*storekeeper dataset build purchase"):
        read_dataset(small_task, tmp_path / "none")


def test_bad_datasets_are_refused(
    small_task: Task, dataset_table: pa.Table, make_dataset: Make, tmp_path: Path
) -> None:
    """Another task's data, a missing column, a null or foreign label, a damaged file: each an error that names it."""
    with pytest.raises(DataError, match="dataset of task 'churn', not of 'purchase'"):
        read_dataset(small_task, make_dataset(tmp_path / "task", dataset_table, task="churn"))
    with pytest.raises(DataError, match=r"lacks the columns \['price'\]"):
        read_dataset(small_task, make_dataset(tmp_path / "column", dataset_table.drop_columns(["price"])))
    label = dataset_table.column_names.index("label")
    for values, fault in (([None], "1 nulls"), ([2], "Found also: \\['2'\\]")):
        labels = pa.chunked_array([pa.array(values, pa.int64()), *dataset_table["label"][1:].chunks])
        table = dataset_table.set_column(label, "label", labels)
        with pytest.raises(DataError, match=fault):
            read_dataset(small_task, make_dataset(tmp_path / str(values), table))
    folder = make_dataset(tmp_path / "damaged", dataset_table)
    (folder / "data.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_dataset(small_task, folder)


@pytest.mark.parametrize(
    ("record", "fault"), [("{", "not valid JSON"), ("[]", "JSON object"), ("{}", "lacks.*'dataset_hash'")]
)
def test_bad_records_are_refused(
    small_task: Task, dataset_table: pa.Table, make_dataset: Make, tmp_path: Path, record: str, fault: str
) -> None:
    """A manifest that isn't JSON or lacks a key is an error that names it."""
    folder = make_dataset(tmp_path / "set", dataset_table)
    (folder / "manifest.json").write_text(record, encoding="utf-8")
    with pytest.raises(DataError, match=fault):
        read_dataset(small_task, folder)
