"""`storekeeper audit`: the proof that served equals trained, and why not where it doesn't."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storekeeper.cli.audit_tables import print_report
from storekeeper.cli.output import Json, console, print_json
from storekeeper.errors import CheckFailedError, NotFoundError, UsageError, listing

if TYPE_CHECKING:
    from storekeeper.audit.report import AuditReport

_SHOWN_IN_ERRORS = 5


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(audit)


def audit(
    views: Annotated[
        bool, typer.Option("--views", help="Also compare all online state with its history, entity by entity.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with pictures to this file.")] = None,
    json: Json = False,
) -> None:
    """Replay what was served through the offline path and say why any value differs.

    Exit code 1 if nothing explains a value, or a value can't be compared, or state is missing.
    """
    report = replay(views=views, quiet=json)
    if html is not None:
        _write_html(report, html)
    if json:
        print_json(report.as_dict())
    else:
        print_report(report)
        if html is not None:
            console.print(f"Page: {html}", soft_wrap=True)
    check(report)


def audit_and_prove() -> str:
    """`audit --views` for the demo; returns the line that says what was proven, to be printed once more."""
    report = replay(views=True, quiet=False)
    print_report(report)
    check(report)
    return f"[bold]Proof:[/] {report.proof()}"


def replay(*, views: bool, quiet: bool) -> "AuditReport":
    """What was served, and with `views` all online state, each held against its history."""
    from storekeeper.audit.report import audit_all
    from storekeeper.settings import Settings
    from storekeeper.store import FeatureStore

    settings = Settings.load()
    store = FeatureStore(settings.feature_repo)
    if not store.all_feature_views():
        raise NotFoundError("No feature views are registered. Register them first: storekeeper apply.")
    with console.status("Replaying served vectors") if not quiet else nullcontext():
        return audit_all(store, settings.served_dir, views=views)


def check(report: "AuditReport") -> None:
    """Fail with all that doesn't hold in one message.

    Raises
    ------
    CheckFailedError
        Where nothing explains a difference, served vectors couldn't be compared in full although nothing was
        redefined, or a view's state differs or is missing.
    """
    problems = [*_state_problems(report), *_log_problems(report), *_value_problems(report)]
    if problems:
        raise CheckFailedError(" ".join(problems))


def _state_problems(report: "AuditReport") -> list[str]:
    never = [one.view for one in report.views if not one.materialised]
    lacking = [f"{one.view} ({one.missing:,})" for one in report.views if one.materialised and one.missing]
    problems = []
    if never:
        problems.append(f"Never materialised: {listing(never)}. Build their state: storekeeper materialize.")
    if lacking:
        problems.append(
            f"Entities without online state: {listing(lacking)}. Build it: storekeeper materialize --force."
        )
    return problems


def _log_problems(report: "AuditReport") -> list[str]:
    return [
        f"Vectors of service '{one.service}' could not be compared, or not in full: {one.skipped}. Log them as the "
        f"FeatureReader returned them, with the keys and context that it was given."
        for one in report.served
        if one.unproven
    ]


def _value_problems(report: "AuditReport") -> list[str]:
    differing = report.unexplained + sum(one.differing for one in report.views)
    if not differing:
        return []
    served = [one for _, finding in report.findings() if not finding.is_explained for one in finding.examples]
    values = [(one.feature, one.online, one.offline) for one in served]
    values += [(example.feature, example.online, example.offline) for one in report.views for example in one.examples]
    told = "; ".join(f"{name}: online {left!r}, offline {right!r}" for name, left, right in values[:_SHOWN_IN_ERRORS])
    return [f"{differing:,} values differ between online and offline, and nothing explains it. First: {told}."]


def _write_html(report: "AuditReport", path: Path) -> None:
    from storekeeper.audit.page import write_page

    try:
        write_page(report, path)
    except OSError as error:
        raise UsageError(f"--html names a file to write, but '{path}' can't be written: {error.strerror}.") from error
