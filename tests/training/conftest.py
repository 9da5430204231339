"""A small purchase-like dataset whose signal only a model with interactions can read in full."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storekeeper_training.tasks import PURCHASE, RuleBaseline, Task

CATEGORIES = ("milk", "bread", "soap", "beer", "rare thing")
TYPES = {
    "event_timestamp": pa.timestamp("us", tz="UTC"),
    "request_time": pa.timestamp("us", tz="UTC"),
}


@pytest.fixture(scope="session")
def small_task() -> Task:
    """The purchase task with the synthetic dataset's rule."""
    return replace(PURCHASE, rule=RuleBaseline("baskets_28d", "rising"), horizon=timedelta(days=7))


def synthetic_table(n_rows: int = 6000, seed: int = 0) -> pa.Table:
    """Rows over 30 weeks in the order of time: counts, amounts with nulls, categories, a flag, a list, a constant."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 210, n_rows))
    times = np.datetime64("2017-04-03", "us") + (days * 86_400_000_000).astype("timedelta64[us]")
    baskets = rng.poisson(3, n_rows)
    recency = rng.exponential(10 * 86400, n_rows)
    spend = rng.lognormal(6, 1.2, n_rows)
    category = rng.choice(CATEGORIES, n_rows, p=[0.4, 0.3, 0.2, 0.0995, 0.0005])
    due = (recency > 5 * 86400) ^ (category == "milk")
    logit = -2.5 + 0.35 * baskets + 2.2 * due
    label = rng.random(n_rows) < 1 / (1 + np.exp(-logit))
    columns = {
        "customer_id": rng.integers(1, 300, n_rows),
        "category": category.tolist(),
        "event_timestamp": times,
        "request_time": times,
        "price": np.where(rng.random(n_rows) < 0.1, np.nan, rng.lognormal(5, 0.5, n_rows)),
        "label": label.astype(np.int64),
        "baskets_28d": baskets,
        "seconds_since_last": np.where(rng.random(n_rows) < 0.05, np.nan, recency),
        "spend_cents_91d": spend,
        "age_band": rng.choice(np.array(["19-24", "25-34", None], dtype=object), n_rows).tolist(),
        "is_weekend": rng.random(n_rows) < 0.3,
        "last_categories": [["milk"]] * n_rows,
        "dead": np.ones(n_rows),
    }
    arrays = [pa.array(values, TYPES.get(name), from_pandas=True) for name, values in columns.items()]
    return pa.table(arrays, names=list(columns))


def write_dataset(folder: Path, table: pa.Table, **record: object) -> Path:
    """Write a dataset as the platform does."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data.parquet")
    content = {
        "task": "purchase",
        "dataset_hash": "a" * 64,
        "definition_hash": "b" * 64,
        "feature_service": "purchase",
        "immature_rows": 12,
    }
    (folder / "manifest.json").write_text(json.dumps({**content, **record}), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Path]:
    """Writes a dataset folder: `make_dataset(folder, table, **manifest_entries)`."""
    return write_dataset


@pytest.fixture(scope="session")
def dataset_table() -> pa.Table:
    """The synthetic rows."""
    return synthetic_table()


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory, dataset_table: pa.Table) -> Path:
    """The synthetic dataset on disk."""
    return write_dataset(tmp_path_factory.mktemp("datasets") / "purchase", dataset_table)
