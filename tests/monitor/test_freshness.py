"""How fresh state is: planted stale views are found and named, and nothing is said of those that keep up."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from projects import NOW, Project, at
from storekeeper.errors import NotFoundError, SourceError
from storekeeper.monitor.freshness import ViewFreshness, judge, watch_views
from storekeeper.monitor.limits import Limits
from storekeeper.monitor.state_figures import StateFigures, StateWatch, registered_views, service_views

LIMITS = Limits()
HOUR = timedelta(hours=1)

DECLARED = """
events = DuckDBSource(
    name="events", database="data/behaviour.duckdb", table="events", timestamp_field="event_time",
    created_timestamp_column="known_time",
)
people = SQLSource(name="people", url="sqlite:///data/shop.db", table="people", timestamp_field="updated_at")

activity = StreamFeatureView(
    name="activity", entities=[user], source=PushSource(name="pushed_events", batch_source=events),
    schema=[Field(name="events_7d", dtype=Int64)], timestamp_field="event_time",
    aggregations=[Aggregation(column="", function="count", time_window=timedelta(days=7), name="events_7d")],
)
profile = FeatureView(name="profile", entities=[user], source=people, schema=[Field(name="age", dtype=Int64)])


@on_demand_feature_view(
    sources=[activity], schema=[Field(name="busy", dtype=Bool)], mode="pandas",
)
def busyness(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"busy": inputs["events_7d"] > 1})


everything = FeatureService(name="everything", features=[activity, profile])
old_and_new = FeatureService(name="made", features=[busyness])
"""


def event(time: datetime, known: datetime | None = None, user: int = 1) -> dict[str, Any]:
    return {"user_id": user, "event_time": time, "known_time": known or time}


@pytest.fixture
def shop(project: Project) -> Project:
    """Two views, materialised at `NOW`: one over events, the newest of which was an hour ago, one over people."""
    add_events(project, [event(NOW - 40 * 24 * HOUR), event(NOW - HOUR, user=2)])
    project.add_sqlite(
        "CREATE TABLE people (user_id INTEGER, updated_at TIMESTAMP, age INTEGER);"
        "INSERT INTO people VALUES (1, '2020-01-01 00:00:00', 30);"
    )
    store = project.apply(DECLARED)
    for view in store.all_feature_views():
        store.materialise_view(view)
    return project


def add_events(project: Project, events: list[dict[str, Any]]) -> None:
    project.add_duckdb("events", [{**one, "event_time": one["event_time"].replace(tzinfo=None)} for one in events])


def look(project: Project, clock: datetime, service: str | None = None) -> dict[str, ViewFreshness]:
    """Freshness by view at some later time."""
    project.configure(clock=clock.isoformat())
    return {found.view: found for found in watch_views(project.open(), LIMITS, service)}


def test_fresh(shop: Project) -> None:
    """State that was just made: no lag, the ages of the newest events, every entity, and nothing to report."""
    found = look(shop, NOW)
    assert {name: one.status for name, one in found.items()} == {"activity": "ok", "profile": "ok"}
    state = found["activity"].state
    assert (state.lag, state.age, state.entities, state.pushed) == (timedelta(0), HOUR, 1, 0)
    assert found["activity"].source_age == HOUR
    assert found["profile"].state.newest == at("2020-01-01")
    assert found["activity"].as_dict()["newest_in_state"] == "2020-02-29T23:00:00Z"


def test_age_follows_the_stores_clock(shop: Project) -> None:
    """A year later by the store's clock all is a year older, and still fresh: the sources have nothing newer."""
    year = timedelta(days=365)
    found = look(shop, NOW + year)["activity"]
    assert (found.state.lag, found.state.age, found.status) == (year, year + HOUR, "ok")


@pytest.mark.parametrize(("hours", "status"), [(2, "ok"), (26, "warn"), (49, "warn"), (50, "alert")])
def test_a_stale_view_is_found_and_named(shop: Project, hours: int, status: str) -> None:
    """State that stands still while its source goes on warns and then alerts; the other view does not."""
    add_events(shop, [event(NOW - HOUR), event(NOW + HOUR)])
    found = look(shop, NOW + hours * HOUR)
    assert (found["activity"].status, found["profile"].status) == (status, "ok")
    if status != "ok":
        assert found["activity"].note == "its source has events up to 2020-03-01T01:00:00Z"
    assert found["activity"].state.newest == NOW - HOUR
    assert found["activity"].newest_in_source == NOW + HOUR


