"""`storekeeper apply` and `materialize`: features declared and made live."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    from storekeeper.database import make_missing_file
    from storekeeper.definitions import plan_view
    from storekeeper.settings import Settings

    store = _open_store()
    with console.status("Checking and registering the feature repo") if not json else _nothing():
        store.apply_repo()
        # Where no shop is loaded, nothing else makes the ledger.
        make_missing_file(Settings.load().database_url)
    plans = {view.name: plan_view(view) for view in store.all_feature_views()}
    views = [[name, ", ".join(plan.keys), len(plan.types)] for name, plan in plans.items()]
    services = sorted(service.name for service in store.list_feature_services())
    if json:
        print_json({"views": [{"name": v[0], "features": v[2]} for v in views], "services": services})
        return
    print_table("Feature views", {"view": "left", "join keys": "left", "features": "right"}, views)
    console.print(f"Feature services: {', '.join(services)}")


def materialize(
    view: Annotated[
        list[str] | None, typer.Option("--view", "--views", help="Only this view; may be given several times.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="The instant (ISO 8601) to materialise up to. Default: the clock's now.")
    ] = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Read only what may have changed since the last time.")
    ] = False,
    lookback: Annotated[
        str | None,
        typer.Option(
            help="How far before the last time --incremental looks for rows that came late, such as 36h. Default: "
            "online_store.lookback in feature_store.yaml, else 1d."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Also where nothing has changed.")] = False,
    json: Json = False,
) -> None:
    """Build the online state of feature views, as it stands at the clock's now. Ctrl-C leaves a view's old state."""
    from storekeeper.cli.retrieval_bars import retrieval_bars
    from storekeeper.clock import parse_duration
    from storekeeper.ledger import Ledger
    from storekeeper.settings import Settings

    if lookback is not None and not incremental:
        raise UsageError("--lookback says how far back --incremental looks. Give both, or neither.")
    store = _open_store()
    views, end = _chosen(store, view), _instant(until, store.clock.now())
    done: list[Any] = []
    ledger = Ledger(Settings.load().database_url)
    ledger.find_materialisation(views[0].name)  # so that an unusable ledger is noticed before anything is built
    back = None if lookback is None else parse_duration(lookback, "--lookback")
    with _interruptible(views, done), retrieval_bars(progress_console):
        for outcome in store.materialise_views(
            views, end, only_changed=not force, incremental=incremental, lookback=back
        ):
            if outcome.done:
                ledger.record_materialisation(_record(outcome))
            done.append(outcome)
    if json:
        print_json([_outcome_dict(outcome) for outcome in done])
        return
    print_table("Online state", _OUTCOME_HEADINGS, [_outcome_row(outcome) for outcome in done])


@contextmanager
def _interruptible(views: Sequence[Any], done: Sequence[Any]) -> Iterator[None]:
    """Ctrl-C says which views are left to do."""
    try:
        yield
    except KeyboardInterrupt:
        left = " ".join(f"--view {view.name}" for view in views[len(done) :])
        typer.echo(
            f"Interrupted: {len(done)} of {len(views)} views are done, and the others keep the state that they had. "
            f"Run it again for them: storekeeper materialize {left}",
            err=True,
        )
        raise typer.Exit(_INTERRUPTED) from None


# As a shell has it: 128 and the signal's number.
_INTERRUPTED = 130
_OUTCOME_HEADINGS = {"view": "left", "entities": "right", "state": "left", "until": "left", "seconds": "right"}
_STATES = {"full": "built", "incremental": "updated", "unchanged": "unchanged"}


def _outcome_row(outcome: Any) -> list[Any]:
    until = outcome.until.isoformat().replace("+00:00", "Z")
    return [outcome.view, outcome.entities, _STATES[outcome.kind], until, outcome.seconds]


def _outcome_dict(outcome: Any) -> dict[str, Any]:
    return {
        "view": outcome.view,
        "entities": outcome.entities,
        "state": _STATES[outcome.kind],
        "from": outcome.start.isoformat() if outcome.start else None,
        "until": outcome.until.isoformat(),
        "rows_read": outcome.rows_read,
        "settled": outcome.settled,
        "seconds": outcome.seconds,
    }


def _record(outcome: Any) -> Any:
    from storekeeper.ledger import MaterialisationRecord

    return MaterialisationRecord(
        view=outcome.view, start=outcome.start, end=outcome.until, rows=outcome.entities,
        finished_at=datetime.now(UTC), rows_read=outcome.rows_read, settled=outcome.settled,
        seconds=outcome.seconds, kind=outcome.kind,
    )  # fmt: skip


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
