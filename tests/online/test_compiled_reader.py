"""The compiled reader gives what training sees and what Feast's clients get, for every type, as NumPy and as Arrow."""

import asyncio
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project
from storekeeper.errors import DataError, UsageError
from storekeeper.history.state import encode_events
from storekeeper.online.backends import PushedRow
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.reader import FeatureReader

VIEWS = """
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
names = ["big", "small", "price", "half", "flag", "word", "raw", "moment", "tags", "numbers"]
types = [Int64, Int32, Float64, Float32, Bool, String, Bytes, UnixTimestamp, Array(String), Array(Int64)]
latest = FeatureView(
    name="latest", entities=[user], source=log, ttl=timedelta(days=3),
    schema=[Field(name=name, dtype=dtype) for name, dtype in zip(names, types)],
)
made = [
    ("count", "", 7, Int64), ("sum", "big", 7, Int64), ("sum", "small", 7, Int64), ("max", "small", 7, Int32),
    ("mean", "price", 7, Float64), ("mean", "price", 9, Float32), ("min", "price", 7, Float64),
    ("first", "word", 7, String), ("last", "flag", 7, Bool), ("last", "at", 7, UnixTimestamp),
    ("last_n(2)", "word", 7, Array(String)), ("last_n(2)", "big", 7, Array(Int64)),
    ("last_n(3)", "price", 7, Array(Float64)), ("count_distinct", "word", 7, Int64),
    ("seconds_since_last", "", 7, Float64), ("last", "big", 7, Int64), ("std", "small", 7, Float64),
]
def recent(name, chosen):
    return StreamFeatureView(
        name=name, entities=[user], timestamp_field="at", source=PushSource(name=name + "_push", batch_source=log),
        schema=[Field(name=f"{name}_{i}", dtype=dtype) for i, (_, _, _, dtype) in chosen],
        aggregations=[
            Aggregation(function=function, column=column, time_window=timedelta(days=days), name=f"{name}_{i}")
            for i, (function, column, days, _) in chosen
        ],
    )
recent_plain = recent("plain", [(i, one) for i, one in enumerate(made) if one[3] != Int32])
recent_cast = recent("cast", [(i, one) for i, one in enumerate(made) if one[3] in (Int32, Float32, Int64)])
everyone = StreamFeatureView(
    name="everyone", entities=[], source=PushSource(name="everyone_push", batch_source=log), timestamp_field="at",
    schema=[Field(name="all_n", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="all_n")],
)
request = RequestSource(name="request", schema=[Field(name="offer", dtype=Float64), Field(name="asked", dtype=Int64)])


@on_demand_feature_view(
    sources=[request, latest[["big", "price"]]],
    schema=[Field(name="sum_of", dtype=Float64), Field(name="exact", dtype=Int64)],
)
def by_pandas(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"sum_of": inputs["price"] + inputs["offer"], "exact": inputs["big"]})


@on_demand_feature_view(
    sources=[request, latest[["word", "big"]]], mode="python",
    schema=[Field(name="louder", dtype=String), Field(name="next_big", dtype=Int64)],
)
def by_python(inputs: dict) -> dict:
    return {
        "louder": [word and word.upper() for word in inputs["word"]],
        "next_big": [None if big is None else big + asked for big, asked in zip(inputs["big"], inputs["asked"])],
    }


service = FeatureService(
    name="service", features=[latest, recent_plain, recent_cast, everyone, by_pandas, by_python],
)
only = FeatureService(name="only", features=[latest[["big", "word"]]])
shared = FeatureService(name="shared", features=[everyone])
"""
BIG = 2**53 + 1
DAY = timedelta(days=1)
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()), ("at", _TIME), ("known", _TIME), ("big", pa.int64()), ("small", pa.int32()),
        ("price", pa.float64()), ("half", pa.float32()), ("flag", pa.bool_()), ("word", pa.string()),
        ("raw", pa.binary()), ("moment", _TIME), ("tags", pa.list_(pa.string())), ("numbers", pa.list_(pa.int64())),
    ]
)  # fmt: skip
FEATURES = SCHEMA.names[3:]
#: Full, null in all features, expired, with a full and a null event, unseen, without a key.
USERS = [1, 2, 3, 4, 77, None]
CONTEXT = {"offer": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], "asked": [1, 2, 3, 4, 5, 6]}


def _row(user: int, happened: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "user_id": user, "at": happened, "known": happened, "big": BIG, "small": -7, "price": 0.1, "half": 0.1,
        "flag": True, "word": "ä", "raw": b"\x00\xff", "moment": NOW - DAY, "tags": ["a", ""], "numbers": [BIG, -1],
        **changes,
    }  # fmt: skip


NULLS: dict[str, Any] = dict.fromkeys(FEATURES)
ROWS = [
    _row(1, NOW - DAY), _row(1, NOW - 2 * DAY, word="older", small=3, price=2.25, big=5),
    _row(2, NOW - DAY, **NULLS), _row(3, NOW - 5 * DAY),
    _row(4, NOW - 2 * DAY, price=7.3, flag=False), _row(4, NOW - DAY, **NULLS),
]  # fmt: skip


def _fill(project: Project, code: str = VIEWS) -> Any:
    project.add_duckdb("log", pa.Table.from_pylist(ROWS, SCHEMA))
    store = project.apply(code)
    for view in store.all_feature_views():
        store.materialise_view(view)
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One materialised project for the tests that only read. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("compiled"))
    project.configure()
    return _fill(project)


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


