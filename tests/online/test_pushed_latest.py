"""Latest-value views: what was pushed stands beside the state, and the newer of the two is served."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project
from storekeeper.online.backends import SQLiteBackend
from storekeeper.online.view_state import to_us

DAY = timedelta(days=1)
VIEWS = """
log = DuckDBSource(
    name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at", created_timestamp_column="known",
)
latest = FeatureView(
    name="latest", entities=[user], source=log, ttl=timedelta(days=3), schema=[Field(name="word", dtype=String)],
)
"""


class Shop:
    """One view of words, and what is served of it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.log: list[dict[str, Any]] = []
        self.append(1, NOW - 2 * DAY, "batch")
        self.store = project.apply(VIEWS)

    def append(self, user: int, happened: datetime, word: str) -> None:
        """Let the source have a row more."""
        self.log.append({"user_id": user, "at": happened, "known": happened, "word": word})
        self.project.add_duckdb("log", self.log)

    def push(self, user: int, happened: datetime, word: str, known: datetime | None = None) -> None:
        """Write a row past the source."""
        row = {"user_id": user, "at": happened, "known": known or happened, "word": word}
        self.store.write_to_online_store("latest", pd.DataFrame([row]))

    def materialise(self, until: datetime = NOW) -> None:
        self.store.materialize(NOW - 30 * DAY, until)

    def words(self, *users: int | None) -> list[str | None]:
        found: list[str | None] = self.state.read(self.keys(*users), ["word"], NOW).column("word").to_pylist()
        return found

    def keys(self, *users: int | None) -> pa.Table:
        return pa.table({"user_id": pa.array(users, pa.int64())})

    @property
    def state(self) -> Any:
        view = self.store.get_feature_view("latest")
        return self.store._get_provider().online_store.view_state(self.store.config, view)

    @property
    def waiting(self) -> int:
        return len(list(self.state.backend.pushed("small/latest")))


@pytest.fixture
def shop(project: Project) -> Shop:
    return Shop(project)


def test_the_newer_is_served(shop: Shop) -> None:
    """By event time, then knowledge time, whichever layer it lies in; a pushed row wins a tie."""
    shop.materialise()
    for happened, known, word, served in [
        (NOW - 2.5 * DAY, None, "older", "batch"),
        (NOW - 2 * DAY, NOW - 2.1 * DAY, "known before", "batch"),
        (NOW - 2 * DAY, None, "as new", "as new"),
        (NOW - 2 * DAY, NOW - 1.9 * DAY, "corrected", "corrected"),
        (NOW - DAY, None, "newer", "newer"),
    ]:
        shop.push(1, happened, word, known)
        assert shop.words(1) == [served]
    assert shop.waiting == 1


def test_places_of_keys_are_kept(shop: Shop) -> None:
    """Repeated, unseen and null keys beside entities that have one layer, or both."""
    shop.append(3, NOW - DAY, "three")
    shop.materialise()
    shop.push(1, NOW - DAY, "one")
    shop.push(2, NOW - DAY, "two")
    assert shop.words(None, 3, 2, 77, 1, None, 2, 3) == [None, "three", "two", None, "one", None, "two", "three"]
    table, times = shop.state.read_timed(shop.keys(2, None, 3), ["word"], NOW)
    assert (table.column("word").to_pylist(), times) == (["two", None, "three"], [NOW - DAY, None, NOW - DAY])


def test_ttl_counts_for_what_was_pushed(shop: Shop) -> None:
    """A pushed row grows old like any other (rule 5)."""
    shop.push(2, NOW - 3 * DAY, "just")
    shop.push(3, NOW - 3 * DAY - timedelta(microseconds=1), "expired")
    assert shop.words(2, 3) == ["just", None]


def test_what_the_source_lacks_stays(shop: Shop) -> None:
    """Materialising settles the pushed rows that state holds or has overtaken, and leaves those that are newer."""
    shop.push(1, NOW - DAY, "ahead")
    shop.push(2, NOW - DAY, "not in the source")
    shop.materialise(NOW - DAY / 2)
    assert (shop.words(1, 2), shop.waiting) == (["ahead", "not in the source"], 2)
    shop.append(1, NOW - DAY, "ahead")
    shop.materialise()
    assert (shop.words(1, 2), shop.waiting) == (["ahead", "not in the source"], 1)
    shop.append(2, NOW - DAY / 2, "newer in the source")
    shop.materialise()
    assert (shop.words(1, 2), shop.waiting) == (["ahead", "newer in the source"], 0)


def test_rows_that_agree_in_both_times_stand_as_they_were_written(shop: Shop) -> None:
    """Rule 4: the one that came last is served; written again, none of them changes its place."""
    for word in ("b", "c", "a", "b", "c"):
        shop.push(1, NOW - DAY, word)
    assert (shop.words(1), shop.waiting) == (["a"], 3)
    shop.append(1, NOW - DAY, "a")
    shop.materialise()
    shop.push(1, NOW - DAY, "a")
    assert (shop.words(1), shop.waiting) == (["a"], 0)


def test_what_is_pushed_meanwhile_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row pushed while the source is read isn't taken for one that the state holds."""
    shop.push(1, NOW - 2 * DAY, "first")
    replace = SQLiteBackend.replace

    def late(self: SQLiteBackend, *arguments: Any) -> int:
        shop.push(1, NOW - DAY, "second")
        return replace(self, *arguments)

    monkeypatch.setattr(SQLiteBackend, "replace", late)
    shop.materialise()
    assert (shop.words(1), shop.waiting) == (["second"], 1)


def test_rows_of_another_definition_go(shop: Shop) -> None:
    """What was pushed for a definition that is no more can't be read: materialising mends it."""
    shop.push(1, NOW - DAY, "old")
    shop.push(2, NOW - DAY, "old")
    shop.project.add_duckdb("log", [{**row, "x": 1} for row in shop.log])
    shop.store = shop.project.apply(VIEWS.replace("schema=[", 'schema=[Field(name="x", dtype=Int64), '))
    shop.materialise()
    assert (shop.words(1, 2), shop.waiting) == (["batch", None], 0)


def test_a_declared_id_names_what_is_written(shop: Shop) -> None:
    """Where it is among the features: one id is one row, and what was known of it first counts."""
    tagged = VIEWS.replace('column="known",', 'column="known", tags={"event_id": "word"},')
    shop.store = shop.project.apply(tagged)
    for happened in (NOW - DAY, NOW - DAY / 2):
        shop.push(2, happened, "a")
    assert [row.event_us for row in shop.state.backend.pushed("small/latest")] == [to_us(NOW - DAY)]
