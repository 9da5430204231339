"""On-demand features of a retrieval: one schema and exact values, however it is asked and however it is cut."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Field, RequestSource
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.types import Array, Float64, Int64, String
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import NOW, Project, at
from storekeeper.errors import DataError
from storekeeper.offline import retrieve
from storekeeper.offline.job import HistoryRetrievalJob

BIG = 2**53 + 1
TIME = pa.timestamp("us", tz="UTC")

DEFINITIONS = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
latest = FeatureView(name="latest", entities=[user], source=log, schema=[Field(name="big", dtype=Int64)])
windows = StreamFeatureView(
    name="windows", entities=[user], timestamp_field="at", schema=[Field(name="n", dtype=Int64)],
    source=PushSource(name="push", batch_source=log),
    aggregations=[Aggregation(function="count", time_window=timedelta(days=60), name="n")],
)
request = RequestSource(name="request", schema=[Field(name="bias", dtype=Float64)])


@on_demand_feature_view(
    sources=[latest, windows, request],
    schema=[Field(name="same", dtype=Int64), Field(name="word", dtype=String), Field(name="sum", dtype=Float64),
            Field(name="seen", dtype=Bool), Field(name="pair", dtype=Array(Int64)), Field(name="unasked", dtype=Int64)],
)
def by_pandas(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "unasked": 1,
        "same": inputs["big"],
        "word": ["big" if known else None for known in inputs["big"].notna()],
        "sum": inputs["n"] + inputs["bias"],
        "seen": inputs["big"].notna(),
        "pair": [[count, count] if count else None for count in inputs["n"]],
    })


@on_demand_feature_view(
    sources=[latest, request], schema=[Field(name="py", dtype=Int64), Field(name="when", dtype=UnixTimestamp)],
    mode="python",
)
def by_python(inputs):
    from datetime import datetime

    return {
        "py": inputs["big"],
        "when": [None if big is None else datetime(2020, 2, 29) for big in inputs["big"]],
    }


@on_demand_feature_view(sources=[latest], schema=[Field(name="half", dtype=Int64)])
def broken(inputs: pd.DataFrame) -> pd.DataFrame:
    known = inputs["big"].notna().all()
    return pd.DataFrame({"half": inputs["big"] if known else inputs["big"].fillna(1) / 2})


service = FeatureService(name="service", features=[latest, by_pandas, by_python])
"""
ASKED = ["latest:big", *(f"by_pandas:{name}" for name in ("same", "word", "sum", "seen", "pair")),
         "by_python:py", "by_python:when"]  # fmt: skip
