"""Online features through Feast's own calls: written, read, expired, corrected, never from the future."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import feast
import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project
from storekeeper.errors import DataError, SourceError, UsageError
from storekeeper.online.backends import Asked

VIEWS = """
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
activity = StreamFeatureView(
    name="activity", entities=[user], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[
        Field(name="n", dtype=Int64), Field(name="total", dtype=Int64), Field(name="words", dtype=Array(String)),
        Field(name="average", dtype=Float64), Field(name="newest", dtype=UnixTimestamp), Field(name="any", dtype=Bool),
    ],
    aggregations=[
        Aggregation(function="count", time_window=timedelta(days=7), name="n"),
        Aggregation(column="big", function="sum", time_window=timedelta(days=7), name="total"),
        Aggregation(column="word", function="last_n(3)", name="words"),
        Aggregation(column="price", function="mean", time_window=timedelta(days=7), name="average"),
        Aggregation(column="at", function="max", name="newest"),
        Aggregation(column="flag", function="last", name="any"),
    ],
)
latest = FeatureView(
    name="latest", entities=[user], source=log, ttl=timedelta(days=3),
    schema=[
        Field(name="big", dtype=Int64), Field(name="word", dtype=String), Field(name="x_y", dtype=Float64),
        Field(name="flag", dtype=Bool), Field(name="tags", dtype=Array(String)),
        Field(name="numbers", dtype=Array(Int64)), Field(name="small", dtype=Int32),
        Field(name="half", dtype=Float32), Field(name="raw", dtype=Bytes), Field(name="moment", dtype=UnixTimestamp),
    ],
)
pair = Entity(name="pair", join_keys=["other"], value_type=ValueType.STRING)
both = FeatureView(
    name="both", entities=[user, pair], schema=[Field(name="tag", dtype=String)],
    source=DuckDBSource(name="pairs", database="data/behaviour.duckdb", table="pairs", timestamp_field="at"),
)
everyone = StreamFeatureView(
    name="everyone", entities=[], source=PushSource(name="push_all", batch_source=log), timestamp_field="at",
    schema=[Field(name="all_n", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="all_n")],
)
today = FeatureView(
    name="today", entities=[], ttl=timedelta(0), schema=[Field(name="weather", dtype=String)],
    source=DuckDBSource(name="weather", database="data/behaviour.duckdb", table="weather", timestamp_field="at"),
)
request = RequestSource(name="request", schema=[Field(name="price", dtype=Float64)])


@on_demand_feature_view(sources=[request, activity[["average"]]], schema=[Field(name="ratio", dtype=Float64)])
def ratios(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"ratio": inputs["price"] / inputs["average"].astype("float64")})


