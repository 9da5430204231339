"""What a Prometheus server is told of online state: how fresh each view is, and how many entities it has."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storekeeper.errors import SourceError
from storekeeper.monitor.state_figures import StateFigures, StateWatch, registered_views
from storekeeper.store import FeatureStore

CACHE_TIME = timedelta(seconds=10)

#: After a look comes a rest so many times as long: pushed rows are counted one by one, and there may be millions.
RESTS = 20


@dataclass(frozen=True)
class _Looked:
    """Figures, and when they were taken; `up` says whether the online store could be read.

    Until `rests_until`, by the ticks of the machine, there is no other look.
    """

    at: datetime
    rests_until: float
    up: bool
    figures: tuple[StateFigures, ...]


class ViewMetrics(Collector):
    """Figures of all registered views, looked at again when they are older than a cache time of the store's clock.

    A clock that stands still never lets anything grow old, while state under it changes: it isn't cached for.

    Parameters
    ----------
    store
        Whose state.
    ticks
        Seconds that pass on the machine, whatever the store's clock shows: what a look costs is measured by them.
    """

    def __init__(self, store: FeatureStore, ticks: Callable[[], float] = time.monotonic) -> None:
        self._store, self._watch, self._ticks = store, StateWatch(store), ticks
        self._looking = threading.Lock()
        self._looked: _Looked | None = None

    def collect(self) -> Iterator[Metric]:
        """The figures of each view; those that a view doesn't have are left out."""
        with self._looking:
            looked = self._look()
        yield GaugeMetricFamily(
            "storekeeper_online_store_up", "Whether the online store could be read (1) or not (0).", value=looked.up
        )
        for name, told, read in _GAUGES:
            gauge = GaugeMetricFamily(name, told, labels=("view",))
            for figures in looked.figures:
                if (value := read(figures)) is not None:
                    gauge.add_metric((figures.view,), value)
            yield gauge

    def _look(self) -> _Looked:
        """What is known, or is found out now."""
        now, known = self._store.clock.now(), self._looked
        if known is None or self._is_due(known, now):
            known = self._looked = self._take(now)
        return known

    def _is_due(self, known: _Looked, now: datetime) -> bool:
        if self._ticks() < known.rests_until:
            return False
        return self._store.clock.fixed is not None or not timedelta(0) <= now - known.at < CACHE_TIME

    def _take(self, now: datetime) -> _Looked:
        began = self._ticks()
        figures, up = self._figures()
        ended = self._ticks()
        return _Looked(now, ended + RESTS * (ended - began), up, figures)

    def _figures(self) -> tuple[tuple[StateFigures, ...], bool]:
        """The figures of all views, and whether they could be read."""
        try:
            return tuple(map(self._watch.figures, registered_views(self._store))), True
        except SourceError:
            return (), False


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


_GAUGES: tuple[tuple[str, str, Callable[[StateFigures], float | None]], ...] = (
    (
        "storekeeper_view_freshness_seconds",
        "Age of the newest event that a view's features are answered from.",
        lambda figures: _seconds(figures.age),
    ),
    (
        "storekeeper_view_lag_seconds",
        "Time since the instant up to which a view was materialised.",
        lambda figures: _seconds(figures.lag),
    ),
    ("storekeeper_view_entities", "Entities of a view that have state.", lambda figures: figures.entities),
    ("storekeeper_view_pushed_rows", "Pushed rows that wait for a materialisation.", lambda figures: figures.pushed),
)
