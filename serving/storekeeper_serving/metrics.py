"""What a Prometheus server is told of serving: requests as they come, and the engine as it stands when it is asked."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storekeeper_serving.engine import Answer, Engine
from storekeeper_serving.tallies import Tally, Timings
from storekeeper_serving.view_metrics import ViewMetrics

#: Seconds; predictions take about a millisecond, and no client waits longer than ten seconds.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_UNMATCHED = "unmatched"


class Metrics(Collector):
    """What is counted of one application, and what can be seen of its engine."""

    def __init__(self) -> None:
        route = ("method", "route")
        self.requests = Tally("storekeeper_http_requests", "Requests answered.", route)
        self.errors = Tally(
            "storekeeper_http_errors", "Requests answered with a status of 400 or more.", (*route, "status")
        )
        self.latency = Timings(
            "storekeeper_http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            route,
            LATENCY_BUCKETS,
        )
        self.rows = Tally("storekeeper_rows_served", "Rows predicted.", ("task", "model", "version"))
        self._watched: tuple[Collector, ...] = ()

    def watch(self, engine: Engine) -> None:
        """Tell of an engine, and of no former one, each time that metrics are asked for."""
        self._watched = (EngineMetrics(engine), ViewMetrics(engine.store))

    def count_answer(self, answer: Answer) -> None:
        """Count the rows of a prediction."""
        manifest = answer.model.manifest
        who = (manifest.task, manifest.model, str(manifest.version))
        self.rows.add(who, len(answer.prediction.numbers))

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.add((method, route))
        self.latency.add((method, route), seconds)
        if status >= 400:
            self.errors.add((method, route, str(status)))

    def describe(self) -> list[Metric]:
        """Nothing: names are this application's own, and no registry need ask for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield from (one.family() for one in (self.requests, self.errors, self.latency, self.rows))
        for watched in self._watched:
            yield from watched.collect()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)


class EngineMetrics(Collector):
    """The served log and the models of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """What stands at this moment."""
        log, catalogue = self._engine.log, self._engine.catalogue
        yield CounterMetricFamily(
            "storekeeper_vectors_logged", "Served vectors that are on disk for the audit.", value=log.written
        )
        yield CounterMetricFamily(
            "storekeeper_vectors_dropped", "Served vectors that could not be logged.", value=log.dropped
        )
        yield GaugeMetricFamily(
            "storekeeper_vectors_pending", "Served vectors that wait to be logged.", value=log.pending
        )
        models = GaugeMetricFamily("storekeeper_models", "Models, latest versions.", labels=("status",))
        models.add_metric(("served",), sum(1 for _ in catalogue.served()))
        models.add_metric(("refused",), sum(1 for _ in catalogue.refused()))
        yield models


class MeasuredApp:
    """An application whose requests are counted and timed, however they end.

    Parameters
    ----------
    app
        What answers.
    metrics
        Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then count."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            # Paths come from clients: only the routes that they matched are few enough for labels.
            route = getattr(scope.get("route"), "path", _UNMATCHED)
            method = scope["method"] if route != _UNMATCHED else _UNMATCHED
            self.metrics.count_request(method, route, status, time.perf_counter() - started)