service = FeatureService(name="service", features=[activity, latest, ratios, today, everyone])
mapped = FeatureService(
    name="mapped",
    features=[
        latest[["word"]].with_name("buyer").with_join_key_map({"user_id": "buyer_id"}),
        latest[["word"]].with_name("seller").with_join_key_map({"user_id": "seller_id"}),
    ],
)
"""
BIG = 2**53 + 1
DAY = timedelta(days=1)


def _row(user: int | None, happened: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "user_id": user, "at": happened, "known": None, "big": BIG, "word": "ä", "x_y": 0.1, "price": 2.0,
        "flag": False, "tags": ["a", ""], "numbers": [BIG, -1], "small": -(2**31), "half": 0.5, "raw": b"\x00\xff",
        "moment": NOW - DAY, **changes,
    }  # fmt: skip


_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()), ("at", _TIME), ("known", _TIME), ("big", pa.int64()), ("word", pa.string()),
        ("x_y", pa.float64()), ("price", pa.float64()), ("flag", pa.bool_()), ("tags", pa.list_(pa.string())),
        ("numbers", pa.list_(pa.int64())), ("small", pa.int32()), ("half", pa.float32()), ("raw", pa.binary()),
        ("moment", _TIME),
    ]
)  # fmt: skip
NULLS = dict.fromkeys(["big", "word", "x_y", "price", "flag", "tags", "numbers", "small", "half", "raw", "moment"])


def _log(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


def _fill(project: Project, *rows: dict[str, Any]) -> Any:
    project.add_duckdb("log", _log(*rows))
    pairs = [(1, "23", "1|23"), (12, "3", "12|3"), (1, "1", "1|1")]
    project.add_duckdb("pairs", [{"user_id": u, "other": o, "at": NOW - DAY, "tag": t} for u, o, t in pairs])
    project.add_duckdb("weather", [{"at": NOW - DAY, "weather": "sun"}, {"at": NOW - 2 * DAY, "weather": "rain"}])
    return project.apply(VIEWS)


def _read(store: Any, features: Any, rows: list[dict[str, Any]], **options: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = store.get_online_features(features=features, entity_rows=rows, **options).to_dict()
    return found


def _set_clock(project: Project, moment: datetime) -> Any:
    project.configure(clock=moment.isoformat())
    return project.open()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One materialised project for the tests that only read. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("online"))
    made.configure()
    rows = [_row(1, NOW - DAY), _row(1, NOW - 2 * DAY, price=3.0), _row(2, NOW - DAY, **NULLS), _row(None, NOW - DAY)]
    store = _fill(made, *rows)
    for view in store.all_feature_views():
        store.materialise_view(view)
    return made


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()


LATEST = ["big", "word", "x_y", "flag", "tags", "numbers", "small", "half", "raw"]


def test_every_type_reaches_a_feast_client(store: Any) -> None:
    """Integers beyond 2^53, text, floats, booleans, lists, bytes and timestamps come as declared."""
    found = _read(store, [f"latest:{name}" for name in [*LATEST, "moment"]], [{"user_id": 1}])
    row = _row(1, NOW)
    assert {name: found[name] for name in LATEST} == {name: [row[name]] for name in LATEST}
    assert found["moment"] == [NOW - DAY]


def test_null_features_are_null(store: Any) -> None:
    """A row of nulls reads as nulls, of every type."""
    found = _read(store, [f"latest:{name}" for name in [*LATEST, "moment"]], [{"user_id": 2}])
    assert {name: values for name, values in found.items() if values != [None]} == {"user_id": [2]}


def test_windows_reach_a_feast_client(store: Any) -> None:
    """Windowed features, lists among them, are computed at the clock's now."""
    names = ["n", "total", "words", "average", "newest", "any"]
    found = _read(store, [f"activity:{name}" for name in names], [{"user_id": user} for user in (1, 2, 77)])
    assert found["n"] == [2, 1, 0]
    assert found["total"] == [2 * BIG, 0, 0]
    assert found["words"] == [["ä", "ä"], [], []]
    assert found["average"] == [2.5, None, None]
    assert found["newest"] == [NOW - DAY, NOW - DAY, None]
    assert found["any"] == [False, None, None]


def test_unseen_entities_and_their_places(store: Any) -> None:
    """Unseen entities are null or empty (rule 11); repeated and unsorted ones keep their places."""
    found = _read(store, ["latest:word", "activity:n"], [{"user_id": user} for user in (77, 1, 77, 2, 1)])
    assert found["word"] == [None, "ä", None, None, "ä"]
    assert found["n"] == [0, 2, 0, 1, 2]


def test_composite_keys_do_not_cross(store: Any) -> None:
    """(1, '23') is not (12, '3') (rule 13)."""
    rows = [{"user_id": u, "other": o} for u, o in [(12, "3"), (1, "23"), (1, "3"), (1, "1")]]
    assert _read(store, ["both:tag"], rows)["tag"] == ["12|3", "1|23", None, "1|1"]