TYPES = {
    "big": pa.int64(), "same": pa.int64(), "word": pa.string(), "sum": pa.float64(), "seen": pa.bool_(),
    "pair": pa.list_(pa.int64()), "py": pa.int64(), "when": TIME,
}  # fmt: skip
VALUES: dict[int, dict[str, Any]] = {
    1: {"big": BIG, "same": BIG, "word": "big", "sum": 2.5, "seen": True, "pair": [2, 2], "py": BIG,
        "when": at("2020-02-29")},
    2: {"big": None, "same": None, "word": None, "sum": 1.5, "seen": False, "pair": [1, 1], "py": None, "when": None},
    3: {"big": None, "same": None, "word": None, "sum": 0.5, "seen": False, "pair": None, "py": None, "when": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """User 1 has a value that no float holds, user 2 has a null, and user 3 was never seen; materialised."""
    project = Project(tmp_path_factory.mktemp("on_demand"))
    project.configure()
    moments = [at("2020-02-01"), at("2020-02-02"), at("2020-02-01")]
    log = {"user_id": [1, 1, 2], "at": pa.array(moments), "big": pa.array([5, BIG, None], pa.int64())}
    project.add_duckdb("log", log)
    made = project.apply(DEFINITIONS)
    made.materialize(at("2020-01-01"), NOW)
    return made


def _spine(users: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"user_id": pd.Series(users, dtype="int64"), "event_timestamp": NOW, "bias": 0.5})


def _ask(store: Any, users: list[int], **options: Any) -> Any:
    return store.get_historical_features(entity_df=_spine(users), features=ASKED, **options)


def _expected(users: list[int]) -> dict[str, list[Any]]:
    return {name: [VALUES[user][name] for user in users] for name in TYPES}


@pytest.mark.parametrize("users", [[1], [2], [3], [], [3, 2, 1], [2, 3]], ids=str)
def test_features_have_their_declared_types(store: Any, users: list[int]) -> None:
    """Known, null, unseen or no entities at all: the types are those declared, and integers are exact."""
    found = _ask(store, users).to_arrow().select(list(TYPES))
    assert found.schema.equals(pa.schema(TYPES))
    assert found.to_pydict() == _expected(users)
    full = _ask(store, users, full_feature_names=True).to_arrow()
    assert full.column("by_pandas__same").equals(found.column("same"))
    assert full.column("by_python__py").equals(found.column("py"))


def test_a_frame_has_exact_integers(store: Any) -> None:
    """`to_df` gives Int64 where there are nulls, int64 where there are none, of on-demand features too."""
    frame = _ask(store, [1, 2]).to_df()
    assert frame[["same", "py", "big"]].dtypes.astype(str).tolist() == ["Int64"] * 3
    assert frame["same"].tolist() == [BIG, pd.NA]
    assert _ask(store, [1, 1]).to_df()["same"].dtype == "int64"


@pytest.fixture
def three_rows_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if memory were enough for results of three rows."""
    monkeypatch.setattr(retrieve, "_CELL_BYTES", 2**60)
    monkeypatch.setattr(retrieve, "_LEAST_SLICE_ROWS", 3)


@pytest.mark.usefixtures("three_rows_a_slice")
@pytest.mark.parametrize("users", [[3, 3, 2, 1, 1, 1, 1, 2], [2], []], ids=str)
def test_slices_have_one_schema(store: Any, users: list[int], tmp_path: Path) -> None:
    """Batches, the persisted file, the frame and the table are one result, whatever is null in which slice."""
    batches = list(_ask(store, users).to_record_batches())
    assert len(batches) == max(1, -(-len(users) // 3))
    whole = _ask(store, users).to_arrow()
    assert "unasked" not in whole.column_names
    assert all(batch.schema.equals(whole.schema, check_metadata=True) for batch in batches)
    assert pa.Table.from_batches(batches).equals(whole)
    assert whole.select(list(TYPES)).to_pydict() == _expected(users)
    _ask(store, users).persist(SavedDatasetFileStorage(str(tmp_path / "saved.parquet")))
    saved = pq.read_table(tmp_path / "saved.parquet")
    assert saved.select(list(TYPES)).to_pydict() == _expected(users)
    assert saved.select(list(TYPES)).schema.remove_metadata().equals(pa.schema(TYPES))


@pytest.mark.usefixtures("three_rows_a_slice")
def test_a_result_of_another_type_is_an_error(store: Any, tmp_path: Path) -> None:
    """A function that halves an integer is told so, and no file is left behind."""
    job = store.get_historical_features(entity_df=_spine([3, 2, 1]), features=["broken:half"])
    told = r"'half' of on-demand view 'broken' is declared Int64 \(int64\).*with 0.5 in it"
    with pytest.raises(DataError, match=told):
        job.to_df()
    with pytest.raises(DataError, match=told):
        job.persist(SavedDatasetFileStorage(str(tmp_path / "saved.parquet")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("users", [[1], [2], [3], [3, 2, 1], [1, 1]], ids=str)
def test_feast_serves_what_was_retrieved(store: Any, users: list[int], full: bool) -> None:
    """`get_online_features`, of one row and of many, gives the very values of the retrieval, integers exact."""
    rows = {"user_id": users, "bias": [0.5] * len(users)}
    options: dict[str, Any] = {"features": ASKED, "entity_rows": rows, "full_feature_names": full}
    served = store.get_online_features(**options).to_dict()
    assert {name.rpartition("__")[2]: values for name, values in served.items() if name != "user_id"} == _expected(
        users
    )
    assert asyncio.run(store.get_online_features_async(**options)).to_dict() == served
    service = store.get_online_features(**options | {"features": store.get_feature_service("service")}).to_dict()
    assert {name: service[name] for name in served} == served


# What a slice is made of: users of the three kinds.
SLICES = st.lists(st.lists(st.sampled_from([1, 2, 3]), max_size=4), min_size=1, max_size=5)


def _job(slices: list[list[int]]) -> HistoryRetrievalJob:
    """A retrieval of two inputs that is cut into the given slices."""

    def compute() -> Iterator[pa.Table]:
        for users in slices:
            big = pa.array([VALUES[user]["big"] for user in users], pa.int64())
            yield pa.table({"user_id": pa.array(users, pa.int64()), "big": big})

    source = RequestSource(name="inputs", schema=[Field(name="big", dtype=Int64)])
    pandas = OnDemandFeatureView(
        name="by_pandas", sources=[source], udf=_by_pandas, udf_string="",
        schema=[Field(name="same", dtype=Int64), Field(name="half", dtype=Float64), Field(name="word", dtype=String)],
    )  # fmt: skip
    python = OnDemandFeatureView(
        name="by_python", sources=[source], udf=_by_python, udf_string="", mode="python",
        schema=[Field(name="py", dtype=Int64), Field(name="list", dtype=Array(Int64))],
    )  # fmt: skip
    names = [f"{view.name}:{field.name}" for view in (pandas, python) for field in view.features]
    metadata = RetrievalMetadata(features=names, keys=["user_id"])
    return HistoryRetrievalJob(compute, on_demand=[pandas, python], metadata=lambda: metadata)


def _by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    words = frame["big"].map(str, na_action="ignore")
    return pd.DataFrame({"word": words, "half": frame["big"] / 2, "same": frame["big"]})


def _by_python(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {"list": [None if big is None else [big, None] for big in columns["big"]], "py": columns["big"]}


@settings(max_examples=60, deadline=None)
@given(SLICES)
def test_any_slices_are_one_table(slices: list[list[int]]) -> None:
    """However a spine is cut, with null, known or no values in a slice, schema and values are those of the whole."""
    batches = list(_job(slices).to_record_batches(2))
    assert all(before.schema.equals(after.schema) for before, after in pairwise(batches))
    users = [user for part in slices for user in part]
    whole = _job([users]).to_arrow()
    assert pa.Table.from_batches(batches).equals(whole)
    assert _job(slices).to_arrow().equals(whole)
    known = [VALUES[user]["big"] for user in users]
    assert whole.to_pydict() == {
        "user_id": users,
        "big": known,
        "same": known,
        "half": [None if big is None else big / 2 for big in known],
        "word": [None if big is None else str(big) for big in known],
        "py": known,
        "list": [None if big is None else [big, None] for big in known],
    }


def test_unasked_features_stay_out_of_batches() -> None:
    """Batches hold the asked features of an on-demand view, as the table does."""
    job = _job([[1, 2]])
    metadata = RetrievalMetadata(features=["by_python:list", "by_pandas:same"], keys=[])
    asked = HistoryRetrievalJob(job._compute, on_demand=job.on_demand_feature_views, metadata=lambda: metadata)
    batches = list(asked.to_record_batches())
    assert [batch.schema.names for batch in batches] == [["user_id", "big", "same", "list"]]
    assert asked.to_arrow().column_names == batches[0].schema.names
