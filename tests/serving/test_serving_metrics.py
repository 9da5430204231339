"""What a Prometheus server is told, read back with Prometheus' own parser."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Client
from prometheus_client.parser import text_string_to_metric_families

from storekeeper.clock import Clock
from storekeeper.errors import SourceError
from storekeeper.monitor.state_figures import StateFigures, StateWatch
from storekeeper_serving.app import create_app
from storekeeper_serving.tallies import Timings
from storekeeper_serving.view_metrics import ViewMetrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

VIEW = "customer_category_affinity"


@pytest.fixture
def app(shop: Any) -> FastAPI:
    return create_app(shop.settings)


def scrape(client: Client) -> Samples:
    """All samples of one scrape, by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_requests_errors_rows(app: FastAPI, make_client: Any, good_body: dict[str, Any]) -> None:
    """Requests, errors by status, latencies and rows are counted by route, and paths of clients make no labels."""
    with make_client(app) as client:
        for _ in range(3):
            assert client.post("/predict/purchase", json=good_body).status_code == 200
        assert client.post("/predict/nothing", json=good_body).status_code == 404
        assert client.post("/predict/purchase", content=b"{").status_code == 422
        assert client.get("/nowhere/at/all").status_code == 404
        samples = scrape(client)
    route = {"method": "POST", "route": "/predict/{task}"}
    assert sample(samples, "storekeeper_http_requests_total", **route) == 5
    assert sample(samples, "storekeeper_http_request_duration_seconds_count", **route) == 5
    assert sample(samples, "storekeeper_http_request_duration_seconds_bucket", **route, le="+Inf") == 5
    assert sample(samples, "storekeeper_http_errors_total", **route, status="404") == 1
    assert sample(samples, "storekeeper_http_errors_total", **route, status="422") == 1
    unmatched = {"method": "unmatched", "route": "unmatched"}
    assert sample(samples, "storekeeper_http_errors_total", **unmatched, status="404") == 1
    assert sample(samples, "storekeeper_rows_served_total", task="purchase", model="xgboost", version="1") == 6
    assert not any("nowhere" in value for _, labels in samples for _, value in labels)