def test_views_without_entities(store: Any) -> None:
    """A view about everyone has one state, online and offline."""
    found = _read(store, ["everyone:all_n", "today:weather", "activity:n"], [{"user_id": 1}, {"user_id": 77}])
    assert (found["all_n"], found["weather"], found["n"]) == ([4, 4], ["sun", "sun"], [2, 0])
    spine = pd.DataFrame({"event_timestamp": [NOW, NOW - DAY]})
    frame = store.get_historical_features(entity_df=spine, features=["everyone:all_n", "today:weather"]).to_df()
    assert frame[["all_n", "weather"]].to_numpy().tolist() == [[4, "sun"], [1, "sun"]]


def test_on_demand_features_and_services(store: Any) -> None:
    """A whole service with request data; the transformation sees what the request brought."""
    rows = [{"user_id": 1, "price": 5.0}, {"user_id": 77, "price": 5.0}]
    found = _read(store, store.get_feature_service("service"), rows)
    assert found["ratio"][0] == 2.0
    assert found["ratio"][1] is None or pd.isna(found["ratio"][1])
    assert found["weather"] == ["sun", "sun"]


def test_full_names_aliases_and_key_maps(store: Any) -> None:
    """Full feature names, and one view under two names and keys."""
    assert set(_read(store, ["latest:x_y"], [{"user_id": 1}], full_feature_names=True)) == {"user_id", "latest__x_y"}
    found = _read(
        store, store.get_feature_service("mapped"), [{"buyer_id": 1, "seller_id": 2}, {"buyer_id": 77, "seller_id": 1}],
        full_feature_names=True,
    )  # fmt: skip
    assert found["buyer__word"] == ["ä", None]
    assert found["seller__word"] == [None, "ä"]


def test_online_is_offline_at_now(store: Any) -> None:
    """What is served is what would have been trained on, at the very same instant."""
    features = [
        *(f"latest:{name}" for name in LATEST),
        "activity:n",
        "activity:total",
        "activity:words",
        "activity:average",
    ]
    names = [feature.split(":")[1] for feature in features]
    spine = pd.DataFrame({"user_id": [1, 2, 77], "event_timestamp": [NOW] * 3})
    offline = store.get_historical_features(entity_df=spine, features=features, filter_by_created_timestamp=True)
    online = _read(store, features, [{"user_id": user} for user in (1, 2, 77)])
    assert {name: online[name] for name in names} == offline.to_arrow().select(names).to_pydict()


def test_keys_of_another_type_are_errors(store: Any) -> None:
    """A key that is none is an error, not an unseen entity (rule 14)."""
    with pytest.raises((DataError, TypeError, ValueError)):
        _read(store, ["latest:word"], [{"user_id": "x"}])


def test_windowed_values_cannot_be_written(store: Any) -> None:
    """Feature values of a windowed view are refused: its state is made of events."""
    frame = pd.DataFrame({"user_id": [1], "at": [NOW], "n": [5]})
    with pytest.raises((UsageError, KeyError)):
        store.write_to_online_store("activity", frame)


def _statuses(found: Any) -> dict[str, list[str]]:
    from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

    names = found.proto.metadata.feature_names.val
    return {
        name: [FieldStatus.Name(status) for status in vector.statuses]
        for name, vector in zip(names, found.proto.results, strict=True)
    }


def test_unseen_is_not_found(store: Any) -> None:
    """Feast's clients learn whether a row was seen, and when it happened; windows know every entity, as of now."""
    rows = [{"user_id": user} for user in (1, 2, 77)]
    found = store.get_online_features(features=["latest:word", "activity:n"], entity_rows=rows)
    statuses = _statuses(found)
    # Feast calls a null value of a row that was seen NULL_VALUE or PRESENT, by release.
    assert [status == "NOT_FOUND" for status in statuses["word"]] == [False, False, True]
    assert statuses["n"] == ["PRESENT"] * 3
    times = dict(zip(found.proto.metadata.feature_names.val, found.proto.results, strict=True))
    moments = {name: [time.seconds for time in vector.event_timestamps] for name, vector in times.items()}
    day_ago, now = int((NOW - DAY).timestamp()), int(NOW.timestamp())
    assert moments["word"] == [day_ago, day_ago, 0]
    assert moments["n"] == [now] * 3


