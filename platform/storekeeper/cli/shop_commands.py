"""`storekeeper load`: a real or simulated shop into the canonical schema."""

from typing import Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json, print_table, progress_console


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(load)


def load(
    shop: Annotated[str, typer.Argument(help="Which shop: complete-journey, online-retail or simulated.")],
    origin: Annotated[str | None, typer.Option("--from", help="online-retail: the file, or its folder.")] = None,
    customers: Annotated[int | None, typer.Option(help="simulated: how many customers.")] = None,
    days: Annotated[int | None, typer.Option(help="simulated: how many days.")] = None,
    seed: Annotated[int | None, typer.Option(help="simulated: which of the shops of that size.")] = None,
    start: Annotated[str | None, typer.Option(help="simulated: the first day, such as 2024-01-01.")] = None,
    products: Annotated[int | None, typer.Option(help="simulated: how many products.")] = None,
    force: Annotated[bool, typer.Option(help="Load again even if nothing has changed.")] = False,
    json: Json = False,
) -> None:
    """Load a shop: slow-changing tables into SQL, behaviour into DuckDB; broken rows are set aside and reported."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from storekeeper.ledger import Ledger, LoadRecord
    from storekeeper.settings import Settings
    from storekeeper.shop import find_loader

    given = {
        "from": origin,
        "customers": customers,
        "days": days,
        "seed": seed,
        "start": start,
        "products": products,
    }
    options = {name: value for name, value in given.items() if value is not None}
    loader, settings = find_loader(shop, options), Settings.load()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    quiet = not progress_console.is_terminal
    with Progress(*columns, console=progress_console, transient=True, disable=quiet) as bars:
        bar = bars.add_task("Loading", total=None)

        def show(step: str, done: int, total: int) -> None:
            bars.update(bar, description=step, completed=done, total=total)

        report = loader.load(settings, show, force=force)
    if not report.already_loaded:
        record = LoadRecord(
            report.loader, report.source_fingerprint, report.started_at, report.finished_at, report.as_dict()
        )
        Ledger(settings.database_url).record_load(record)
    if json:
        print_json(report.as_dict())
        return
    if report.already_loaded:
        console.print(f"{shop} is loaded already and unchanged: {report.event_count:,} events. (--force loads again)")
        return
    _print_report(shop, report)


def _print_report(shop: str, report: Any) -> None:
    rows = [["events", name, count] for name, count in report.events.items()]
    rows += [["rows in SQL", name, count] for name, count in report.tables.items()]
    for source, reasons in report.rejects.items():
        rows += [["set aside", f"{source}: {reason}", count] for reason, count in reasons.items()]
    rows += [["adjusted", reason, count] for reason, count in report.adjustments.items()]
    rows += [["warning", reason, count] for reason, count in report.warnings.items()]
    print_table(f"{shop}, loaded in {report.seconds:.1f} s", {"": "left", "what": "left", "count": "right"}, rows)
