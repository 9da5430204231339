"""All that an audit found, in one report."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from storekeeper.audit.findings import Finding
from storekeeper.audit.log import read_losses
from storekeeper.audit.parity import ViewParity, compare_views
from storekeeper.audit.replay import audit_served
from storekeeper.audit.service_audit import LossTotal, ServiceAudit
from storekeeper.store import FeatureStore


@dataclass(frozen=True)
class AuditReport:
    """What was served, and perhaps all online state, held against history.

    Attributes
    ----------
    now
        When it was made, by the store's clock.
    served
        Each definition of each feature service.
    losses
        What was served and isn't in the log.
    views
        Each view's state; empty where that wasn't asked for.
    """

    now: datetime
    served: tuple[ServiceAudit, ...]
    losses: LossTotal
    views: tuple[ViewParity, ...] = ()

    @property
    def proven(self) -> tuple[ServiceAudit, ...]:
        """What was served under the definitions in force, and could be compared: all that is proof of anything."""
        return tuple(one for one in self.served if one.compared and not one.redefined)

    @property
    def compared(self) -> int:
        """How many served values were compared, under whatever definitions."""
        return sum(one.compared for one in self.served)

    @property
    def vectors(self) -> int:
        """How many served vectors there are."""
        return sum(one.vectors for one in self.served)

    @property
    def differing(self) -> int:
        """How many served values differ."""
        return sum(one.differing for one in self.served)

    @property
    def unexplained(self) -> int:
        """How many of them nothing explains."""
        return sum(one.unexplained for one in self.served)

    def findings(self) -> Iterator[tuple[ServiceAudit, Finding]]:
        """Every service's findings, those that nothing explains first."""
        found = [(one, finding) for one in self.served for finding in one.findings]
        yield from sorted(found, key=lambda pair: pair[1].is_explained)

    def proof(self) -> str:
        """What was proven, in one sentence."""
        proven = self.proven
        if not proven and any(one.unproven for one in self.served):
            return "Nothing that was served under the present definitions could be compared."
        if not proven:
            return "Nothing was served yet under the present definitions: ask storekeeper serve for predictions."
        widths = sorted({one.features for one in proven})
        width = f"{widths[0]}" if len(widths) == 1 else f"{widths[0]} to {widths[-1]}"
        vectors, compared = (sum(getattr(one, name) for one in proven) for name in ("vectors", "compared"))
        told = f"{vectors:,} served vectors x {width} features = {compared:,} values replayed offline"
        return f"{told}, {_told_causes(proven)}."

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "now": self.now.isoformat(),
            "vectors": self.vectors,
            "compared": self.compared,
            "differing": self.differing,
            "unexplained": self.unexplained,
            "served": [one.as_dict() for one in self.served],
            "losses": self.losses.as_dict(),
            "views": [_view_dict(one) for one in self.views],
        }


def audit_all(store: FeatureStore, served_dir: Path, *, views: bool) -> AuditReport:
    """Replay what was served and, with `views`, compare all online state with its history.

    Raises
    ------
    SourceError, DataError
        If a source can't be read, or a file of the log is damaged.
    """
    losses = LossTotal.of(read_losses(served_dir))
    served = tuple(audit_served(store, served_dir))
    return AuditReport(store.clock.now(), served, losses, tuple(compare_views(store)) if views else ())


def _told_causes(served: tuple[ServiceAudit, ...]) -> str:
    counts: Counter[str] = Counter()
    for one in served:
        for finding in one.findings:
            counts[finding.label] += finding.values
    told = ", ".join(f"{count:,} {label}" for label, count in counts.items())
    return f"{counts.total():,} differ" + (f" ({told})" if told else "")


def _view_dict(one: ViewParity) -> dict[str, Any]:
    return {
        "view": one.view,
        "entities": one.entities,
        "features": one.features,
        "compared": one.compared,
        "differing": one.differing,
        "missing": one.missing,
        "unexpected": one.unexpected,
        "materialised": one.materialised,
    }
