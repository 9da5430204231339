"""Counts and timings by label, told to Prometheus when it asks.

Prometheus' own counters write to files that all of a process's applications share once any package has switched its
multi-process mode on, which Feast does when it is imported. So what is counted here is kept here.
"""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Tally:
    """A number that only grows, for each combination of labels. Safe in threads.

    Attributes
    ----------
    name
        As Prometheus knows it, without `_total`.
    told
        What it counts.
    labels
        Names of the labels.
    """

    name: str
    told: str
    labels: Labels
    _counts: dict[Labels, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, values: Labels, amount: float = 1.0) -> None:
        """Count."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0.0) + amount

    def family(self) -> CounterMetricFamily:
        """All counts, by label."""
        family = CounterMetricFamily(self.name, self.told, labels=self.labels)
        with self._lock:
            counts = sorted(self._counts.items())
        for values, count in counts:
            family.add_metric(values, count)
        return family


@dataclass
class _Spread:
    """How many timings fell into each bucket, the last of which has no bound; and their sum."""

    counts: list[int]
    total: float = 0.0


@dataclass(frozen=True)
class Timings:
    """Lengths of time in buckets, for each combination of labels. Safe in threads.

    Attributes
    ----------
    name
        As Prometheus knows it.
    told
        What is timed.
    labels
        Names of the labels.
    bounds
        Upper bounds of the buckets, seconds, ascending; each counts what is no longer.
    """

    name: str
    told: str
    labels: Labels
    bounds: Sequence[float]
    _spreads: dict[Labels, _Spread] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, values: Labels, seconds: float) -> None:
        """Count a length of time."""
        with self._lock:
            spread = self._spreads.setdefault(values, _Spread([0] * (len(self.bounds) + 1)))
            spread.counts[bisect_left(self.bounds, seconds)] += 1
            spread.total += seconds

    def family(self) -> HistogramMetricFamily:
        """All timings, by label."""
        family = HistogramMetricFamily(self.name, self.told, labels=self.labels)
        ends = [*map(str, self.bounds), "+Inf"]
        with self._lock:
            spreads = [(values, list(s.counts), s.total) for values, s in sorted(self._spreads.items())]
        for values, counts, total in spreads:
            family.add_metric(values, list(zip(ends, accumulate(counts), strict=True)), total)
        return family