def test_pushed_rows_are_read(tmp_path: Any) -> None:
    """A newer pushed row takes the state's place in a latest-value view, an older doesn't; one to come isn't seen."""
    project = Project(tmp_path)
    project.configure()
    store = _fill(project)
    state = _state(store, "latest")
    rows = [_row(1, NOW - DAY / 2, word="new"), _row(4, NOW - 3 * DAY, word="old"), _row(77, NOW - DAY, word="first")]
    store.write_to_online_store("latest", pa.Table.from_pylist(rows, SCHEMA).to_pandas())
    reader = FeatureReader(store, "only")
    assert reader.read({"user_id": [77, 4, None, 1, 1]})["word"].tolist() == ["first", None, None, "new", "new"]
    earlier = reader.read({"user_id": [1, 77]}, now=NOW - DAY * 3 / 4)
    assert earlier["word"].tolist() == ["ä", "first"]
    assert state.backend.count(state.name) == 4


def test_pushed_events_are_read(tmp_path: Any) -> None:
    """Events beside a windowed view's state count as they would in it."""
    project = Project(tmp_path)
    project.configure()
    store = _fill(project)
    state, events = _state(store, "plain"), pa.Table.from_pylist([_row(1, NOW - DAY / 3), _row(77, NOW - DAY)], SCHEMA)
    blobs = encode_events(events, state.layout(), event_time="at", known_time="known")
    keys, times = key_bytes(events.select(["user_id"])), events.column("at").cast(pa.int64()).to_pylist()
    slots = [bytes([place]) * 16 for place in range(len(blobs))]
    pushed = zip(keys, slots, times, times, blobs, strict=True)
    state.backend.push(state.name, [PushedRow(key, *rest) for key, *rest in pushed if key is not None])
    found = FeatureReader(store, "service").read({"user_id": [None, 77, 1, 2]}, {"offer": [1.0] * 4, "asked": [1] * 4})
    assert found["plain_0"].tolist() == [0, 1, 3, 1]
    assert found["plain_10"].tolist() == [[], ["ä"], ["ä", "ä"], []]


def _state(store: Any, name: str) -> Any:
    view = next(view for view in store.all_feature_views() if view.name == name)
    return store._get_provider().online_store.view_state(store.config, view)


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


MORE = VIEWS.replace('latest[["big", "word"]]', 'latest[["big", "word", "price"]]')
#: The service's own features stay what they were, but state is of another layout.
WIDER = VIEWS.replace("names = [", 'names = ["more", ').replace("types = [", "types = [Float64, ")


class Noticing(FeatureReader):
    """A reader that tells when it has looked at the registry."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.looked = threading.Event()
        super().__init__(*arguments, **options)

    def refresh(self) -> bool:
        """As the reader's."""
        changed = super().refresh()
        self.looked.set()
        return changed


def test_a_changed_definition_is_taken_up(tmp_path: Any) -> None:
    """A reader reads by its old plan until it has looked; then by the new."""
    project = Project(tmp_path)
    project.configure()
    store = _fill(project)
    reader = FeatureReader(store, "only", watch_seconds=None)
    before = reader.definition_hash
    project.apply(MORE)
    assert tuple(reader.read({"user_id": [1]})) == reader.features == ("big", "word")
    assert (reader.refresh(), reader.refresh()) == (True, False)
    assert tuple(reader.read({"user_id": [1]})) == reader.features == ("big", "word", "price")
    assert reader.definition_hash != before
    assert reader.stale_reason is None


def test_state_of_a_new_definition_is_news(tmp_path: Any) -> None:
    """State that the plan can't read makes the reader look at once, in the background, whatever its period."""
    project = Project(tmp_path)
    project.configure()
    reader = Noticing(_fill(project), "only", watch_seconds=10**6)
    hashes = [reader.definition_hash]
    wider = SCHEMA.append(pa.field("more", pa.float64()))
    project.add_duckdb("log", pa.Table.from_pylist([{**row, "more": 1.0} for row in ROWS], wider))
    store = project.apply(WIDER)
    for view in store.all_feature_views():
        store.materialise_view(view)
    with pytest.raises(DataError, match="another definition"):
        reader.read({"user_id": [1]})
    assert reader.looked.wait(60)
    assert reader.read({"user_id": [1]})["word"].tolist() == ["ä"]
    assert hashes == [reader.definition_hash]
    reader.close()


def test_a_period_later_the_registry_is_looked_at(tmp_path: Any) -> None:
    """Nobody has to ask: a change is taken up when the period is over."""
    project = Project(tmp_path)
    project.configure()
    reader = Noticing(_fill(project), "only", watch_seconds=0.01)
    project.apply(MORE)
    reader.read({"user_id": [1]})
    while reader.features != ("big", "word", "price"):
        assert reader.looked.wait(60)
        reader.looked.clear()
    reader.close()


def test_a_dropped_service_is_read_on(tmp_path: Any) -> None:
    """The old plan goes on, and the reader says why; once the service is there again, it says so too."""
    project = Project(tmp_path)
    project.configure()
    reader = FeatureReader(_fill(project), "only", watch_seconds=None)
    project.apply(VIEWS.replace('only = FeatureService(name="only"', 'only = FeatureService(name="renamed"'))
    assert reader.refresh() is False
    assert "only" in str(reader.stale_reason)
    assert reader.read({"user_id": [1]})["word"].tolist() == ["ä"]
    project.apply(VIEWS)
    assert (reader.refresh(), reader.stale_reason) == (False, None)
