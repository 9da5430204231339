"""Feast's direct pulls against a pandas oracle: ranges, ties, mapped names, no keys, no knowledge time."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL

from projects import Project, at
from storekeeper.offline.store import HistoryOfflineStore

VIEWS = """
COMMON = dict(timestamp_field="at", created_timestamp_column="known")
SOURCES = [
    DuckDBSource(name="duckdb", database="data/behaviour.duckdb", table="rows", **COMMON),
    SQLSource(name="sql", url="sqlite:///data/shop.db", table="rows", **COMMON),
    FileSource(name="parquet", path="data/rows.parquet", **COMMON),
    FileSource(name="csv", path="data/rows.csv", **COMMON),
    # Names go round: what the view calls `a` is the source's `b`, and the other way about.
    DuckDBSource(
        name="mapped", database="data/behaviour.duckdb", table="rows", **COMMON,
        field_mapping={"user_id": "who", "at": "moment", "known": "learnt", "a": "b", "b": "a"},
    ),
]
s0, s1, s2, s3, s4 = SOURCES
"""
SOURCES = ["duckdb", "sql", "parquet", "csv", "mapped"]
DAY = at("2020-02-01")


def _history(seed: int) -> pd.DataFrame:
    """Rows with many ties of event and knowledge time, null keys, null knowledge times and null values."""
    rng, count = np.random.default_rng(seed), 400
    days = [DAY + timedelta(days=int(day), microseconds=int(day)) for day in rng.integers(0, 12, count)]
    known = [day + timedelta(days=int(late)) for day, late in zip(days, rng.integers(0, 3, count), strict=True)]
    frame = pd.DataFrame(
        {
            "user_id": pd.array(rng.integers(1, 9, count), "Int64"),
            "other_id": rng.choice(["x", "y"], count),
            "at": pd.Series(days).astype("datetime64[us, UTC]"),
            "known": pd.Series(known).astype("datetime64[us, UTC]"),
            "a": pd.array(np.arange(count) + 2**53, "Int64"),
            "b": rng.random(count).round(6),
        }
    )
    for column, share in (("user_id", 0.1), ("known", 0.2), ("a", 0.1)):
        frame.loc[rng.random(count) < share, column] = None
    return frame


HISTORY = _history(5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One history behind every kind of source. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("pulls"))
    project.configure()
    project.add_duckdb("rows", HISTORY)
    project.add_parquet("data/rows.parquet", HISTORY)
    project.add_csv("data/rows.csv", HISTORY)
    texts = [
        tuple(None if pd.isna(v) else v.isoformat() if hasattr(v, "isoformat") else v for v in row)
        for row in HISTORY.astype(object).itertuples(index=False)
    ]
    project.add_sqlite(
        'CREATE TABLE rows (user_id BIGINT, other_id TEXT, "at" TIMESTAMP, known TIMESTAMP, a BIGINT, b FLOAT)',
        texts, "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)",
    )  # fmt: skip
    return project.apply(VIEWS)


def _pull(store: Any, source: str, kind: str, **asked: Any) -> pa.Table:
    common: dict[str, Any] = {
        "config": store.config, "data_source": store.get_data_source(source), "join_key_columns": ["user_id"],
        "feature_name_columns": ["a", "b"], "timestamp_field": "at", "created_timestamp_column": "known",
        "start_date": DAY, "end_date": DAY + timedelta(days=20),
    }  # fmt: skip
    return getattr(HistoryOfflineStore, f"pull_{kind}_from_table_or_query")(**common | asked).to_arrow()


def _rows(table: pa.Table, order: list[str] | None = None) -> list[dict[str, Any]]:
    """Rows with times in UTC, in the given order, or else in the table's."""
    rows = [
        {name: v.astimezone(UTC) if isinstance(v, datetime) and v.tzinfo else _utc(v) for name, v in row.items()}
        for row in table.select(sorted(table.column_names)).to_pylist()
    ]
    return sorted(rows, key=lambda row: [str(row[name]) for name in order]) if order else rows


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _oracle(columns: list[str], start: datetime | None, end: datetime | None) -> pd.DataFrame:
    """The rows of a time range, by pandas alone."""
    within = pd.Series(True, HISTORY.index)
    if start is not None:
        within &= HISTORY["at"] >= start
    if end is not None:
        within &= HISTORY["at"] <= end
    return HISTORY.loc[within, columns]


def _latest(frame: pd.DataFrame, keys: list[str], known: str | None) -> pd.DataFrame:
    """Rule 4 by pandas: greatest event time, then knowledge time (null: the event's own), then place in the source."""
    ties = frame["at"] if known is None else frame[known].fillna(frame["at"])
    ordered = frame.assign(ties=ties, place=range(len(frame))).dropna(subset=keys).sort_values(["at", "ties", "place"])
    found = ordered.groupby(keys).tail(1) if keys else ordered.tail(1)
    return found.drop(columns=["ties", "place"])


