"""Seeded histories and spines as Parquet files, written once per case."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cases import DAY_US, FEATURES_PER_VIEW, VIEWS, Case

START_US = 1_704_067_200_000_000  # 2024-01-01
SPAN_DAYS = {"latest": 365, "windows": 180}
# DuckDB's own row group size, so that its readers can share a file.
ROW_GROUP = 122_880
TIME = pa.timestamp("us", tz="UTC")


def files_of(case: Case, root: Path) -> Path:
    """Folder with `spine.parquet` and one file per source; made if it isn't there."""
    folder = root / case.slug
    if folder.exists():
        return folder
    partial = root / f".{case.slug}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    span_us = SPAN_DAYS[case.kind] * DAY_US
    random = np.random.default_rng(20_240_101)
    _write_spine(case, partial / "spine.parquet", random, span_us)
    for name in VIEWS if case.kind == "latest" else ("events",):
        columns = _features(name, random) if case.kind == "latest" else _measures(random)
        _write_history(case, partial / f"{name}.parquet", random, span_us, columns)
    partial.replace(folder)
    return folder


def _write_spine(case: Case, path: Path, random: np.random.Generator, span_us: int) -> None:
    spine = {
        "row_id": pa.array(np.arange(case.spine_rows)),
        "user_id": pa.array(random.integers(0, case.entities, case.spine_rows)),
        "event_timestamp": pa.array(START_US + random.integers(0, span_us, case.spine_rows), TIME),
    }
    pq.write_table(pa.table(spine), path, row_group_size=ROW_GROUP)


def _write_history(
    case: Case,
    path: Path,
    random: np.random.Generator,
    span_us: int,
    columns: Callable[[int], dict[str, np.ndarray]],
) -> None:
    """A log in order of time. No two rows share a time: contenders that break ties arbitrarily can still agree."""
    rows = case.event_rows
    step_us = rows
    times = START_US + np.sort(random.integers(0, span_us // step_us, rows)) * step_us + np.arange(rows)
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, 8 * ROW_GROUP):
        chunk = times[start : start + 8 * ROW_GROUP]
        keys = random.integers(0, case.entities, len(chunk))
        table = pa.table(
            {"user_id": pa.array(keys), "event_timestamp": pa.array(chunk, TIME)}
            | {name: pa.array(values) for name, values in columns(len(chunk)).items()}
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=ROW_GROUP)
    if writer:
        writer.close()


def _features(view: str, random: np.random.Generator) -> Callable[[int], dict[str, np.ndarray]]:
    names = feature_names(view)
    return lambda rows: {name: random.normal(size=rows) for name in names}


def _measures(random: np.random.Generator) -> Callable[[int], dict[str, np.ndarray]]:
    def columns(rows: int) -> dict[str, np.ndarray]:
        amount = np.round(random.exponential(20, rows), 2)
        return {"amount": amount, "quantity": random.integers(1, 10, rows).astype(float)}

    return columns


def feature_names(view: str) -> list[str]:
    """A view's features. Without an underscore, which Feast's DuckDB store can't take."""
    return [f"{view}{number}" for number in range(1, FEATURES_PER_VIEW + 1)]