def test_what_is_not_known_yet_is_not_missed(shop: Project) -> None:
    """Events of the future, and those that become known in the future, make no state stale."""
    later = NOW + 60 * HOUR
    add_events(shop, [event(NOW - HOUR), event(NOW + HOUR, known=later + HOUR), event(later + HOUR)])
    found = look(shop, later)["activity"]
    assert (found.status, found.newest_in_source) == ("ok", NOW - HOUR)


def test_an_event_at_the_states_own_instant(shop: Project) -> None:
    """A windowed view's state lacks an event at its very instant; a latest-value view's has it."""
    add_events(shop, [event(NOW - HOUR), event(NOW)])
    shop.add_sqlite("INSERT INTO people VALUES (2, '2020-03-01 00:00:00', 31);")
    found = look(shop, NOW + 60 * HOUR)
    assert found["activity"].state.newest == NOW - HOUR
    assert found["profile"].state.newest == NOW


def test_pushed_rows_keep_state_fresh(shop: Project) -> None:
    """Pushed rows wait in the count, and the newest of them is the newest event that reads answer from."""
    from storekeeper.online.backends import PushedRow
    from storekeeper.online.view_state import to_us

    add_events(shop, [event(NOW - HOUR), event(NOW + HOUR)])
    shop.configure(clock=(NOW + 60 * HOUR).isoformat())
    store = shop.open()
    (view,) = (view for view in registered_views(store) if view.name == "activity")
    state = StateWatch(store).state(view)
    rows = [PushedRow(b"k", f"{n}".encode(), to_us(NOW + n * HOUR), to_us(NOW + n * HOUR), b"") for n in (0, 1)]
    state.backend.push(state.name, rows)
    found = {one.view: one for one in watch_views(store, LIMITS)}["activity"]
    assert (found.state.pushed, found.state.newest, found.status) == (2, NOW + HOUR, "ok")


def test_never_materialised(project: Project) -> None:
    """A view without state is an alert, whatever its source holds."""
    add_events(project, [event(NOW - HOUR)])
    project.add_sqlite("CREATE TABLE people (user_id INTEGER, updated_at TIMESTAMP, age INTEGER);")
    project.apply(DECLARED)
    found = look(project, NOW)
    assert {(one.status, one.note) for one in found.values()} == {("alert", "never materialised")}
    assert found["activity"].state.lag is None
    assert found["profile"].newest_in_source is None
    pushed = StateFigures("activity", NOW, None, 0, 3, NOW)
    assert judge(pushed, NOW, LIMITS) == ("alert", "never materialised: only pushed rows are answered from")


def test_a_source_that_is_gone(shop: Project) -> None:
    """A source that can't be read is an alert of the views over it, and of no other."""
    (shop.root / "data" / "behaviour.duckdb").unlink()
    found = look(shop, NOW)
    assert (found["activity"].status, found["profile"].status) == ("alert", "ok")
    assert "source can't be read" in found["activity"].note
    assert "behaviour.duckdb" in found["activity"].note
    assert found["activity"].state.entities == 1


def test_a_broken_store_is_an_error(shop: Project) -> None:
    """Where the online store itself can't be read there is nothing to tell."""
    for path in (shop.root / "data").glob("online.db*"):
        path.unlink()
    (shop.root / "data" / "online.db").write_bytes(b"not a database, but long enough to look like one" * 50)
    with pytest.raises(SourceError, match=r"online\.db"):
        look(shop, NOW)


def test_views_of_a_service(shop: Project) -> None:
    """A service's views are those it names and those behind its on-demand features; an unknown one lists what is."""
    store = shop.open()
    assert [view.name for view in service_views(store, "everything")] == ["activity", "profile"]
    assert [view.name for view in service_views(store, "made")] == ["activity"]
    assert list(look(shop, NOW, "made")) == ["activity"]
    with pytest.raises(NotFoundError, match=r"'everything', 'made'"):
        service_views(store, "nothing")


def test_the_source_is_asked_once_a_state(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking again costs no read of the source, until a materialisation has made new state."""
    from storekeeper.monitor import newest

    store, reads = shop.open(), []
    original = newest.read_source
    monkeypatch.setattr(newest, "read_source", lambda *given: reads.append(given) or original(*given))
    watch, (view, _) = StateWatch(store), registered_views(store)
    first = watch.figures(view)
    asked = len(reads)
    assert watch.figures(view) == first
    assert len(reads) == asked > 0
    add_events(shop, [event(NOW - HOUR / 2)])
    store.materialise_view(view)
    assert watch.figures(view).newest == NOW - HOUR / 2
    assert len(reads) > asked
