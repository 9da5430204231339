"""The report as one HTML file that needs nothing beside itself."""

from pathlib import Path
from typing import Any

from storekeeper import pages
from storekeeper.monitor import pictures
from storekeeper.monitor.drift import FeatureDrift
from storekeeper.monitor.report import Comparison, MonitorReport

COLOURS = {"ok": "#0f766e", "warn": "#b45309", "alert": "#b91c1c", "unknown": "#9ca3af"}


def write_page(report: MonitorReport, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    pages.write_page(path, "storekeeper.monitor", "monitor.html", _content(report))


def _content(report: MonitorReport) -> dict[str, Any]:
    return {
        "report": report,
        "headline": _headline(report),
        "sections": [_section(one) for one in report.comparisons],
        "colours": COLOURS,
        "size": pictures,
    }


def _headline(report: MonitorReport) -> str:
    alerts = len(report.findings("alert"))
    warnings = len(report.findings("warn")) - alerts
    counted = [f"{count} {name}{'s' if count > 1 else ''}" for count, name in ((alerts, "alert"), (warnings, "warning"))
               if count]  # fmt: skip
    return ", ".join(counted) if counted else "Nothing to report"


def _section(one: Comparison) -> dict[str, Any]:
    """A service, with the pictures of those features that stand out first."""
    cards = [_card(feature) for feature in one.ranked() if feature.distribution is not None]
    loud = [card for card in cards if card["feature"].status in {"warn", "alert"}]
    return {"service": one, "loud": loud, "quiet": [card for card in cards if card not in loud]}


def _card(feature: FeatureDrift) -> dict[str, Any]:
    found = feature.distribution
    curves = found.curves if found else None
    return {
        "feature": feature,
        "rows": pictures.bar_rows(found) if found else [],
        "curves": pictures.curve_picture(curves) if curves else None,
    }
