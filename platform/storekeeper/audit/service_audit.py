"""What an audit found of one feature service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storekeeper.audit.findings import Example, Finding
from storekeeper.audit.log import RunLoss


@dataclass(frozen=True)
class ServiceAudit:
    """What was found of the vectors served under one definition of one feature service.

    Attributes
    ----------
    service
        The feature service.
    definition
        What it meant: a hash.
    vectors, features
        How many vectors were served, of how many features that the service still has.
    compared
        How many values were compared.
    skipped
        Why nothing, or not all, was compared; or an empty text.
    unproven
        Whether that is so under the definition in force: nobody knows then if served equals trained.
    redefined
        Whether the service means something else by now. What was served before never counts as proven.
    gone
        Features that were served and that the service doesn't have any more: nothing to compare them with.
    findings
        The differences, by why they are there.
    """

    service: str
    definition: str
    vectors: int
    features: int
    compared: int = 0
    skipped: str = ""
    unproven: bool = False
    redefined: bool = False
    gone: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def differing(self) -> int:
        """How many values differ."""
        return sum(finding.values for finding in self.findings)

    @property
    def unexplained(self) -> int:
        """How many values differ without anything that explains it."""
        return sum(finding.values for finding in self.findings if not finding.is_explained)

    @property
    def examples(self) -> tuple[Example, ...]:
        """Some values that differ, those that nothing explains first."""
        ordered = sorted(self.findings, key=lambda finding: finding.is_explained)
        return tuple(example for finding in ordered for example in finding.examples)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "service": self.service,
            "definition": self.definition,
            "redefined": self.redefined,
            "vectors": self.vectors,
            "features": self.features,
            "compared": self.compared,
            "differing": self.differing,
            "unexplained": self.unexplained,
            "skipped": self.skipped,
            "unproven": self.unproven,
            "gone": list(self.gone),
            "classes": [finding.as_dict() for finding in self.findings],
            "examples": [example.as_dict() for example in self.examples],
        }


@dataclass(frozen=True)
class LossTotal:
    """What was served and isn't in the log, over all processes that served.

    Attributes
    ----------
    served, logged
        How many vectors were served and how many of them are in the log, as far as it numbers them.
    dropped
        How many a full queue or the disk refused.
    lost
        How many a killed process took with it, or are in files that are gone.
    waiting
        How many still wait in processes that live.
    runs
        The processes with losses.
    """

    served: int
    logged: int
    dropped: int
    lost: int
    waiting: int
    runs: tuple[RunLoss, ...]

    @classmethod
    def of(cls, runs: Sequence[RunLoss]) -> "LossTotal":
        """Add up."""
        names = ("appended", "logged", "dropped", "lost", "waiting")
        served, logged, dropped, lost, waiting = (sum(getattr(run, name) for run in runs) for name in names)
        return cls(served, logged, dropped, lost, waiting, tuple(run for run in runs if run.missing))

    @property
    def missing(self) -> int:
        """How many will never be in the log."""
        return self.dropped + self.lost

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        runs = [
            {"run": run.run, "served": run.appended, "dropped": run.dropped, "lost": run.lost, "problem": run.problem}
            for run in self.runs
        ]
        numbers = {"served": self.served, "logged": self.logged, "dropped": self.dropped, "lost": self.lost}
        return {**numbers, "waiting": self.waiting, "runs": runs}