BOUNDS = {
    "aware": (DAY + timedelta(days=3), DAY + timedelta(days=7)),
    "naive": (datetime(2020, 2, 4), datetime(2020, 2, 8)),  # noqa: DTZ001  (naive bounds are the case)
    "elsewhere": tuple(
        moment.astimezone(timezone(timedelta(hours=9))) for moment in (DAY + timedelta(days=3), DAY + timedelta(days=7))
    ),
    "to the microsecond": (
        DAY + timedelta(days=3, microseconds=3), DAY + timedelta(days=7, microseconds=7),
    ),
    "just missed": (
        DAY + timedelta(days=3, microseconds=4), DAY + timedelta(days=7, microseconds=6),
    ),
    "open": (None, None),
}  # fmt: skip


def _aware(bound: datetime | None) -> Any:
    return _utc(bound) if bound is not None and bound.tzinfo is None else bound


@pytest.mark.parametrize("bounds", list(BOUNDS))
@pytest.mark.parametrize("source", SOURCES)
def test_all_rows_of_a_range(store: Any, source: str, bounds: str) -> None:
    """Every row, null keys too, both bounds inclusive, in the source's order; naive bounds mean UTC."""
    start, end = BOUNDS[bounds]
    found = _pull(store, source, "all", start_date=start, end_date=end)
    expected = _oracle(["user_id", "a", "b", "at", "known"], _aware(start), _aware(end))
    assert _rows(found) == _rows(pa.Table.from_pandas(expected, preserve_index=False))


@pytest.mark.parametrize("bounds", list(BOUNDS))
@pytest.mark.parametrize("source", SOURCES)
def test_the_latest_row_of_each_entity(store: Any, source: str, bounds: str) -> None:
    """One row an entity, ties by knowledge time and then by place in the source; null keys are nobody."""
    start, end = BOUNDS[bounds]
    found = _pull(store, source, "latest", start_date=start, end_date=end)
    expected = _latest(_oracle(["user_id", "a", "b", "at", "known"], _aware(start), _aware(end)), ["user_id"], "known")
    assert _rows(found, ["user_id"]) == _rows(pa.Table.from_pandas(expected, preserve_index=False), ["user_id"])


@pytest.mark.parametrize("source", SOURCES)
def test_without_knowledge_time_the_later_row_wins(store: Any, source: str) -> None:
    """Then the place in the source alone breaks ties."""
    found = _pull(store, source, "latest", created_timestamp_column=None)
    expected = _latest(_oracle(["user_id", "a", "b", "at"], None, None), ["user_id"], None)
    assert _rows(found, ["user_id"]) == _rows(pa.Table.from_pandas(expected, preserve_index=False), ["user_id"])
    assert "known" not in _pull(store, source, "all", created_timestamp_column="").column_names


def test_composite_keys(store: Any) -> None:
    """One row for each pair of keys."""
    keys = ["user_id", "other_id"]
    found = _pull(store, "duckdb", "latest", join_key_columns=keys)
    expected = _latest(_oracle([*keys, "a", "b", "at", "known"], None, None), keys, "known")
    assert found.num_rows == 16
    assert _rows(found, keys) == _rows(pa.Table.from_pandas(expected, preserve_index=False), keys)


@pytest.mark.parametrize("source", SOURCES)
def test_without_keys_there_is_one_entity(store: Any, source: str) -> None:
    """The latest row of all carries Feast's dummy key; all rows don't."""
    found = _pull(store, source, "latest", join_key_columns=[])
    expected = _latest(_oracle(["a", "b", "at", "known"], None, None), [], "known")
    assert found.column(DUMMY_ENTITY_ID).to_pylist() == [DUMMY_ENTITY_VAL]
    assert _rows(found.drop_columns([DUMMY_ENTITY_ID])) == _rows(pa.Table.from_pandas(expected, preserve_index=False))
    assert set(_pull(store, source, "all", join_key_columns=[]).column_names) == {"a", "b", "at", "known"}


@pytest.mark.parametrize("kind", ["all", "latest"])
@pytest.mark.parametrize("source", SOURCES)
def test_an_empty_range_has_no_rows_and_all_columns(store: Any, source: str, kind: str) -> None:
    """With keys or without."""
    later = DAY + timedelta(days=100)
    found = _pull(store, source, kind, start_date=later, end_date=later)
    assert found.num_rows == 0
    assert set(found.column_names) == {"user_id", "a", "b", "at", "known"}
    assert _pull(store, source, kind, join_key_columns=[], start_date=later, end_date=later).num_rows == 0


def test_a_column_asked_for_twice_comes_once(store: Any) -> None:
    """The event time may be a feature too."""
    found = _pull(store, "duckdb", "latest", feature_name_columns=["a", "at", "a"])
    assert sorted(found.column_names) == ["a", "at", "known", "user_id"]
