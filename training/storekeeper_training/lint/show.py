"""A lint report for the terminal."""

from collections.abc import Collection

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from storekeeper_training.lint.finding import Finding, LintReport

_STYLES = {"error": "bold red", "warning": "yellow", "allowed": "dim"}


def show_report(report: LintReport, allowed: Collection[str], console: Console) -> None:
    """Each finding with what was seen and what to do, then how many there are."""
    for finding in report.findings:
        _show(finding, "allowed" if finding.lint in allowed else finding.severity, console)
    count = len(report.findings)
    outcome = "training is refused" if report.refused(allowed) else "none stops training"
    found = f"{count:,} finding{'' if count == 1 else 's'}, {outcome}" if count else "nothing found"
    console.print(f"{len(report.lints)} lints, {report.rows:,} rows of '{report.task}': {found}.")


def _show(finding: Finding, level: str, console: Console) -> None:
    style = _STYLES[level]
    console.print(f"[{style}]{level}[/] [bold]{finding.lint}[/] {escape(finding.subject)}")
    for text in (finding.seen, finding.advice):
        console.print(Padding(escape(text), (0, 0, 0, 2)))
