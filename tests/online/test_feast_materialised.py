"""What Feast's calls materialise and write is served until it expires, is corrected or dropped; the future never is."""

from datetime import datetime, timedelta

import feast
import pandas as pd
import pytest

from online.typed_log import (
    BIG,
    DAY,
    LATEST,
    NULLS,
    VIEWS,
    field_statuses,
    fill,
    log_of,
    log_row,
    read_online,
    set_clock,
)
from projects import NOW, Project
from storekeeper.errors import DataError, SourceError
from storekeeper.online.backends import Asked


def test_expired_is_null(project: Project) -> None:
    """A row older than its ttl is null online too, though nothing was materialised again (rule 5)."""
    store = fill(project, log_row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    assert read_online(store, ["latest:word"], [{"user_id": 1}])["word"] == ["ä"]
    assert read_online(set_clock(project, NOW + 2 * DAY), ["latest:word"], [{"user_id": 1}])["word"] == ["ä"]
    late = set_clock(project, NOW + 2 * DAY + timedelta(microseconds=1))
    found = late.get_online_features(features=["latest:word"], entity_rows=[{"user_id": 1}])
    assert found.to_dict()["word"] == [None]
    assert field_statuses(found)["word"] == ["NOT_FOUND"]


def test_windows_slide_without_materialising(project: Project) -> None:
    """As the clock goes on, events leave the window by themselves."""
    store = fill(project, log_row(1, NOW - DAY), log_row(1, NOW - 6 * DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    assert read_online(store, ["activity:n"], [{"user_id": 1}])["n"] == [2]
    hour, tick = timedelta(hours=1), timedelta(microseconds=1)
    for later, expected in [(DAY, 2), (DAY + hour - tick, 2), (DAY + hour, 1), (6 * DAY, 1), (6 * DAY + hour, 0)]:
        assert read_online(set_clock(project, NOW + later), ["activity:n"], [{"user_id": 1}])["n"] == [expected], later


def test_a_correction_wins(project: Project) -> None:
    """Same event time, known later: the correction is served (rule 4)."""
    rows = [log_row(1, NOW - DAY, word="new", known=NOW - DAY / 2), log_row(1, NOW - DAY, word="old", known=NOW - DAY)]
    store = fill(project, *rows)
    store.materialize(NOW - 30 * DAY, NOW)
    assert read_online(store, ["latest:word"], [{"user_id": 1}])["word"] == ["new"]


def test_an_older_window_does_not_win(project: Project) -> None:
    """Materialising an older interval again leaves the newer state."""
    store = fill(project, log_row(1, NOW - DAY, word="new"), log_row(1, NOW - 2 * DAY, word="old"))
    store.materialize(NOW - 30 * DAY, NOW)
    store.materialize(NOW - 30 * DAY, NOW - 1.5 * DAY)
    found = read_online(store, ["latest:word", "activity:n"], [{"user_id": 1}])
    assert (found["word"], found["n"]) == (["new"], [2])


def test_a_late_row_appears(project: Project) -> None:
    """A row that came late, behind the last materialisation, is there after the next incremental one."""
    store = fill(project, log_row(1, NOW - DAY, word="first"))
    store.materialize_incremental(NOW - DAY / 2)
    assert read_online(store, ["activity:n"], [{"user_id": 1}])["n"] == [1]
    late = log_row(2, NOW - 2 * DAY, word="late", known=NOW - DAY / 4)
    project.add_duckdb("log", log_of(log_row(1, NOW - DAY, word="first"), late))
    store.materialize_incremental(NOW)
    found = read_online(store, ["latest:word", "activity:n"], [{"user_id": 1}, {"user_id": 2}])
    assert found["word"] == ["first", "late"]
    assert found["n"] == [1, 1]


def test_what_is_known_later_is_not_served(project: Project) -> None:
    """Rows known after the clock's now are invisible online, and rows that happen after it too (rule 6)."""
    tick = timedelta(microseconds=1)
    rows = [
        log_row(1, NOW - DAY, word="known"), log_row(1, NOW - DAY / 2, word="unknown", known=NOW + tick),
        log_row(1, NOW + tick, word="future"),
    ]  # fmt: skip
    store = fill(project, *rows)
    store.materialize(NOW - 30 * DAY, NOW + 30 * DAY)
    found = read_online(store, ["latest:word", "activity:n"], [{"user_id": 1}])
    assert (found["word"], found["n"]) == (["known"], [1])


def test_a_clock_set_back_is_refused(project: Project) -> None:
    """State of a later time than now is an error; materialising at the earlier clock mends it."""
    store = fill(project, log_row(1, NOW - DAY, word="old"), log_row(1, NOW - DAY / 2, word="new"))
    store.materialize(NOW - 30 * DAY, NOW)
    earlier = set_clock(project, NOW - 0.75 * DAY)
    for feature in ("latest:word", "activity:n"):
        with pytest.raises(DataError, match="clock"):
            read_online(earlier, [feature], [{"user_id": 1}])
    earlier.materialize(NOW - 30 * DAY, NOW)
    found = read_online(earlier, ["latest:word", "activity:n"], [{"user_id": 1}])
    assert (found["word"], found["n"]) == (["old"], [1])


def test_written_rows_obey_time(project: Project) -> None:
    """Rows that Feast writes are served, unless a newer one is there; those of the future are refused."""
    store = fill(project, log_row(1, NOW - DAY, word="batch"))
    store.materialize(NOW - 30 * DAY, NOW)

    def write(word: str, moment: datetime, known: datetime | None = None) -> str | None:
        frame = log_of(log_row(1, moment, word=word, known=known)).to_pandas().drop(columns=["price"])
        store.write_to_online_store("latest", frame)
        found: str | None = read_online(store, ["latest:word"], [{"user_id": 1}])["word"][0]
        return found

    assert write("newer", NOW - DAY / 2) == "newer"
    assert write("older", NOW - 2 * DAY) == "newer"
    assert write("corrected", NOW - DAY / 2, NOW - DAY / 4) == "corrected"
    assert write("uncorrected", NOW - DAY / 2, NOW - DAY / 3) == "corrected"
    with pytest.raises(DataError, match="in the future"):
        write("future", NOW + timedelta(seconds=1))
    assert read_online(store, ["latest:word"], [{"user_id": 1}])["word"] == ["corrected"]


def test_written_rows_keep_every_type(project: Project) -> None:
    """What Feast writes row by row reads as what was materialised."""
    store = fill(project, log_row(1, NOW - DAY))
    for row in (log_row(1, NOW - DAY), log_row(2, NOW - DAY, **NULLS | {"word": "not all of it null"})):
        store.write_to_online_store("latest", log_of(row).to_pandas().drop(columns=["price"]))
    features = [f"latest:{name}" for name in [*LATEST, "moment"]]
    written = read_online(store, features, [{"user_id": 1}, {"user_id": 2}])
    store.materialize(NOW - 30 * DAY, NOW)
    assert written["big"][0] == read_online(store, features, [{"user_id": 1}])["big"][0] == BIG
    materialised = read_online(store, features, [{"user_id": 1}])
    assert {name: values[0] for name, values in written.items()} == {n: v[0] for n, v in materialised.items()}
    assert [name for name in LATEST if written[name][1] is not None] == ["word"]


def test_a_changed_definition_asks_for_materialisation(project: Project) -> None:
    """State of the old windows is refused after they changed, with what to do."""
    store = fill(project, log_row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    changed = project.apply(
        VIEWS.replace('time_window=timedelta(days=7), name="n"', 'time_window=timedelta(days=9), name="n"')
    )
    with pytest.raises(DataError, match=r"another definition.*storekeeper materialize"):
        read_online(changed, ["activity:n"], [{"user_id": 1}])
    changed.materialize(NOW - 30 * DAY, NOW)
    assert read_online(changed, ["activity:n"], [{"user_id": 1}])["n"] == [1]


def test_a_removed_view_is_forgotten(project: Project) -> None:
    """Applying a repo without a view drops its state; the others stay."""
    store = fill(project, log_row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    kept = VIEWS.split("pair = Entity")[0]
    again = project.apply(kept)
    assert read_online(again, ["latest:word", "activity:n"], [{"user_id": 1}])["word"] == ["ä"]
    backend = again._get_provider().online_store.backend(again.config)
    assert backend.meta("small/both") is None
    assert backend.meta("small/latest") is not None


def test_unmaterialised_views_read_as_unseen(project: Project) -> None:
    """Before the first materialisation everybody is unseen (rule 11)."""
    store = fill(project, log_row(1, NOW - DAY))
    found = read_online(store, ["latest:word", "activity:n", "activity:words"], [{"user_id": 1}])
    assert (found["word"], found["n"], found["words"]) == ([None], [0], [[]])


def test_an_empty_history_is_no_error(project: Project) -> None:
    """A source without rows materialises to nobody."""
    store = fill(project)
    store.materialize(NOW - 30 * DAY, NOW)
    found = read_online(store, ["latest:word", "activity:n", "everyone:all_n"], [{"user_id": 1}])
    assert (found["word"], found["n"], found["all_n"]) == ([None], [0], [0])


def test_a_failed_materialisation_leaves_the_state(project: Project) -> None:
    """When the source is gone, the error says so and the old state is served on."""
    store = fill(project, log_row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    (project.root / "data/behaviour.duckdb").unlink()
    with pytest.raises(SourceError, match="no DuckDB file"):
        store.materialize(NOW - 30 * DAY, NOW)
    assert read_online(project.open(), ["latest:word", "activity:n"], [{"user_id": 1}])["n"] == [1]


def test_materialising_twice_gives_the_same_bytes(project: Project) -> None:
    """The same interval again ends in the same state."""
    store = fill(project, *[log_row(i % 3, NOW - timedelta(hours=i)) for i in range(30)])
    backend = store._get_provider().online_store.backend(store.config)

    def state() -> dict[str, list[bytes | None]]:
        store.materialize(NOW - 30 * DAY, NOW)
        views = [f"small/{view.name}" for view in store.all_feature_views()]
        return {view: backend.read([Asked(view, backend.keys(view))])[0].state for view in views}

    assert state() == state()


def test_plain_feast_does_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`feast.FeatureStore("feature_repo")` at the root materialises and reads, with no word of ours."""
    fill(project, log_row(1, NOW - DAY))
    monkeypatch.chdir(project.root)
    plain = feast.FeatureStore("feature_repo")
    plain.materialize(NOW - 30 * DAY, NOW)
    plain.materialize_incremental(NOW)
    assert read_online(plain, ["latest:word", "activity:n"], [{"user_id": 1}]) == {
        "user_id": [1],
        "word": ["ä"],
        "n": [1],
    }
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [NOW]})
    assert plain.get_historical_features(entity_df=spine, features=["activity:n"]).to_df()["n"].tolist() == [1]
    by_sql = f"SELECT 1 AS user_id, TIMESTAMP '{NOW.replace(tzinfo=None)}' AS event_timestamp"
    assert plain.get_historical_features(entity_df=by_sql, features=["activity:n"]).to_df()["n"].tolist() == [1]
    assert not (project.repo / "data").exists()


def test_teardown_forgets_all_state(project: Project) -> None:
    """Tearing a project down drops the state of stream views too, and no other project's."""
    store = fill(project, log_row(1, NOW - DAY))
    store.materialize(NOW - 30 * DAY, NOW)
    backend = store._get_provider().online_store.backend(store.config)
    backend.create("smaller/latest")
    assert len(backend.views()) == len(store.all_feature_views()) + 1
    feast.FeatureStore(str(project.repo)).teardown()
    assert backend.views() == ["smaller/latest"]
