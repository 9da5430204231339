"""Online features through Feast's own calls: what a client reads, of every type and kind of view."""

import asyncio
from typing import Any

import pandas as pd
import pytest

from online.typed_log import BIG, DAY, LATEST, NULLS, field_statuses, fill, log_row, read_online
from projects import NOW, Project
from storekeeper.errors import DataError, UsageError


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One materialised project for the tests that only read. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("online"))
    made.configure()
    rows = [
        log_row(1, NOW - DAY),
        log_row(1, NOW - 2 * DAY, price=3.0),
        log_row(2, NOW - DAY, **NULLS),
        log_row(None, NOW - DAY),
    ]
    store = fill(made, *rows)
    for view in store.all_feature_views():
        store.materialise_view(view)
    return made


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()


def test_every_type_reaches_a_feast_client(store: Any) -> None:
    """Integers beyond 2^53, text, floats, booleans, lists, bytes and timestamps come as declared."""
    found = read_online(store, [f"latest:{name}" for name in [*LATEST, "moment"]], [{"user_id": 1}])
    row = log_row(1, NOW)
    assert {name: found[name] for name in LATEST} == {name: [row[name]] for name in LATEST}
    assert found["moment"] == [NOW - DAY]


def test_null_features_are_null(store: Any) -> None:
    """A row of nulls reads as nulls, of every type."""
    found = read_online(store, [f"latest:{name}" for name in [*LATEST, "moment"]], [{"user_id": 2}])
    assert {name: values for name, values in found.items() if values != [None]} == {"user_id": [2]}


def test_windows_reach_a_feast_client(store: Any) -> None:
    """Windowed features, lists among them, are computed at the clock's now."""
    names = ["n", "total", "words", "average", "newest", "any"]
    found = read_online(store, [f"activity:{name}" for name in names], [{"user_id": user} for user in (1, 2, 77)])
    assert found["n"] == [2, 1, 0]
    assert found["total"] == [2 * BIG, 0, 0]
    assert found["words"] == [["ä", "ä"], [], []]
    assert found["average"] == [2.5, None, None]
    assert found["newest"] == [NOW - DAY, NOW - DAY, None]
    assert found["any"] == [False, None, None]


def test_unseen_entities_and_their_places(store: Any) -> None:
    """Unseen entities are null or empty (rule 11); repeated and unsorted ones keep their places."""
    found = read_online(store, ["latest:word", "activity:n"], [{"user_id": user} for user in (77, 1, 77, 2, 1)])
    assert found["word"] == [None, "ä", None, None, "ä"]
    assert found["n"] == [0, 2, 0, 1, 2]


def test_composite_keys_do_not_cross(store: Any) -> None:
    """(1, '23') is not (12, '3') (rule 13)."""
    rows = [{"user_id": u, "other": o} for u, o in [(12, "3"), (1, "23"), (1, "3"), (1, "1")]]
    assert read_online(store, ["both:tag"], rows)["tag"] == ["12|3", "1|23", None, "1|1"]


def test_views_without_entities(store: Any) -> None:
    """A view about everyone has one state, online and offline."""
    found = read_online(store, ["everyone:all_n", "today:weather", "activity:n"], [{"user_id": 1}, {"user_id": 77}])
    assert (found["all_n"], found["weather"], found["n"]) == ([4, 4], ["sun", "sun"], [2, 0])
    spine = pd.DataFrame({"event_timestamp": [NOW, NOW - DAY]})
    frame = store.get_historical_features(entity_df=spine, features=["everyone:all_n", "today:weather"]).to_df()
    assert frame[["all_n", "weather"]].to_numpy().tolist() == [[4, "sun"], [1, "sun"]]


def test_on_demand_features_and_services(store: Any) -> None:
    """A whole service with request data; the transformation sees what the request brought."""
    rows = [{"user_id": 1, "price": 5.0}, {"user_id": 77, "price": 5.0}]
    found = read_online(store, store.get_feature_service("service"), rows)
    assert found["ratio"][0] == 2.0
    assert found["ratio"][1] is None or pd.isna(found["ratio"][1])
    assert found["weather"] == ["sun", "sun"]


def test_full_names_aliases_and_key_maps(store: Any) -> None:
    """Full feature names, and one view under two names and keys."""
    assert set(read_online(store, ["latest:x_y"], [{"user_id": 1}], full_feature_names=True)) == {
        "user_id",
        "latest__x_y",
    }
    found = read_online(
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
    online = read_online(store, features, [{"user_id": user} for user in (1, 2, 77)])
    assert {name: online[name] for name in names} == offline.to_arrow().select(names).to_pydict()


def test_keys_of_another_type_are_errors(store: Any) -> None:
    """A key that is none is an error, not an unseen entity (rule 14)."""
    with pytest.raises((DataError, TypeError, ValueError)):
        read_online(store, ["latest:word"], [{"user_id": "x"}])


def test_windowed_values_cannot_be_written(store: Any) -> None:
    """Feature values of a windowed view are refused: its state is made of events."""
    frame = pd.DataFrame({"user_id": [1], "at": [NOW], "n": [5]})
    with pytest.raises((UsageError, KeyError)):
        store.write_to_online_store("activity", frame)


def test_unseen_is_not_found(store: Any) -> None:
    """Feast's clients learn whether a row was seen, and when it happened; windows know every entity, as of now."""
    rows = [{"user_id": user} for user in (1, 2, 77)]
    found = store.get_online_features(features=["latest:word", "activity:n"], entity_rows=rows)
    statuses = field_statuses(found)
    # Feast calls a null value of a row that was seen NULL_VALUE or PRESENT, by release.
    assert [status == "NOT_FOUND" for status in statuses["word"]] == [False, False, True]
    assert statuses["n"] == ["PRESENT"] * 3
    times = dict(zip(found.proto.metadata.feature_names.val, found.proto.results, strict=True))
    moments = {name: [time.seconds for time in vector.event_timestamps] for name, vector in times.items()}
    day_ago, now = int((NOW - DAY).timestamp()), int(NOW.timestamp())
    assert moments["word"] == [day_ago, day_ago, 0]
    assert moments["n"] == [now] * 3


def test_reading_asynchronously(store: Any) -> None:
    """Feast's asynchronous call gives what the other gives, null keys included."""
    features, rows = ["latest:word", "activity:n"], [{"user_id": user} for user in (1, 77, None, 1)]
    found = asyncio.run(store.get_online_features_async(features=features, entity_rows=rows))
    expected = store.get_online_features(features=features, entity_rows=rows)
    assert found.to_dict() == expected.to_dict()
    assert found.to_dict()["n"][2] == 0
    assert field_statuses(found) == field_statuses(expected)
    assert store._get_provider().async_supported.online.read


def test_unknown_features_are_feasts_error(store: Any) -> None:
    """A feature that isn't there is an error that names it."""
    with pytest.raises(Exception, match="nope"):
        read_online(store, ["latest:nope"], [{"user_id": 1}])
