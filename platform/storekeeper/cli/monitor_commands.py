"""`storekeeper monitor`: how fresh online state is, and whether what is served still looks like what was trained on."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from storekeeper.cli.output import Json, console, print_json, print_table
from storekeeper.clock import duration
from storekeeper.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from storekeeper.monitor.drift import FeatureDrift
    from storekeeper.monitor.freshness import ViewFreshness
    from storekeeper.monitor.report import Comparison, MonitorReport

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(monitor)


def monitor(
    service: Annotated[
        str | None, typer.Option(help="Only this feature service, and the views behind it. Default: all.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Vectors served from then on: a span before now (7d, 12h), an instant, or 'all'.")
    ] = "7d",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="Hash of the training set to compare with, or its first digits. Default: each model's own.",
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page with pictures to this file.")] = None,
    fail_on: Annotated[
        Literal["warn", "alert"] | None, typer.Option(help="Exit with code 1 where anything is as bad as this.")
    ] = None,
    psi_warn: Annotated[
        float, typer.Option(envvar="STOREKEEPER_PSI_WARN", help="Stability index from which on drift is a warning.")
    ] = 0.1,
    psi_alert: Annotated[
        float, typer.Option(envvar="STOREKEEPER_PSI_ALERT", help="Stability index from which on it is an alert.")
    ] = 0.25,
    lag_warn_hours: Annotated[
        float,
        typer.Option(envvar="STOREKEEPER_LAG_WARN_HOURS", help="Hours after which state behind its source warns."),
    ] = 26.0,
    lag_alert_hours: Annotated[
        float, typer.Option(envvar="STOREKEEPER_LAG_ALERT_HOURS", help="Hours after which it alerts.")
    ] = 50.0,
    min_vectors: Annotated[
        int, typer.Option(envvar="STOREKEEPER_MIN_VECTORS", help="Served vectors from which on drift is judged.")
    ] = 100,
    json: Json = False,
) -> None:
    """Show how fresh online state is, and how far served features have drifted from what models were trained on."""
    from storekeeper.monitor.limits import Limits
    from storekeeper.monitor.watch import watch
    from storekeeper.settings import Settings
    from storekeeper.store import FeatureStore

    limits = Limits(psi_warn, psi_alert, _hours(lag_warn_hours), _hours(lag_alert_hours), min_vectors)
    settings = Settings.load()
    store = FeatureStore(settings.feature_repo)
    start = since_instant(since, store.clock.now())
    with console.status("Looking at views and served vectors") if not json else nullcontext():
        report = watch(store, settings, limits, service=service, since=start, against=against)
    if html is not None:
        _write_html(report, html)
    if json:
        print_json(report.as_dict())
    else:
        _print_report(report, html)
    if fail_on is not None and (found := report.findings(fail_on)):
        raise CheckFailedError(f"{len(found)} found at the level '{fail_on}' or above: {'; '.join(found)}.")


def since_instant(text: str, now: datetime) -> datetime | None:
    """The instant that `--since` names; None for all.

    >>> since_instant("12h", datetime(2020, 1, 2, tzinfo=UTC)).isoformat()
    '2020-01-01T12:00:00+00:00'

    Raises
    ------
    UsageError
        If it is neither a span, an instant nor `all`.
    """
    if text == "all":
        return None
    try:
        if (span := duration(text)) is not None:
            return now - span
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since takes a span such as 7d or 12h, an instant such as 2017-12-25T00:00:00Z, or 'all'. "
            f"Received: '{text}'."
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _hours(hours: float) -> timedelta:
    try:
        return timedelta(hours=hours)
    except (ValueError, OverflowError):
        raise UsageError(f"A lag is a number of hours. Received: {hours}.") from None


def _write_html(report: "MonitorReport", path: Path) -> None:
    from storekeeper.monitor.page import write_page

    if path.is_dir():
        raise UsageError(f"--html takes the name of a file. Received: '{path}', which is a folder.")
    try:
        write_page(report, path)
    except OSError as error:
        raise UsageError(f"--html: '{path}' can't be written: {error.strerror}.") from error


def _print_report(report: "MonitorReport", html: Path | None) -> None:
    _print_views(report)
    for one in report.comparisons:
        _print_service(one)
    if not report.comparisons:
        when = f"since {report.since:%Y-%m-%d %H:%M} UTC: see --since" if report.since else "yet: storekeeper serve"
        console.print(f"No vectors were served {when}.")
    if report.missing:
        console.print(f"{report.missing:,} vectors were served and are not in the log, nor among these figures.")
    if html is not None:
        console.print(f"Page: {html}", soft_wrap=True)


def _print_views(report: "MonitorReport") -> None:
    from storekeeper.pages.spoken import span

    headings = {
        "view": "left", "status": "left", "lag": "right", "in state": "right", "in source": "right",
        "entities": "right", "pushed": "right",
    }  # fmt: skip
    rows: list[list[Any]] = [
        [v.view, v.status, *map(span, (v.state.lag, v.state.age, v.source_age)), *_sizes(v)] for v in report.views
    ]
    print_table("Freshness: ages of the newest event", headings, rows)
    for view in report.views:
        if view.note:
            console.print(f"{view.view}: {view.note}", soft_wrap=True, markup=False)


def _print_service(one: "Comparison") -> None:
    from rich.markup import escape

    from storekeeper.pages.spoken import chance, figure

    title = f"Service {one.service}: {one.vectors:,} vectors"
    if one.problem:
        console.print(f"{title} not compared: {one.problem}", soft_wrap=True, markup=False)
        return
    headings = {
        "feature": "left", "status": "left", "PSI": "right", "KS": "right", "p": "right", "nulls, training": "right",
        "served": "right",
    }  # fmt: skip
    ranked = one.ranked()
    shown = [f for number, f in enumerate(ranked) if number < _SHOWN or f.status in {"warn", "alert"}]
    rows = [[f.feature, f.status, figure(f.psi), figure(f.ks), chance(f.ks_p), *_nulls(f)] for f in shown]
    if any(f.note for f in shown):
        headings["note"] = "left"
        rows = [[*row, escape(f.note)] for row, f in zip(rows, shown, strict=True)]
    print_table(f"{title} against {one.rows:,} training rows of {one.dataset_hash[:16]}", headings, rows)
    if rest := len(ranked) - len(shown):
        console.print(f"{rest} more features drift less; --json and --html have them all.")


def _sizes(view: "ViewFreshness") -> tuple[int, int]:
    return view.state.entities, view.state.pushed


def _nulls(feature: "FeatureDrift") -> tuple[str, str]:
    from storekeeper.pages.spoken import share

    return share(feature.training_nulls), share(feature.served_nulls)
