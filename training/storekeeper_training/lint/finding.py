"""What a lint finds, and how much it lets pass."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that looks like a leak.

    Attributes
    ----------
    lint
        Name of the lint, by which it can be allowed.
    severity
        `error` stops a training job, `warning` doesn't.
    subject
        The column, view, source or part that it is about.
    seen
        What was seen, with figures.
    advice
        What to do.
    """

    lint: str
    severity: Severity
    subject: str
    seen: str
    advice: str


@dataclass(frozen=True)
class Limits:
    """From where on something is a finding.

    Attributes
    ----------
    auc
        No single feature should separate the labels this well.
    time_correlation
        Rank correlation with the rows' times from which on a column stands for time.
    duplicate_share
        Share of later rows that may be copies of training rows.
    spine_share
        Share of rows that may come or go, or change their label, when the shop's clock is turned back.
    out_of_order_share
        A log with more late rows than this isn't in the order of its recording: nothing follows from the order.
    lateness
        How much later than it happened a row may be recorded without being called back-dated.
    """

    auc: float = 0.95
    time_correlation: float = 0.99
    duplicate_share: float = 0.001
    spine_share: float = 0.005
    out_of_order_share: float = 0.2
    lateness: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class LintReport:
    """What all lints found in a dataset.

    Attributes
    ----------
    task, dataset_hash, rows
        What they looked at.
    lints
        Names of the lints that ran.
    findings
        Errors first.
    """

    task: str
    dataset_hash: str
    rows: int
    lints: tuple[str, ...]
    findings: tuple[Finding, ...]

    def refused(self, allowed: Collection[str] = ()) -> tuple[Finding, ...]:
        """Findings of severity `error` that aren't allowed by name."""
        return tuple(f for f in self.findings if f.severity == "error" and f.lint not in allowed)

    def overridden(self, allowed: Collection[str]) -> tuple[str, ...]:
        """Names of the lints whose errors are let pass, in alphabetical order; an idle permission is no override."""
        return tuple(sorted({f.lint for f in self.findings if f.severity == "error" and f.lint in allowed}))

    def summary(self, allowed: Collection[str] = ()) -> str:
        """One line: how many lints ran, and the names of those that found something."""
        found = dict.fromkeys(f"{f.lint} ({'allowed' if f.lint in allowed else f.severity})" for f in self.findings)
        return f"{len(self.lints)} lints: {', '.join(found) or 'nothing found'}"

    def as_dict(self, allowed: Collection[str] = ()) -> dict[str, Any]:
        """The report for machines: plain values only."""
        return {
            "task": self.task,
            "dataset_hash": self.dataset_hash,
            "rows": self.rows,
            "lints": list(self.lints),
            "findings": [asdict(finding) | {"allowed": finding.lint in allowed} for finding in self.findings],
            "refused": len(self.refused(allowed)),
        }
