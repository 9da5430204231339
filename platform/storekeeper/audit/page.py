"""The report as one HTML file that needs nothing beside itself."""

from pathlib import Path
from typing import Any

from storekeeper import pages
from storekeeper.audit import timeline
from storekeeper.audit.advice import ADVICE
from storekeeper.audit.assumption import CAUSES, CODE, DEFINITION, LATE, TTL, TYPE, UNEXPLAINED
from storekeeper.audit.report import AuditReport
from storekeeper.audit.timeline import timelines

COLOURS = {
    LATE: "#b45309",
    TTL: "#4338ca",
    TYPE: "#0369a1",
    DEFINITION: "#0f766e",
    CODE: "#7c3aed",
    UNEXPLAINED: "#b91c1c",
}
_LONGEST_VALUE = 80


def write_page(report: AuditReport, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    pages.write_page(path, "storekeeper.audit", "audit.html", _content(report))


def _content(report: AuditReport) -> dict[str, Any]:
    findings = list(report.findings())
    return {
        "report": report,
        "headline": _headline(report),
        "findings": findings,
        "causes": [cause for cause in CAUSES if any(cause in finding.causes for _, finding in findings)],
        "advice": ADVICE,
        "colour": _colour,
        "shown": _shown,
        "pictures": timelines(finding for _, finding in findings),
        "size": timeline,
    }


def _headline(report: AuditReport) -> str:
    if report.unexplained:
        return f"{_values(report.unexplained)}, and nothing explains it"
    if broken := [one.view for one in report.views if not one.holds]:
        return f"Online state of {len(broken)} views differs from history"
    if report.differing:
        return f"{_values(report.differing)} for known reasons"
    return "Served equals trained" if report.proven else "Nothing to prove yet"


def _values(count: int) -> str:
    return f"{count:,} values differ" if count != 1 else "One value differs"


def _colour(label: str) -> str:
    """A class' colour; a combination has that of its first class."""
    return COLOURS[label.split(" + ")[0]]


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
