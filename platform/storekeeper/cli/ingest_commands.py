"""`storekeeper ingest`: raw events from a file, a pipe or a stream into the windows of every view over their source."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from storekeeper.cli.output import Json, console, print_json, print_table, progress_console
from storekeeper.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from storekeeper.ingest.pusher import EventPusher
    from storekeeper.ingest.redis_stream import Broker
    from storekeeper.ingest.run import Summary

_URL_VARIABLE = "STOREKEEPER_REDIS_URL"


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(ingest)


def ingest(
    source: Annotated[str, typer.Argument(help="The push source.")],
    file: Annotated[str | None, typer.Argument(help="The file with the events; - or none for standard input.")] = None,
    format_: Annotated[
        Literal["ndjson", "arrow", "parquet", "csv"] | None,
        typer.Option("--format", help="Default: what the file's name tells; ndjson from standard input."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Events that are pushed at once, and held in memory.")] = 5000,
    to: Annotated[
        Literal["online", "offline", "both"],
        typer.Option(
            help="Where events go. State counts each once; history gets again what is sent again, also by a retry."
        ),
    ] = "online",
    rejects: Annotated[
        Path | None,
        typer.Option(help="Write rejected events to this file, as newline JSON; of a stream, behind what is in it."),
    ] = None,
    allow_rejects: Annotated[bool, typer.Option("--allow-rejects", help="Exit with 0 all the same.")] = False,
    stream: Annotated[Literal["redis"] | None, typer.Option(help="Read a stream until stopped, not a file.")] = None,
    stream_key: Annotated[str | None, typer.Option(help="Key of the stream.")] = None,
    group: Annotated[str | None, typer.Option(help="Group of consumers that share the stream's entries.")] = None,
    consumer: Annotated[
        str | None, typer.Option(help="This consumer's name in the group. Default: one that no other has.")
    ] = None,
    stream_field: Annotated[
        str, typer.Option(help="Field of the stream's entries that holds an event as a JSON object.")
    ] = "event",
    url_env: Annotated[
        str, typer.Option(help="The environment variable that holds the URL of the stream's server.")
    ] = _URL_VARIABLE,
    claim_after: Annotated[
        float, typer.Option(min=0.001, help="Seconds after which what another consumer holds is taken over.")
    ] = 60.0,
    drain: Annotated[bool, typer.Option("--drain", help="Stop when nothing is left in the stream.")] = False,
    json: Json = False,
) -> None:
    """Push raw events: windows show them at once, and an event that is pushed again counts once.

    Events that can't be kept are rejected one by one. Exit code 1 if there are any. Ctrl-C finishes the batch in hand.
    """
    from feast.data_source import PushMode

    from storekeeper.ingest.pusher import EventPusher
    from storekeeper.settings import Settings
    from storekeeper.store import FeatureStore

    broker = _broker(stream, stream_key, group, consumer, stream_field, url_env, claim_after, drain, file, format_)
    if rejects is not None and file is not None and rejects.resolve() == Path(file).resolve():
        raise UsageError("--rejects names the file that the events are read from. Name another.")
    modes = {"online": PushMode.ONLINE, "offline": PushMode.OFFLINE, "both": PushMode.ONLINE_AND_OFFLINE}
    pusher = EventPusher(FeatureStore(Settings.load().feature_repo), source, modes[to])
    started = time.perf_counter()
    summary, stopped = _run(pusher, broker, drain, file or "-", format_, batch, rejects)
    _show(source, summary, time.perf_counter() - started, rejects, json)
    _check(summary, allow_rejects, stopped=stopped and broker is None)


def _run(
    pusher: "EventPusher",
    broker: "Broker | None",
    drain: bool,
    file: str,
    format_: Any,
    size: int,
    rejects: Path | None,
) -> "tuple[Summary, bool]":
    """What became of the events, and whether a stop was wanted."""
    from storekeeper.ingest.files import format_of
    from storekeeper.ingest.reading import reading
    from storekeeper.ingest.redis_stream import EventStream, connected
    from storekeeper.ingest.rejects import writing_rejects
    from storekeeper.ingest.run import ingest as ingest_all
    from storekeeper.ingest.stopping import Stop

    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        if broker is None:
            batches = stack.enter_context(reading(file, format_ or format_of(file), size, pusher, stop))
        else:
            batches = EventStream(stack.enter_context(connected(broker)), broker, size).batches(stop, drain=drain)
        keep = stack.enter_context(writing_rejects(rejects, append=broker is not None))
        tell = stack.enter_context(_progress())
        return ingest_all(batches, pusher, keep, stop, tell), stop.wanted


def _broker(
    stream: str | None,
    key: str | None,
    group: str | None,
    consumer: str | None,
    field: str,
    url_env: str,
    claim_after: float,
    drain: bool,
    file: str | None,
    format_: str | None,
) -> "Broker | None":
    """The stream that was asked for; None where it is a file."""
    if stream is None:
        named = {"--stream-key": key, "--group": group, "--consumer": consumer, "--drain": drain or None}
        if given := [option for option, value in named.items() if value is not None]:
            raise UsageError(f"{', '.join(given)} belongs to a stream. Add --stream redis, or leave it out.")
        return None
    if file is not None or format_ is not None:
        raise UsageError("Events come from a file or from a stream. Leave the file and --format out, or --stream.")
    if not key or not group:
        raise UsageError("--stream redis needs --stream-key KEY and --group GROUP.")
    from storekeeper.ingest.redis_stream import Broker, own_name

    return Broker(url_env, key, group, consumer or own_name(), field, claim_after)


@contextmanager
def _progress() -> "Iterator[Callable[[Summary], None]]":
    """On a terminal, how many events have come and at which rate."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    quiet, started = not progress_console.is_terminal, time.perf_counter()
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_console, transient=True, disable=quiet) as bars:
        bar = bars.add_task("Waiting for events")

        def tell(summary: "Summary") -> None:
            rate = summary.events / max(time.perf_counter() - started, 1e-9)
            bars.update(bar, description=f"{summary.events:,} events, {rate:,.0f}/s, {summary.rejected:,} rejected")

        yield tell


def _show(source: str, summary: "Summary", seconds: float, rejects: Path | None, json: bool) -> None:
    from rich.markup import escape

    if json:
        rate = summary.events / seconds if seconds else 0.0
        print_json({"source": source, **summary.as_dict(), "seconds": seconds, "events_per_second": rate})
        return
    rows: list[list[Any]] = [["accepted", "", summary.accepted], ["duplicates", "", summary.duplicates]]
    rows += [["rejected", escape(reason), count] for reason, count in summary.reasons.most_common()]
    title = f"{source}: {summary.events:,} events in {seconds:.1f} s, {summary.events / max(seconds, 1e-9):,.0f}/s"
    print_table(title, {"": "left", "why": "left", "events": "right"}, rows)
    for one in summary.examples:
        console.print(f"{one.place}: {one.reason}", soft_wrap=True, markup=False)
    if rejects is not None and summary.rejected:
        console.print(f"Rejects: {rejects}", soft_wrap=True, markup=False)


def _check(summary: "Summary", allow_rejects: bool, *, stopped: bool) -> None:
    problems = []
    if stopped:
        problems.append("Stopped before the end of the events. Run it again: what was pushed counts as duplicates.")
    if summary.rejected and not allow_rejects:
        problems.append(f"{summary.rejected:,} of {summary.events:,} events were rejected. See --rejects.")
    if problems:
        raise CheckFailedError(" ".join(problems))