def test_a_crash_is_counted(
    app: FastAPI, make_client: Any, good_body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that ends in an error nobody foresaw is a 500 here, too."""
    with make_client(app) as client:
        monkeypatch.setattr(app.state.engine, "predict", lambda *_: 1 / 0)
        assert client.post("/predict/purchase", json=good_body).status_code == 500
        samples = scrape(client)
    found = sample(samples, "storekeeper_http_errors_total", method="POST", route="/predict/{task}", status="500")
    assert found == 1


def test_the_served_log(app: FastAPI, make_client: Any, good_body: dict[str, Any]) -> None:
    """Vectors that are logged, wait or are lost are told, and models by whether they are served."""
    with make_client(app) as client:
        client.post("/predict/purchase", json=good_body)
        app.state.engine.log.flush()
        samples = scrape(client)
    assert sample(samples, "storekeeper_vectors_logged_total") == 2
    assert sample(samples, "storekeeper_vectors_dropped_total") == 0
    assert sample(samples, "storekeeper_vectors_pending") == 0
    assert sample(samples, "storekeeper_models", status="served") == 4
    assert sample(samples, "storekeeper_models", status="refused") == 0


def test_views(shop: Any, app: FastAPI, make_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each view tells its lag, the age of its newest event and its entities; two days later both are two days more."""
    monkeypatch.setattr("storekeeper_serving.view_metrics.RESTS", 0)
    with make_client(app) as client:
        first = scrape(client)
        assert sample(first, "storekeeper_online_store_up") == 1
        assert sample(first, "storekeeper_view_lag_seconds", view=VIEW) == 0
        assert 0 < sample(first, "storekeeper_view_freshness_seconds", view=VIEW) < timedelta(days=2).total_seconds()
        assert sample(first, "storekeeper_view_entities", view=VIEW) == 18
        later = shop.settings.clock.now() + timedelta(days=2)
        monkeypatch.setenv("STOREKEEPER_CLOCK", later.isoformat())
        second = scrape(client)
    two_days = timedelta(days=2).total_seconds()
    for name in ("storekeeper_view_lag_seconds", "storekeeper_view_freshness_seconds"):
        assert sample(second, name, view=VIEW) == sample(first, name, view=VIEW) + two_days


def test_unreadable_store(app: FastAPI, make_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that can't be read is told as such, and all that isn't about it is told all the same."""

    def fail(*_: object) -> StateFigures:
        raise SourceError("The online store can't be reached.")

    with make_client(app) as client:
        monkeypatch.setattr(StateWatch, "figures", fail)
        samples = scrape(client)
    assert sample(samples, "storekeeper_online_store_up") == 0
    assert sample(samples, "storekeeper_vectors_dropped_total") == 0
    assert not [name for name, _ in samples if name.startswith("storekeeper_view_")]


def test_not_started(app: FastAPI, make_client: Any) -> None:
    """Before it has started, an application has no metrics but the usual 503."""
    assert make_client(app).get("/metrics").status_code == 503


def test_an_application_that_starts_again(app: FastAPI, make_client: Any) -> None:
    """Started twice, each figure is told once, and of the engine that runs."""
    for _ in range(2):
        with make_client(app) as client:
            text = client.get("/metrics").text
    assert text.count("# TYPE storekeeper_models gauge") == 1


def test_applications_count_apart(shop: Any, make_client: Any, good_body: dict[str, Any]) -> None:
    """Two applications of one process count each their own requests."""
    with make_client(create_app(shop.settings)) as first, make_client(create_app(shop.settings)) as second:
        first.post("/predict/purchase", json=good_body)
        assert not [name for name, _ in scrape(second) if name == "storekeeper_rows_served_total"]


def test_timings_by_hand() -> None:
    """A bucket counts what is no longer than its bound, and all before it."""
    timings = Timings("t", "Time.", ("route",), (0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        timings.add(("/",), seconds)
    samples = {(s.name, s.labels.get("le")): s.value for s in timings.family().samples}
    assert samples == {
        ("t_bucket", "0.1"): 2, ("t_bucket", "1.0"): 3, ("t_bucket", "+Inf"): 4, ("t_count", None): 4,
        ("t_sum", None): pytest.approx(7.65),
    }  # fmt: skip


class _Running(Clock):
    """A clock that is said to run, and shows what it is told."""

    instant = datetime(2020, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant


class _Bench:
    """The metrics of a store with one view, whose looks are counted and take as long as they are told."""

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.looks, self.ticks, self.takes = clock, 0, 0.0, 0.0
        self.metrics = ViewMetrics(self, lambda: self.ticks)  # type: ignore[arg-type]
        monkeypatch.setattr("storekeeper_serving.view_metrics.registered_views", lambda _: ["mine"])
        monkeypatch.setattr(StateWatch, "figures", lambda *_: self.look())

    def look(self) -> StateFigures:
        self.looks, self.ticks = self.looks + 1, self.ticks + self.takes
        now = self.clock.now()
        return StateFigures("mine", now, now, self.looks, 0, now)

    def entities(self) -> float:
        """What a scrape says."""
        families = {family.name: family for family in self.metrics.collect()}
        return float(families["storekeeper_view_entities"].samples[0].value)


def test_state_is_looked_at_again_by_the_stores_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within ten seconds of the store's clock state is looked at once; later, or earlier, again."""
    clock = _Running()
    bench = _Bench(clock, monkeypatch)
    for seconds, looks in [(0, 1), (9, 1), (10, 2), (19, 2), (21, 3), (5, 4)]:
        object.__setattr__(clock, "instant", datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
        assert bench.entities() == looks, seconds


def test_a_clock_that_stands_still_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a fixed clock every scrape looks anew: what was materialised meanwhile is seen."""
    bench = _Bench(Clock(fixed=datetime(2020, 1, 1, tzinfo=UTC)), monkeypatch)
    assert [bench.entities(), bench.entities()] == [1, 2]


def test_a_look_that_takes_long_is_followed_by_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking never takes more than a twentieth of the time, whatever the store's clock shows."""
    bench = _Bench(Clock(fixed=datetime(2020, 1, 1, tzinfo=UTC)), monkeypatch)
    bench.takes = 2.0
    found = []
    for later in (0.0, 39.0, 1.5, 1.0):
        bench.ticks += later
        found.append(bench.entities())
    assert found == [1, 1, 2, 2]
