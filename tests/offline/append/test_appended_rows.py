"""Appended rows are seen beside the old ones, exactly, at their time and by their column's name."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from offline.append.every_history import SOURCES, append, ask, new_row
from projects import NOW, Project, at


@pytest.mark.parametrize("source", SOURCES)
def test_appended_rows_are_seen_beside_the_old(store: Any, source: str) -> None:
    """New rows of an old and of a new entity count at their time, and the past is as it was."""
    told: list[int] = []
    append(store, source, [new_row(1, "2020-02-03", 2), new_row(3, "2020-02-04", None)], told.append)
    assert told == [2]
    assert ask(store, source, [1, 2, 3], "2020-02-10") == [(2, "new", 2, 7), (7, "old", 1, 7), (None, "new", 1, 0)]
    assert ask(store, source, [1, 3], "2020-02-02") == [(5, "old", 1, 5), (None, None, 0, 0)]


@pytest.mark.parametrize("source", SOURCES)
def test_rows_appended_twice_are_two_rows(store: Any, source: str) -> None:
    """An append is no upsert: the same event again is another event."""
    for _ in range(2):
        append(store, source, [new_row(1, "2020-02-03", 2)])
    assert ask(store, source, [1], "2020-02-10") == [(2, "new", 3, 9)]


@pytest.mark.parametrize("source", SOURCES)
def test_without_a_knowledge_time_rows_are_known_from_now_on(store: Any, source: str) -> None:
    """A late row that comes without one gets the clock's now: what asks earlier doesn't see it (rule 6)."""
    late = new_row(1, "2020-02-03", 2)
    del late["known"]
    append(store, source, [late])
    moment = NOW.isoformat()[:10]
    assert ask(store, source, [1], "2020-02-29", filter_by_created_timestamp=True) == [(5, "old", 1, 5)]
    assert ask(store, source, [1], moment, filter_by_created_timestamp=True) == [(2, "new", 2, 7)]
    assert ask(store, source, [1], "2020-02-29") == [(2, "new", 2, 7)]


@pytest.mark.parametrize("source", ["plain", "folder"])
def test_a_correction_wins_the_tie(store: Any, source: str) -> None:
    """Of equal event times the row appended later is the current one (rule 4), though a folder's parts tie by name."""
    for number in range(1, 4):
        row = new_row(1, "2020-02-01", number, f"correction {number}", known=at("2020-02-01"))
        append(store, source, [row if source == "folder" else {k: v for k, v in row.items() if k != "known"}])
        assert ask(store, source, [1], "2020-02-02")[0][:2] == (number, f"correction {number}")


def test_columns_go_by_name_in_any_order(store: Any) -> None:
    """Order is free; a source with mapped columns takes the mapped names and its own."""
    row = dict(reversed(new_row(3, "2020-02-03", 4).items()))
    append(store, "duckdb", [row])
    own = {"user_id": "u", "at": "t", "known": "k", "cents": "c", "share": "p", "word": "w"}
    append(store, "mapped", [{own[name]: value for name, value in row.items()}])
    for source in ("duckdb", "mapped"):
        assert ask(store, source, [3], "2020-02-10") == [(4, "new", 1, 4)]


@pytest.mark.parametrize("source", SOURCES)
def test_times_are_utc_microseconds(store: Any, source: str) -> None:
    """Any zone, unit or ISO text is the same instant; naive means UTC; nanoseconds are cut off (rule 1)."""
    moments = pd.to_datetime(["2020-02-03T10:00:00.123456789", "2020-02-03T11:00"], format="ISO8601")
    frame = pd.DataFrame([new_row(3, "2020-02-03"), new_row(3, "2020-02-03")])
    for column in (moments, moments.tz_localize("UTC").tz_convert("Asia/Tokyo"), moments.astype(str) + "+00:00"):
        append(store, source, pa.Table.from_pandas(frame.assign(at=column)))
    asks = ["2020-02-03T10:00:00.123456", "2020-02-03T10:00:00.123457", "2020-02-03T11:00:00.000001"]
    assert [ask(store, source, [3], moment)[0][2] for moment in asks] == [0, 3, 6]


def test_floats_that_hold_integers_are_integers(store: Any) -> None:
    """Pandas makes floats of integers beside nulls; whole ones fit, and so do float32's own values."""
    frame = pd.DataFrame([new_row(3, "2020-02-03", 4), new_row(3, "2020-02-04", None)])
    assert frame["cents"].dtype == "float64"
    append(store, "duckdb", pa.Table.from_pandas(frame))
    assert ask(store, "duckdb", [3], "2020-02-10") == [(None, "new", 2, 4)]


@pytest.mark.parametrize("source", SOURCES)
def test_null_keys_are_kept_and_match_nothing(store: Any, source: str) -> None:
    """A row about nobody is recorded, and changes nobody's features (rule 13)."""
    append(store, source, [new_row(None, "2020-02-03", 9)])
    assert ask(store, source, [1, 2], "2020-02-10") == [(5, "old", 1, 5), (7, "old", 1, 7)]


def test_rows_find_their_hive_partitions(store: Any, project: Project) -> None:
    """Each row goes to the folder of its value, known or new, escaped or null; old parts stay."""
    words = ["old", "a/b=c", None, "old"]
    append(store, "hive", [new_row(3, f"2020-02-0{day + 3}", day, word) for day, word in enumerate(words)])
    folder = project.root / "data" / "hive"
    found = sorted(str(path.parent.relative_to(folder)) for path in folder.rglob("*.parquet"))
    assert found == ["word=__HIVE_DEFAULT_PARTITION__", "word=a%2Fb%3Dc", "word=old", "word=old"]
    assert [ask(store, "hive", [3], f"2020-02-0{day + 3}")[0][1] for day in range(4)] == words
    assert ask(store, "hive", [3], "2020-02-10") == [(3, "old", 4, 6)]


def test_what_was_appended_is_materialised(store: Any) -> None:
    """The next full materialisation serves it: it says that it was known before the last one, which didn't see it."""
    views = ["duckdb_latest", "duckdb_windows"]
    store.materialize(at("2020-02-01"), NOW, feature_views=views)
    append(store, "duckdb", [new_row(1, "2020-02-01T12:00:00", 2, known=at("2020-02-20"))])
    store.materialize(at("2020-02-01"), NOW, feature_views=views)
    features = ["duckdb_latest:word", "duckdb_windows:n"]
    found = store.get_online_features(features=features, entity_rows=[{"user_id": 1}]).to_dict()
    assert (found["word"], found["n"]) == (["new"], [2])
