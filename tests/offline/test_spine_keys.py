"""Keys as plain pandas has them: floats where one is missing, any type where there are no rows."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import NOW, Project, at
from storekeeper.errors import DataError
from storekeeper.offline.spine import Spine, spine_from_frame

LARGEST = 2**53 - 1
TIME = pa.timestamp("us", tz="UTC")
DEFINITIONS = """
shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)
word = Entity(name="word", join_keys=["word_id"], value_type=ValueType.STRING)


def log(name):
    return DuckDBSource(name=name, database="data/behaviour.duckdb", table=name, timestamp_field="at")


latest = FeatureView(name="latest", entities=[user], source=log("users"), schema=[Field(name="big", dtype=Int64)])
words = FeatureView(name="words", entities=[word], source=log("words"), schema=[Field(name="tag", dtype=String)])
pairs = FeatureView(name="pairs", entities=[user, shop], source=log("pairs"), schema=[Field(name="pair", dtype=Int64)])
windows = StreamFeatureView(
    name="windows", entities=[user], timestamp_field="at", schema=[Field(name="n", dtype=Int64)],
    source=PushSource(name="push", batch_source=log("users")), aggregations=[Aggregation(function="count", name="n")],
)
of_shops = FeatureService(
    name="of_shops", features=[latest.with_name("owner").with_join_key_map({"user_id": "owner_id"})]
)
"""
BIGS = {1: 10, 2: 20, LARGEST: 30, -5: 40, 0: 50}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Users with integer keys, words with text keys, and users in shops."""
    project = Project(tmp_path_factory.mktemp("keys"))
    project.configure()
    moment = at("2020-02-01")
    project.add_duckdb("users", {"user_id": list(BIGS), "at": [moment] * 5, "big": list(BIGS.values())})
    project.add_duckdb("words", {"word_id": ["a"], "at": [moment], "tag": ["b"]})
    project.add_duckdb("pairs", {"user_id": [1, 2], "shop_id": [2, 1], "at": [moment] * 2, "pair": [12, 21]})
    return project.apply(DEFINITIONS)


def _ask(store: Any, spine: Any, *features: str) -> pa.Table:
    return store.get_historical_features(entity_df=spine, features=list(features)).to_arrow()


def _spine(**keys: Any) -> pd.DataFrame:
    return pd.DataFrame({**keys, "event_timestamp": NOW})


def test_a_missing_key_matches_nothing_and_the_others_their_own(store: Any) -> None:
    """Integer keys with one missing are floats to pandas; they match as integers, and come back as they were."""
    spine = _spine(user_id=[1, None, 2, LARGEST, -5, 7, -0.0])
    assert spine["user_id"].dtype == "float64"
    found = _ask(store, spine, "latest:big", "windows:n")
    assert found.column("big").to_pylist() == [10, None, 20, 30, 40, None, 50]
    assert found.column("n").to_pylist() == [1, 0, 1, 1, 1, 0, 1]
    assert found.column("user_id").type == pa.float64()
    frame = store.get_historical_features(entity_df=spine, features=["latest:big"]).to_df()
    pd.testing.assert_series_equal(frame["user_id"], spine["user_id"])


def test_no_key_at_all_matches_nothing(store: Any) -> None:
    """A column of NaN alone says nothing about integers, and is null for all."""
    found = _ask(store, _spine(user_id=[np.nan, np.nan]), "latest:big", "windows:n")
    assert found.select(["big", "n"]).to_pydict() == {"big": [None, None], "n": [0, 0]}


def test_one_key_of_two_may_be_missing(store: Any) -> None:
    """Composite keys are read one by one; a row with a null in either matches nothing."""
    spine = _spine(user_id=[1, 2, 1, None], shop_id=[2, 1, None, 2])
    assert _ask(store, spine, "pairs:pair").column("pair").to_pylist() == [12, 21, None, None]


