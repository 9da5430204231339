"""An audit for people, in the terminal."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from storekeeper.cli.output import console, print_table

if TYPE_CHECKING:
    from storekeeper.audit.findings import Finding
    from storekeeper.audit.report import AuditReport
    from storekeeper.audit.service_audit import ServiceAudit

_VIEWS = {
    "view": "left", "entities": "right", "missing": "right", "extra": "right", "compared": "right", "differ": "right",
}  # fmt: skip
_CLASSES = {
    "class": "left", "service": "left", "values": "right", "vectors": "right", "entities": "right", "served": "left",
    "views": "left",
}  # fmt: skip
_EXAMPLES = {
    "class": "left", "served at": "left", "whom": "left", "feature": "left", "served": "left", "replayed": "left",
    "evidence": "left",
}  # fmt: skip
_EXAMPLES_SHOWN = 3
_LONGEST_VALUE = 40


def print_report(report: "AuditReport") -> None:
    """Tables of what was found, what to do about it, and last what was proven."""
    if report.views:
        print_table("Online state against history", _VIEWS, [_view_row(one) for one in report.views])
    findings = list(report.findings())
    if findings:
        print_table("Why served values differ", _CLASSES, [_class_row(*pair) for pair in findings])
        print_table("Examples", _EXAMPLES, [row for _, finding in findings for row in _example_rows(finding)])
        _print_advice({cause: None for _, finding in findings for cause in finding.causes})
    _print_rest(report)
    console.print(f"[bold]Proof:[/] {escape(report.proof())}", soft_wrap=True)


def _view_row(one: Any) -> list[Any]:
    view = one.view if one.materialised else f"{one.view} (never materialised)"
    return [view, one.entities, one.missing, one.unexpected, one.compared, one.differing]


def _class_row(service: "ServiceAudit", one: "Finding") -> list[Any]:
    span = f"{one.first:%Y-%m-%d %H:%M}" + ("" if one.first == one.last else f" to {one.last:%Y-%m-%d %H:%M}")
    views = ", ".join(f"{view} ({count:,})" for view, count in sorted(one.by_view().items()))
    return [one.label, service.service, one.values, one.vectors, one.entities, span, views]


def _example_rows(finding: "Finding") -> list[list[Any]]:
    return [
        [
            finding.label,
            f"{one.served_at:%Y-%m-%d %H:%M:%S}",
            escape(", ".join(f"{key} {value}" for key, value in one.entity.items())),
            one.feature,
            _value(one.online),
            _value(one.offline),
            escape(one.why),
        ]
        for one in finding.examples[:_EXAMPLES_SHOWN]
    ]


def _value(value: object) -> str:
    text = "null" if value is None else str(value)
    return escape(text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…")


def _print_advice(causes: dict[str, None]) -> None:
    from storekeeper.audit.advice import ADVICE

    for cause in causes:
        console.print(f"[bold]{cause}:[/] {ADVICE[cause].meaning} {ADVICE[cause].action}")


def _print_rest(report: "AuditReport") -> None:
    """What was not compared, or is no proof of the present definitions."""
    for one in report.served:
        if one.skipped:
            count = "" if one.compared else f"{one.vectors:,} "
            console.print(f"{count or 'Some '}vectors of service '{one.service}' not replayed: {one.skipped}.")
        if one.redefined:
            differ = f"{one.differing:,} differ" if one.differing else "none of them differs"
            gone = f" No longer among its features: {', '.join(one.gone)}." if one.gone else ""
            console.print(
                f"{one.vectors:,} vectors of service '{one.service}' were served under another definition; it has been "
                f"redefined since. {one.compared:,} values compared all the same, {differ}.{gone}"
            )
    losses = report.losses
    if losses.missing:
        console.print(
            f"[bold]{losses.missing:,} of {losses.served:,} vectors were served but not logged[/], and so not audited: "
            f"{losses.dropped:,} were dropped (a full queue, or the disk), {losses.lost:,} were lost with a killed "
            f"process or a removed file."
        )
    if losses.waiting:
        console.print(f"{losses.waiting:,} vectors wait to be logged by servers that run.")
