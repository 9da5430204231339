"""The compiled reader gives what training sees and what Feast's clients get, for every type, as NumPy and as Arrow."""

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from online.reader_log import BIG, CONTEXT, DAY, FEATURES, SCHEMA, USERS, fill
from projects import NOW, Project
from storekeeper.errors import DataError, UsageError
from storekeeper.online.reader import FeatureReader


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One materialised project for the tests that only read. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("compiled"))
    project.configure()
    return fill(project)


def _plain(array: np.ndarray, declared: pa.DataType) -> list[Any]:
    """A NumPy column as Python values, null as None."""
    if np.ma.isMaskedArray(array):
        mask = np.ma.getmaskarray(array)
        return [None if hidden else value for hidden, value in zip(mask, _plain(array.data, declared), strict=True)]
    if array.dtype.kind == "M":
        return [None if at is None else at.replace(tzinfo=UTC) for at in array.tolist()]
    if pa.types.is_floating(declared):
        return [None if math.isnan(value) else value for value in array.tolist()]
    return array.tolist()


def _offline(store: Any, users: Sequence[int], service: str = "service") -> dict[str, list[Any]]:
    spine = pd.DataFrame({"user_id": users, "event_timestamp": [NOW] * len(users)})
    spine["offer"], spine["asked"] = CONTEXT["offer"][: len(users)], CONTEXT["asked"][: len(users)]
    job = store.get_historical_features(
        entity_df=spine, features=store.get_feature_service(service), filter_by_created_timestamp=True
    )
    found: dict[str, list[Any]] = job.to_arrow().to_pydict()
    return found


def _close(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_close, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9)
    return type(ours) is type(theirs) and bool(ours == theirs)


def test_values_are_those_of_training(store: Any) -> None:
    """Every type, null, expired, unseen: NumPy columns, the Arrow table, and the training set hold the same."""
    reader, users = FeatureReader(store, "service"), USERS[:5]
    context = {name: values[:5] for name, values in CONTEXT.items()}
    arrays, table = reader.read({"user_id": users}, context), reader.read_table({"user_id": users}, context)
    expected = _offline(store, [1, 2, 3, 4, 77])
    assert tuple(arrays) == reader.features == tuple(table.column_names)
    for name in reader.features:
        ours, declared = table.column(name).to_pylist(), table.schema.field(name).type
        assert all(map(_close, ours, expected[name])), (name, ours, expected[name])
        assert all(map(_close, _plain(arrays[name], declared), ours)), name
    assert table.column("big").to_pylist() == [BIG, None, None, None, None]


def test_values_are_those_of_feast_clients(store: Any) -> None:
    """`get_online_features` answers the same, to the last bit."""
    context = {name: values[:5] for name, values in CONTEXT.items()}
    table = FeatureReader(store, "service").read_table({"user_id": USERS[:5]}, context)
    rows = [{"user_id": user} | {n: context[n][i] for n in context} for i, user in enumerate(USERS[:5])]
    found = store.get_online_features(features=store.get_feature_service("service"), entity_rows=rows).to_dict()
    for name in table.column_names:
        theirs = [None if isinstance(v, float) and math.isnan(v) else v for v in found[name]]
        assert theirs == table.column(name).to_pylist(), name


def test_types_are_declared(store: Any) -> None:
    """The table has the declared Arrow types; NumPy columns are float64, int64, bool, datetime64[us] or objects."""
    reader = FeatureReader(store, "service")
    table, arrays = (
        reader.read_table({"user_id": [77]}, {"offer": [1.0], "asked": [1]}),
        reader.read({"user_id": [1]}, {"offer": [1.0], "asked": [1]}),
    )
    assert [table.schema.field(name).type for name in FEATURES] == [SCHEMA.field(name).type for name in FEATURES]
    kinds = {name: arrays[name].dtype.str for name in [*FEATURES, "plain_2", "cast_3", "exact", "louder"]}
    assert kinds == {
        "big": "<i8", "small": "<i8", "price": "<f8", "half": "<f8", "flag": "|b1", "word": "|O", "raw": "|O",
        "moment": "<M8[us]", "tags": "|O", "numbers": "|O", "plain_2": "<i8", "cast_3": "<i8", "exact": "<i8",
        "louder": "|O",
    }  # fmt: skip