def test_reading_asynchronously(store: Any) -> None:
    """Feast's asynchronous call gives what the other gives."""
    features, rows = ["latest:word", "activity:n"], [{"user_id": user} for user in (1, 77)]
    found = asyncio.run(store.get_online_features_async(features=features, entity_rows=rows))
    assert found.to_dict() == _read(store, features, rows)
    assert store._get_provider().async_supported.online.read


# Each of the following has a project of its own.


def test_expired_is_null(project: Project) -> None:
    """A row older than its ttl is null online too, though nothing was materialised again (rule 5)."""
    store = _fill(project, _row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    assert _read(store, ["latest:word"], [{"user_id": 1}])["word"] == ["ä"]
    assert _read(_set_clock(project, NOW + 2 * DAY), ["latest:word"], [{"user_id": 1}])["word"] == ["ä"]
    late = _set_clock(project, NOW + 2 * DAY + timedelta(microseconds=1))
    found = late.get_online_features(features=["latest:word"], entity_rows=[{"user_id": 1}])
    assert found.to_dict()["word"] == [None]
    assert _statuses(found)["word"] == ["NOT_FOUND"]


def test_windows_slide_without_materialising(project: Project) -> None:
    """As the clock goes on, events leave the window by themselves."""
    store = _fill(project, _row(1, NOW - DAY), _row(1, NOW - 6 * DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    assert _read(store, ["activity:n"], [{"user_id": 1}])["n"] == [2]
    hour, tick = timedelta(hours=1), timedelta(microseconds=1)
    for later, expected in [(DAY, 2), (DAY + hour - tick, 2), (DAY + hour, 1), (6 * DAY, 1), (6 * DAY + hour, 0)]:
        assert _read(_set_clock(project, NOW + later), ["activity:n"], [{"user_id": 1}])["n"] == [expected], later


def test_a_correction_wins(project: Project) -> None:
    """Same event time, known later: the correction is served (rule 4)."""
    rows = [_row(1, NOW - DAY, word="new", known=NOW - DAY / 2), _row(1, NOW - DAY, word="old", known=NOW - DAY)]
    store = _fill(project, *rows)
    store.materialize(NOW - 30 * DAY, NOW)
    assert _read(store, ["latest:word"], [{"user_id": 1}])["word"] == ["new"]


def test_an_older_window_does_not_win(project: Project) -> None:
    """Materialising an older interval again leaves the newer state."""
    store = _fill(project, _row(1, NOW - DAY, word="new"), _row(1, NOW - 2 * DAY, word="old"))
    store.materialize(NOW - 30 * DAY, NOW)
    store.materialize(NOW - 30 * DAY, NOW - 1.5 * DAY)
    found = _read(store, ["latest:word", "activity:n"], [{"user_id": 1}])
    assert (found["word"], found["n"]) == (["new"], [2])


def test_a_late_row_appears(project: Project) -> None:
    """A row that came late, behind the last materialisation, is there after the next incremental one."""
    store = _fill(project, _row(1, NOW - DAY, word="first"))
    store.materialize_incremental(NOW - DAY / 2)
    assert _read(store, ["activity:n"], [{"user_id": 1}])["n"] == [1]
    late = _row(2, NOW - 2 * DAY, word="late", known=NOW - DAY / 4)
    project.add_duckdb("log", _log(_row(1, NOW - DAY, word="first"), late))
    store.materialize_incremental(NOW)
    found = _read(store, ["latest:word", "activity:n"], [{"user_id": 1}, {"user_id": 2}])
    assert found["word"] == ["first", "late"]
    assert found["n"] == [1, 1]


def test_what_is_known_later_is_not_served(project: Project) -> None:
    """Rows known after the clock's now are invisible online, and rows that happen after it too (rule 6)."""
    tick = timedelta(microseconds=1)
    rows = [
        _row(1, NOW - DAY, word="known"), _row(1, NOW - DAY / 2, word="unknown", known=NOW + tick),
        _row(1, NOW + tick, word="future"),
    ]  # fmt: skip
    store = _fill(project, *rows)
    store.materialize(NOW - 30 * DAY, NOW + 30 * DAY)
    found = _read(store, ["latest:word", "activity:n"], [{"user_id": 1}])
    assert (found["word"], found["n"]) == (["known"], [1])


def test_a_clock_set_back_is_refused(project: Project) -> None:
    """State of a later time than now is an error; materialising at the earlier clock mends it."""
    store = _fill(project, _row(1, NOW - DAY, word="old"), _row(1, NOW - DAY / 2, word="new"))
    store.materialize(NOW - 30 * DAY, NOW)
    earlier = _set_clock(project, NOW - 0.75 * DAY)
    for feature in ("latest:word", "activity:n"):
        with pytest.raises(DataError, match="clock"):
            _read(earlier, [feature], [{"user_id": 1}])
    earlier.materialize(NOW - 30 * DAY, NOW)
    found = _read(earlier, ["latest:word", "activity:n"], [{"user_id": 1}])
    assert (found["word"], found["n"]) == (["old"], [1])


def test_written_rows_obey_time(project: Project) -> None:
    """Rows that Feast writes are served, unless a newer one is there; those of the future are refused."""
    store = _fill(project, _row(1, NOW - DAY, word="batch"))
    store.materialize(NOW - 30 * DAY, NOW)

    def write(word: str, moment: datetime, known: datetime | None = None) -> str | None:
        frame = _log(_row(1, moment, word=word, known=known)).to_pandas().drop(columns=["price"])
        store.write_to_online_store("latest", frame)
        found: str | None = _read(store, ["latest:word"], [{"user_id": 1}])["word"][0]
        return found

    assert write("newer", NOW - DAY / 2) == "newer"
    assert write("older", NOW - 2 * DAY) == "newer"
    assert write("corrected", NOW - DAY / 2, NOW - DAY / 4) == "corrected"
    assert write("uncorrected", NOW - DAY / 2, NOW - DAY / 3) == "corrected"
    with pytest.raises(DataError, match="in the future"):
        write("future", NOW + timedelta(seconds=1))
    assert _read(store, ["latest:word"], [{"user_id": 1}])["word"] == ["corrected"]


def test_written_rows_keep_every_type(project: Project) -> None:
    """What Feast writes row by row reads as what was materialised."""
    store = _fill(project, _row(1, NOW - DAY))
    for row in (_row(1, NOW - DAY), _row(2, NOW - DAY, **NULLS | {"word": "not all of it null"})):
        store.write_to_online_store("latest", _log(row).to_pandas().drop(columns=["price"]))
    features = [f"latest:{name}" for name in [*LATEST, "moment"]]
    written = _read(store, features, [{"user_id": 1}, {"user_id": 2}])
    store.materialize(NOW - 30 * DAY, NOW)
    assert written["big"][0] == _read(store, features, [{"user_id": 1}])["big"][0] == BIG
    materialised = _read(store, features, [{"user_id": 1}])
    assert {name: values[0] for name, values in written.items()} == {n: v[0] for n, v in materialised.items()}
    assert [name for name in LATEST if written[name][1] is not None] == ["word"]


def test_a_changed_definition_asks_for_materialisation(project: Project) -> None:
    """State of the old windows is refused after they changed, with what to do."""
    store = _fill(project, _row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    changed = project.apply(
        VIEWS.replace('time_window=timedelta(days=7), name="n"', 'time_window=timedelta(days=9), name="n"')
    )
    with pytest.raises(DataError, match=r"another definition.*storekeeper materialize"):
        _read(changed, ["activity:n"], [{"user_id": 1}])
    changed.materialize(NOW - 30 * DAY, NOW)
    assert _read(changed, ["activity:n"], [{"user_id": 1}])["n"] == [1]


def test_a_removed_view_is_forgotten(project: Project) -> None:
    """Applying a repo without a view drops its state; the others stay."""
    store = _fill(project, _row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    kept = VIEWS.split("pair = Entity")[0]
    again = project.apply(kept)
    assert _read(again, ["latest:word", "activity:n"], [{"user_id": 1}])["word"] == ["ä"]
    backend = again._get_provider().online_store.backend(again.config)
    assert backend.meta("small/both") is None
    assert backend.meta("small/latest") is not None


def test_unmaterialised_views_read_as_unseen(project: Project) -> None:
    """Before the first materialisation everybody is unseen (rule 11)."""
    store = _fill(project, _row(1, NOW - DAY))
    found = _read(store, ["latest:word", "activity:n", "activity:words"], [{"user_id": 1}])
    assert (found["word"], found["n"], found["words"]) == ([None], [0], [[]])


def test_an_empty_history_is_no_error(project: Project) -> None:
    """A source without rows materialises to nobody."""
    store = _fill(project)
    store.materialize(NOW - 30 * DAY, NOW)
    found = _read(store, ["latest:word", "activity:n", "everyone:all_n"], [{"user_id": 1}])
    assert (found["word"], found["n"], found["all_n"]) == ([None], [0], [0])


def test_a_failed_materialisation_leaves_the_state(project: Project) -> None:
    """When the source is gone, the error says so and the old state is served on."""
    store = _fill(project, _row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    (project.root / "data/behaviour.duckdb").unlink()
    with pytest.raises(SourceError, match="no DuckDB file"):
        store.materialize(NOW - 30 * DAY, NOW)
    assert _read(project.open(), ["latest:word", "activity:n"], [{"user_id": 1}])["n"] == [1]


def test_materialising_twice_gives_the_same_bytes(project: Project) -> None:
    """The same interval again ends in the same state."""
    store = _fill(project, *[_row(i % 3, NOW - timedelta(hours=i)) for i in range(30)])
    backend = store._get_provider().online_store.backend(store.config)

    def state() -> dict[str, list[bytes | None]]:
        store.materialize(NOW - 30 * DAY, NOW)
        views = [f"small/{view.name}" for view in store.all_feature_views()]
        return {view: backend.read([Asked(view, backend.keys(view))])[0].state for view in views}

    assert state() == state()


def test_plain_feast_does_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`feast.FeatureStore("feature_repo")` at the root materialises and reads, with no word of ours."""
    _fill(project, _row(1, NOW - DAY))
    monkeypatch.chdir(project.root)
    plain = feast.FeatureStore("feature_repo")
    plain.materialize(NOW - 30 * DAY, NOW)
    plain.materialize_incremental(NOW)
    assert _read(plain, ["latest:word", "activity:n"], [{"user_id": 1}]) == {"user_id": [1], "word": ["ä"], "n": [1]}
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [NOW]})
    assert plain.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()["n"].tolist() == [1]
    by_sql = f"SELECT 1 AS user_id, TIMESTAMP '{NOW.replace(tzinfo=None)}' AS event_timestamp"
    assert plain.get_historical_features(entity_df=by_sql, features=["activity:n"]).to_df()["n"].tolist() == [1]
    assert not (project.repo / "data").exists()


def test_unknown_features_are_feasts_error(store: Any) -> None:
    """A feature that isn't there is an error that names it."""
    with pytest.raises(Exception, match="nope"):
        _read(store, ["latest:nope"], [{"user_id": 1}])


def test_teardown_forgets_all_state(project: Project) -> None:
    """Tearing a project down drops the state of stream views too, and no other project's."""
    store = _fill(project, _row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    backend = store._get_provider().online_store.backend(store.config)
    backend.create("smaller/latest")
    assert len(backend.views()) == len(store.all_feature_views()) + 1
    feast.FeatureStore(str(project.repo)).teardown()
    assert backend.views() == ["smaller/latest"]
