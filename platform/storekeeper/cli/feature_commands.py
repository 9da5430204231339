"""`storekeeper apply` and `materialize`: features declared and made live."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json, print_table, progress_console
from storekeeper.errors import NotFoundError, UsageError, listing


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(apply)
    app.command()(materialize)


def apply(json: Json = False) -> None:
    """Check the feature repo against its sources and register what it declares; nothing is written if it fails."""
    from storekeeper.definitions import plan_view

    store = _open_store()
    with console.status("Checking and registering the feature repo") if not json else _nothing():
        store.apply_repo()
    plans = {view.name: plan_view(view) for view in store.all_feature_views()}
    views = [[name, ", ".join(plan.keys), len(plan.types)] for name, plan in plans.items()]
    services = sorted(service.name for service in store.list_feature_services())
    if json:
        print_json({"views": [{"name": v[0], "features": v[2]} for v in views], "services": services})
        return
    print_table("Feature views", {"view": "left", "join keys": "left", "features": "right"}, views)
    console.print(f"Feature services: {', '.join(services)}")


def materialize(
    view: Annotated[list[str] | None, typer.Option(help="Only this view; may be given several times.")] = None,
    until: Annotated[
        str | None, typer.Option(help="The instant (ISO 8601) to materialise up to. Default: the clock's now.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Also where nothing has changed.")] = False,
    json: Json = False,
) -> None:
    """Build the online state of feature views, as it stands at the clock's now."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from storekeeper.ledger import Ledger, MaterialisationRecord
    from storekeeper.settings import Settings

    store = _open_store()
    views, end, done = _chosen(store, view), _instant(until, store.clock.now()), []
    ledger = Ledger(Settings.load().database_url)
    ledger.find_materialisation(views[0].name)  # so that an unusable ledger is noticed before anything is built
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    quiet = not progress_console.is_terminal
    with Progress(*columns, console=progress_console, transient=True, disable=quiet) as bars:
        bar = bars.add_task("Materialising", total=len(views))
        for chosen in views:
            bars.update(bar, description=f"Materialising {chosen.name}")
            started = time.perf_counter()
            outcome = store.materialise_view(chosen, end, only_changed=not force)
            entities, built = outcome.entities, outcome.done
            at = store.materialised_until(chosen) or end
            if built:
                ledger.record_materialisation(MaterialisationRecord(chosen.name, None, at, entities, datetime.now(UTC)))
            state = "built" if built else "unchanged"
            done.append([chosen.name, entities, state, at.isoformat(), time.perf_counter() - started])
            bars.advance(bar)
    if json:
        print_json([dict(zip(("view", "entities", "state", "until", "seconds"), row, strict=True)) for row in done])
        return
    headings = {"view": "left", "entities": "right", "state": "left", "until": "left", "seconds": "right"}
    print_table("Online state", headings, [[*row[:3], row[3].replace("+00:00", "Z"), row[4]] for row in done])


def _open_store() -> Any:
    from storekeeper.settings import Settings
    from storekeeper.store import FeatureStore

    return FeatureStore(Settings.load().feature_repo)


def _registered(store: Any) -> list[Any]:
    views: list[Any] = store.all_feature_views()
    if not views:
        raise NotFoundError("No feature views are registered. Register them first: storekeeper apply.")
    return views


def _chosen(store: Any, names: list[str] | None) -> list[Any]:
    views = {view.name: view for view in _registered(store)}
    unknown = [name for name in names or [] if name not in views]
    if unknown:
        raise NotFoundError(f"There is no feature view {listing(unknown)}. There are: {listing(views)}.")
    return [views[name] for name in names or views]


def _instant(text: str | None, now: datetime) -> datetime:
    """The instant that was asked for; by default `now`, beyond which nothing has happened yet."""
    if text is None:
        return now
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until takes an instant such as 2017-12-25T00:00:00Z. Received: '{text}'.") from None
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    if instant > now:
        raise UsageError(f"--until must not be after the clock's now, {now.isoformat()}. Received: '{text}'.")
    return instant


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()