def test_mapped_keys_and_queries_are_read_alike(store: Any) -> None:
    """Under another name, and as a query's DOUBLE, in which NaN is a value."""
    spine = _spine(owner_id=[2, None])
    service = store.get_feature_service("of_shops")
    assert store.get_historical_features(spine, service).to_arrow().column("big").to_pylist() == [20, None]
    query = f"SELECT unnest([1, 'nan'::DOUBLE, NULL]) AS user_id, TIMESTAMPTZ '{NOW.isoformat()}' AS event_timestamp"
    assert _ask(store, query, "latest:big").column("big").to_pylist() == [10, None, None]


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("user_id", [1.5, 2.0]),
        ("user_id", [1.0, float(2**53)]),
        ("user_id", [-float(2**53), None]),
        ("user_id", [1.0, np.inf]),
        ("user_id", np.array([1.0, 2.0], "float32")),
        ("word_id", [1.0, None]),
    ],
    ids=str,
)
def test_floats_that_are_no_integers_stay_an_error(store: Any, key: str, keys: Any) -> None:
    """A fraction, a number that may have been another integer once, and floats for text keys are refused as ever."""
    with pytest.raises(DataError, match=f"Join key '{key}' is (double|float) in the spine and (int64|string) in the"):
        _ask(store, _spine(**{key: keys}), "latest:big" if key == "user_id" else "words:tag")


EMPTY: dict[str, Any] = {
    "names only": pd.DataFrame(columns=["user_id", "word_id", "shop_id", "event_timestamp"]),
    "lists": pd.DataFrame({"user_id": [], "word_id": [], "shop_id": [], "event_timestamp": []}),
    "floats": pd.DataFrame(np.empty((0, 4)), columns=["user_id", "word_id", "shop_id", "event_timestamp"]),
    "objects": pd.DataFrame(np.empty((0, 4), object), columns=["user_id", "word_id", "shop_id", "event_timestamp"]),
    "filtered": _spine(user_id=["1"], word_id=[1.5], shop_id=[True]).iloc[:0],
}


@pytest.mark.parametrize("spine", EMPTY.values(), ids=list(EMPTY))
def test_no_rows_of_any_type_give_no_rows_of_the_declared_types(store: Any, spine: pd.DataFrame) -> None:
    """Without rows pandas knows no types; keys and features have those that are declared."""
    found = _ask(store, spine, "latest:big", "windows:n", "words:tag", "pairs:pair")
    types = {"user_id": pa.int64(), "word_id": pa.string(), "shop_id": pa.int64(), "big": pa.int64(), "n": pa.int64(),
             "tag": pa.string(), "pair": pa.int64()}  # fmt: skip
    assert found.num_rows == 0
    assert {name: found.schema.field(name).type for name in types} == types
    assert pa.types.is_timestamp(found.schema.field("event_timestamp").type)
    batches = list(store.get_historical_features(entity_df=spine, features=["latest:big"]).to_record_batches())
    assert [batch.num_rows for batch in batches] == [0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | st.floats(allow_infinity=True) | st.integers(-(2**54), 2**54).map(float), max_size=6))
def test_keys_are_integers_all_or_none(values: list[float | None]) -> None:
    """A float column is read as integers if each value is one beyond doubt, and is left as it is otherwise."""
    spine = Spine(pa.table({"key": pa.array(values, pa.float64())}), "at")
    known = [value for value in values if value is not None and not np.isnan(value)]
    integers = all(value.is_integer() and abs(value) < 2**53 for value in known)
    found = spine.key("key", pa.int64())
    if integers:
        wanted = [None if value is None or np.isnan(value) else int(value) for value in values]
        assert (found.type, found.to_pylist()) == (pa.int64(), wanted)
    else:
        assert repr(found.to_pylist()) == repr(values)
    assert spine.key("key", pa.string()).type == pa.float64()


def test_a_frame_keeps_its_columns(store: Any) -> None:
    """Reading keys changes nothing about the caller's rows, nor about a spine with rows."""
    frame = _spine(user_id=[1.0, None])
    spine = spine_from_frame(frame).typed_if_empty({"user_id": pa.int64()})
    assert spine.table.column("user_id").type == pa.float64()
    assert store.get_historical_features(frame, ["latest:big"]).to_df()["user_id"].dtype == "float64"
