"""An event that is pushed again isn't appended again, whatever became of it the first time."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from feast.data_source import PushMode

from offline.append.every_history import SOURCES, ask, new_row
from projects import Project, at
from storekeeper import push_history
from storekeeper.clock import CLOCK_VARIABLE
from storekeeper.errors import SourceError
from storekeeper.offline.store import HistoryOfflineStore
from storekeeper.push_report import PushReport
from storekeeper.sources.opened import OpenSource
from storekeeper.sources.request import ReadRequest

BOTH, OFFLINE = PushMode.ONLINE_AND_OFFLINE, PushMode.OFFLINE

NUMBERED = """
rows = DuckDBSource(
    name="rows", database="data/behaviour.duckdb", table="rows", timestamp_field="at", created_timestamp_column="known",
    tags={"event_id": "number"},
)
one = FeatureView(
    name="one", entities=[user], source=PushSource(name="one_push", batch_source=rows),
    schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String)],
)
"""

HOURLY = """
rows = DuckDBSource(
    name="rows", database="data/behaviour.duckdb", table="rows", timestamp_field="at", created_timestamp_column="known",
)
counted = StreamFeatureView(
    name="counted", entities=[user], source=PushSource(name="rows_push", batch_source=rows), timestamp_field="at",
    schema=[Field(name="n", dtype=Int64)],
    aggregations=[Aggregation(function="count", name="n", time_window=timedelta(hours=1))],
)
"""

EVERY_TYPE = """
typed = DuckDBSource(
    name="typed", database="data/behaviour.duckdb", table="typed", timestamp_field="at",
)
counted = StreamFeatureView(
    name="counted", entities=[user], source=PushSource(name="typed_push", batch_source=typed), timestamp_field="at",
    schema=[Field(name="n", dtype=Int64)], aggregations=[Aggregation(function="count", name="n")],
)
"""
TABLE = (
    'CREATE TABLE typed (user_id INTEGER, "at" TIMESTAMP_NS, price DECIMAL(10, 2), share FLOAT, day DATE, '
    "flag BOOLEAN, code UTINYINT, note VARCHAR, tags VARCHAR[], moment TIMESTAMPTZ)"
)


def _rows(project: Project, table: str = "rows") -> list[dict[str, Any]]:
    with duckdb.connect(str(project.root / "data" / "behaviour.duckdb")) as connection:
        rows: list[dict[str, Any]] = connection.sql(f'FROM "{table}"').to_arrow_table().to_pylist()
        return rows


@pytest.fixture
def numbered(project: Project) -> Any:
    """A store whose history has a column of event ids, and no rows."""
    row = {"user_id": 1, "number": 1} | {name: new_row(1, "2020-02-01")[name] for name in ("at", "known", "cents")}
    project.add_duckdb("rows", pa.Table.from_pylist([row | {"word": "old"}]).slice(0, 0))
    return project.apply(NUMBERED)


def _numbered(number: int | None, moment: str, cents: int = 1, word: str = "new") -> dict[str, Any]:
    row = {name: new_row(1, moment)[name] for name in ("user_id", "at", "known")}
    return {**row, "number": number, "cents": cents, "word": word}


@pytest.mark.parametrize("mode", [BOTH, OFFLINE], ids=["both", "offline"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_push_that_is_made_again_appends_nothing(store: Any, source: str, mode: PushMode) -> None:
    """In every kind of history: known by its content, whoever knew of it when."""
    frame = pd.DataFrame([new_row(1, "2020-02-03", 2), new_row(None, "2020-02-03", 9), new_row(2, "2020-02-04", 3)])
    frame = frame.dropna(subset=["user_id"])
    assert store.push(f"{source}_push", frame, to=mode) == PushReport(2, 0, appended=2)
    later = frame.assign(known=frame["known"] + timedelta(minutes=5))
    for again in (frame, later, later.drop(columns="known")):
        assert store.push(f"{source}_push", again, to=mode) == PushReport(0, 2)
    assert ask(store, source, [1, 2], "2020-02-10") == [(2, "new", 2, 7), (3, "new", 2, 10)]


@pytest.mark.parametrize("source", SOURCES)
def test_what_history_had_before_is_known(store: Any, source: str) -> None:
    """Rows that another job appended aren't appended by a push, to history alone or to both; the others are."""
    from offline.append.every_history import OLD

    frame = pd.concat([OLD.to_pandas(), pd.DataFrame([new_row(1, "2020-02-03", 2)])])
    assert store.push(f"{source}_push", frame, to=OFFLINE) == PushReport(1, 2, appended=1)
    assert store.push(f"{source}_push", frame, to=BOTH).appended == 0
    assert ask(store, source, [1, 2], "2020-02-10") == [(2, "new", 2, 7), (7, "old", 1, 7)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_push_that_failed_half_way_is_made_again(store: Any, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Online has the rows and history doesn't: the second push appends them, and the third one nothing."""
    frame = pd.DataFrame([new_row(1, "2020-02-03", 2), new_row(2, "2020-02-04", 3)])

    def fails(*_: Any) -> None:
        raise SourceError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(HistoryOfflineStore, "offline_write_batch", staticmethod(fails))
        with pytest.raises(SourceError, match="The disk is full"):
            store.push(f"{source}_push", frame, to=BOTH)
    assert store.push(f"{source}_push", frame, to=BOTH) == PushReport(0, 2, appended=2)
    assert store.push(f"{source}_push", frame, to=BOTH) == PushReport(0, 2)
    assert ask(store, source, [1, 2], "2020-02-10") == [(2, "new", 2, 7), (3, "new", 2, 10)]


def test_an_event_that_was_pushed_online_goes_into_history(store: Any) -> None:
    """What is no news online may be news to history."""
    first, second = (pd.DataFrame([new_row(1, f"2020-02-0{day}", day)]) for day in (3, 4))
    store.push("duckdb_push", first)
    assert store.push("duckdb_push", pd.concat([first, second]), to=BOTH) == PushReport(1, 1, appended=2)
    assert ask(store, "duckdb", [1], "2020-02-10") == [(4, "new", 3, 12)]


@pytest.mark.parametrize("mode", [BOTH, OFFLINE], ids=["both", "offline"])
def test_the_same_event_twice_in_one_push(store: Any, project: Project, mode: PushMode) -> None:
    """It is appended once, where it came first and as it was known first."""
    event, other = new_row(1, "2020-02-03", 2), new_row(2, "2020-02-03", 3)
    later, first = event | {"known": at("2020-02-05")}, event | {"known": at("2020-02-04")}
    report = store.push("duckdb_push", pd.DataFrame([later, other, first]), to=mode)
    assert report == PushReport(2, 1, appended=2)
    appended = _rows(project)[-2:]
    assert [(row["user_id"], row["known"]) for row in appended] == [(1, at("2020-02-04")), (2, at("2020-02-03"))]


def test_a_declared_id_is_the_event(numbered: Any, project: Project) -> None:
    """Two rows with one id are one event, whatever they say; two rows that say the same are two, by their ids."""
    rows = [_numbered(1, "2020-02-03"), _numbered(2, "2020-02-03")]
    assert numbered.push("one_push", pd.DataFrame(rows), to=BOTH).appended == 2
    changed = [_numbered(1, "2020-02-03", 5), _numbered(3, "2020-02-03"), _numbered(2, "2020-02-03", word="other")]
    for mode in (OFFLINE, BOTH):
        numbered.push("one_push", pd.DataFrame(changed), to=mode)
    assert [(row["number"], row["cents"], row["word"]) for row in _rows(project)] == [
        (1, 1, "new"), (2, 1, "new"), (3, 1, "new"),
    ]  # fmt: skip


def test_an_event_without_its_id_is_its_content(numbered: Any, project: Project) -> None:
    """As it is online."""
    rows = pd.DataFrame([_numbered(None, "2020-02-03", cents) for cents in (1, 2)]).astype({"number": "Int64"})
    for mode in (BOTH, BOTH, OFFLINE):
        numbered.push("one_push", rows, to=mode)
    assert [(row["number"], row["cents"]) for row in _rows(project)] == [(None, 1), (None, 2)]


@pytest.mark.parametrize("most_keys", [10_000, 1], ids=["by key", "by time"])
def test_only_what_may_be_the_rows_is_read(
    store: Any, project: Project, monkeypatch: pytest.MonkeyPatch, most_keys: int
) -> None:
    """Rows are looked for in their time range and, where keys are few, among their keys."""
    monkeypatch.setattr(push_history, "_MOST_KEYS", most_keys)
    asked: list[ReadRequest] = []
    plain: Callable[..., Any] = OpenSource.batches
    monkeypatch.setattr(OpenSource, "batches", lambda self, request: asked.append(request) or plain(self, request))
    frame = pd.DataFrame([new_row(user, f"2020-02-29T0{user}", 2) for user in (1, 2)])
    store.push("duckdb_push", frame, to=BOTH)
    assert store.push("duckdb_push", frame, to=BOTH) == PushReport(0, 2)
    first, request = asked
    assert (first.start, first.end) == (request.start, request.end)
    assert (request.start, request.end) == (at("2020-02-29T01"), at("2020-02-29T02"))
    assert "known" not in request.columns
    keys = None if request.keys is None else sorted(request.keys["user_id"].to_pylist())
    assert keys == ([1, 2] if most_keys > 1 else None)


def test_what_online_may_have_forgotten_is_looked_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry after the horizon, or of what no window reaches any more, is new online, and history has it once."""
    row = {"user_id": 1, "at": at("2020-03-01"), "known": at("2020-03-01"), "cents": 2}
    project.add_duckdb("rows", pa.Table.from_pylist([row]).slice(0, 0))
    store = project.apply(HOURLY)
    for moment, days in (("2020-03-01", 3), ("2020-03-10", 0)):
        monkeypatch.setenv(CLOCK_VARIABLE, f"{moment}T12:00:00Z")
        rows = pd.DataFrame([row | {"at": at(moment)}]).drop(columns="known")
        assert store.push("rows_push", rows, to=BOTH) == PushReport(1, 0, appended=1)
        monkeypatch.setenv(CLOCK_VARIABLE, f"{at(moment) + timedelta(days=days, hours=14):%Y-%m-%dT%H:%M:%SZ}")
        for view in store.all_feature_views():
            store.materialise_view(view)
        assert store.push("rows_push", rows, to=BOTH) == PushReport(1, 0, appended=0)


def test_every_type_of_a_history_is_compared_as_it_is_kept(project: Project) -> None:
    """Decimals, days, small floats, lists and instants: what was appended is found again, and what differs isn't."""
    with duckdb.connect(str(project.root / "data" / "behaviour.duckdb")) as connection:
        connection.execute(TABLE)
    store = project.apply(EVERY_TYPE)
    row: dict[str, Any] = {
        "user_id": 1, "at": at("2020-02-03"), "price": Decimal("0.10"), "share": 0.25, "day": date(2020, 2, 3),
        "flag": True, "code": 200, "note": "ä", "tags": ["a", None, "b"], "moment": at("2020-02-02"),
    }  # fmt: skip
    blank = {name: value if name in {"user_id", "at"} else None for name, value in row.items()}
    others = [row | {name: value} for name, value in [("price", Decimal("0.11")), ("tags", []), ("day", None)]]
    rows = pa.Table.from_pylist([row, blank, *others])
    for mode in (OFFLINE, BOTH, BOTH):
        store.push("typed_push", rows, to=mode)
    assert len(_rows(project, "typed")) == len(rows)


def test_rows_of_history_without_a_time_are_nobodys_fault(tmp_path: Path, store: Any, project: Project) -> None:
    """They can't be the pushed ones."""
    with duckdb.connect(str(project.root / "data" / "behaviour.duckdb")) as connection:
        connection.execute('INSERT INTO rows SELECT * REPLACE (NULL AS "at") FROM rows LIMIT 1')
    frame = pd.DataFrame([new_row(1, "2020-02-03", 2)])
    assert store.push("duckdb_push", frame, to=OFFLINE) == PushReport(1, 0, appended=1)
    assert store.push("duckdb_push", frame, to=OFFLINE) == PushReport(0, 1)