def test_nulls_are_masked_where_values_cannot_say_it(store: Any) -> None:
    """Integers, booleans and times with a null are masked arrays, and stay exact; floats have NaN, objects None."""
    arrays = FeatureReader(store, "service").read({"user_id": [2, 1]}, {"offer": [1.0, 1.0], "asked": [1, 1]})
    for name in ("big", "small", "flag", "moment", "exact", "next_big", "plain_15"):
        assert np.ma.getmaskarray(arrays[name]).tolist() == [True, False], name
    assert (arrays["big"].dtype, arrays["big"][1], arrays["next_big"][1]) == (np.int64, BIG, BIG + 1)
    assert np.isnan(arrays["price"]).tolist() == np.isnan(arrays["sum_of"]).tolist() == [True, False]
    assert arrays["word"].tolist() == [None, "ä"]


def test_a_null_key_is_nobody(store: Any) -> None:
    """A row without a key has the features of an entity that was never seen (rule 13), wherever it stands."""
    context = {name: values[:3] for name, values in CONTEXT.items()}
    reader = FeatureReader(store, "service")
    found = reader.read_table({"user_id": [None, 1, 77]}, {**context, "offer": [1.0] * 3, "asked": [1] * 3})
    rows = found.drop_columns(["all_n"]).to_pylist()
    assert rows[0] == rows[2]
    assert rows[1]["big"] == BIG


def test_ttl_counts_at_the_instant_asked(store: Any) -> None:
    """A row is seen to the microsecond of its ttl, and not beyond."""
    reader = FeatureReader(store, "only")
    last = NOW - DAY + 3 * DAY
    assert reader.read_table({"user_id": [1]}, now=last).to_pylist() == [{"big": BIG, "word": "ä"}]
    after = reader.read_table({"user_id": [1]}, now=last + timedelta(microseconds=1))
    assert after.to_pylist() == [{"big": None, "word": None}]


def test_state_of_the_future_is_refused(store: Any) -> None:
    """Asked about an instant before the materialisation, the reader says what to do."""
    with pytest.raises(DataError, match="later time than the clock shows"):
        FeatureReader(store, "only").read({"user_id": [1]}, now=NOW - 9 * DAY)


def test_what_everyone_shares_needs_no_key(store: Any) -> None:
    """A service about everyone has as many rows as whatever was given."""
    reader = FeatureReader(store, "shared")
    assert reader.read({"user_id": [1, 2]})["all_n"].tolist() == [6, 6]
    assert reader.read({})["all_n"].tolist() == []


@pytest.mark.parametrize(
    ("keys", "context", "error", "message"),
    [
        ({}, CONTEXT, UsageError, "Entity key 'user_id' is missing. Received: nothing"),
        ({"user_id": ["1"]}, {"offer": [1.0], "asked": [1]}, DataError, r"'user_id' must be int64.*row 0: '1' \(str\)"),
        ({"user_id": [True]}, {"offer": [1.0], "asked": [1]}, DataError, "'user_id' must be int64"),
        ({"user_id": [1]}, {"offer": [1.0]}, UsageError, "context 'asked' is missing. Expected: 'asked', 'offer'"),
        ({"user_id": [1]}, {"offer": [1.0, 2.0], "asked": [1]}, UsageError, "'offer' has 2 values for 1 rows"),
        ({"user_id": [1]}, {"offer": ["x"], "asked": [1]}, DataError, r"Context 'offer' must be double.*'x'"),
    ],
)
def test_questions_that_make_no_sense(
    store: Any, keys: Any, context: Any, error: type[Exception], message: str
) -> None:
    """A missing key, a value of another type or a column of another length is named."""
    with pytest.raises(error, match=message):
        FeatureReader(store, "service").read(keys, context)


@pytest.mark.parametrize(
    "values", [np.array([1, 77]), (1, 77), pd.Series([1, 77], index=[5, 6])], ids=["np", "tuple", "pd"]
)
def test_keys_come_in_any_sequence(store: Any, values: Any) -> None:
    """NumPy arrays, tuples and pandas columns are as good as lists."""
    assert FeatureReader(store, "only").read({"user_id": values})["word"].tolist() == ["ä", None]


def test_threads_and_tasks_read_alike(store: Any) -> None:
    """Many threads, and tasks of an event loop, read by one reader and get what one thread gets."""
    reader = FeatureReader(store, "only")
    users = [[1], [2], [77], [1, 2, 3, 4]] * 10
    expected = [reader.read({"user_id": one})["word"].tolist() for one in users]
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda one: reader.read({"user_id": one})["word"].tolist(), users)] == expected

    async def together() -> list[Any]:
        found = await asyncio.gather(*(reader.aread({"user_id": one}) for one in users))
        return [one["word"].tolist() for one in found]

    assert asyncio.run(together()) == expected
    store._get_provider().online_store.backend(store.config).close()
