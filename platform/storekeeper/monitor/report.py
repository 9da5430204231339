"""What was found, whole: for the terminal, for machines and for the page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storekeeper.monitor.drift import FeatureDrift
from storekeeper.monitor.freshness import ViewFreshness
from storekeeper.monitor.limits import Limits, Status, severity, worst


@dataclass(frozen=True)
class Comparison:
    """Served vectors of one service against one training set.

    Attributes
    ----------
    service, definition_hash
        The feature service, and what it meant.
    models
        Which models were given the vectors, as `task/model version`.
    vectors, first, last
        How many there are, and when the first and the last were served.
    dataset_hash, rows
        The training set, and how many rows it has; empty and 0 where it is gone.
    features
        What was found of each.
    problem
        Why nothing could be compared; empty if it could.
    """

    service: str
    definition_hash: str
    models: tuple[str, ...]
    vectors: int
    first: datetime
    last: datetime
    dataset_hash: str
    rows: int
    features: tuple[FeatureDrift, ...]
    problem: str = ""

    @property
    def status(self) -> Status:
        """The worst of its features."""
        return worst(feature.status for feature in self.features)

    def ranked(self) -> list[FeatureDrift]:
        """The features, those that drift most first."""
        return sorted(self.features, key=lambda one: (-severity(one.status), -(one.psi or 0.0), one.feature))

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        names = ("service", "definition_hash", "vectors", "first", "last", "dataset_hash", "rows", "status", "problem")
        found = {name: getattr(self, name) for name in names}
        return found | {"models": list(self.models), "features": [one.as_dict() for one in self.ranked()]}


@dataclass(frozen=True)
class MonitorReport:
    """What `storekeeper monitor` tells.

    Attributes
    ----------
    now, since
        The clock's now, and from when on served vectors were looked at (None: all of them).
    limits
        By which it was judged.
    views
        Freshness of each view.
    comparisons
        Drift of each service.
    missing
        How many vectors were served, ever, and are not in the log: dropped, or lost with a process.
    """

    now: datetime
    since: datetime | None
    limits: Limits
    views: tuple[ViewFreshness, ...]
    comparisons: tuple[Comparison, ...]
    missing: int

    @property
    def status(self) -> Status:
        """The worst of all."""
        return worst([*(view.status for view in self.views), *(one.status for one in self.comparisons)])

    def findings(self, status: Status) -> list[str]:
        """What is at least as bad as a status, each by name."""
        views = [f"view '{v.view}' ({v.note})" for v in self.views if severity(v.status) >= severity(status)]
        features = [
            f"feature '{feature.feature}' of service '{one.service}' (PSI {feature.psi:.3f})"
            for one in self.comparisons
            for feature in one.ranked()
            if severity(feature.status) >= severity(status)
        ]
        return views + features

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "now": self.now,
            "since": self.since,
            "status": self.status,
            "views": [view.as_dict() for view in self.views],
            "served": [one.as_dict() for one in self.comparisons],
            "missing": self.missing,
        }
