"""`storekeeper benchmark`: public data sets, each held against its reference figures."""

import shlex
import sys
from typing import Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json, print_table, progress_console

RESULTS_FOLDER = "benchmark"
DOCS_PAGE = "docs/results.md"

Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Measure this one, also if it was before; may be given several times."),
]


def register(app: typer.Typer) -> None:
    """Add this file's command to the command line."""
    app.command()(benchmark)


def benchmark(
    only: Only = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Say which there are and what each lacks, measure none.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    write_docs: Annotated[bool, typer.Option("--write-docs", help=f"Write {DOCS_PAGE} from all kept results.")] = False,
    json: Json = False,
) -> None:
    """Measure our models on public data sets against published figures.

    Results are kept under data/benchmark/, so that an interrupted run goes on where it was. A missing data set or
    package is named and skipped.
    """
    from storekeeper_training.benchmark.registry import all_protocols, find_protocols

    protocols = find_protocols(only or (), all_protocols())
    if list_:
        _print_list(protocols, as_json=json)
        return
    from storekeeper.settings import Settings
    from storekeeper_training.benchmark.runner import run_protocols

    settings = Settings.load()
    results = settings.data_dir / RESULTS_FOLDER
    with progress_console.status("benchmark") as status:

        def tell(name: str, doing: str) -> None:
            status.update(f"{name}: {doing}")

        runs = run_protocols(protocols, results, seed, refresh=bool(only), tell=tell)
    _print_runs(runs, as_json=json)
    if write_docs:
        _write_docs(settings, results, runs, seed)
    if any(run.state == "failed" for run in runs):
        raise typer.Exit(1)


def _print_list(protocols: Any, *, as_json: bool) -> None:
    from storekeeper_training.benchmark.runner import missing

    if as_json:
        fields = ("name", "task", "data", "title", "split")
        print_json([{field: getattr(p, field) for field in fields} | {"lacks": missing(p)} for p in protocols])
        return
    columns = {"benchmark": "left", "task": "left", "what": "left", "split": "left", "lacks": "left"}
    rows = [[p.name, p.task, p.title, p.split, missing(p) or "nothing"] for p in protocols]
    print_table("Benchmarks", columns, rows)


def _print_runs(runs: Any, *, as_json: bool) -> None:
    from storekeeper_training.benchmark.show import terminal_table

    if as_json:
        found = [run.result.as_dict() if run.result else {"name": run.protocol.name} for run in runs]
        states = [{"state": run.state, "reason": run.reason} for run in runs]
        print_json([state | result for state, result in zip(states, found, strict=True)])
        return
    for run in runs:
        if run.result is not None:
            console.print(terminal_table(run, run.result))
    for run in runs:
        if run.result is None:
            console.print(
                f"{run.protocol.name} {run.state}: {run.reason}", markup=False, highlight=False, soft_wrap=True
            )


def _write_docs(settings: Any, results: Any, runs: Any, seed: int) -> None:
    """Write the page from this run and what is kept of the other protocols."""
    from storekeeper_training.benchmark.registry import all_protocols
    from storekeeper_training.benchmark.results import read_result
    from storekeeper_training.benchmark.runner import Run
    from storekeeper_training.benchmark.show import results_page

    by_name = {run.protocol.name: run for run in runs}
    for protocol in all_protocols():
        kept = read_result(results, protocol.name, seed)
        if kept is not None and (protocol.name not in by_name or by_name[protocol.name].result is None):
            by_name[protocol.name] = Run(protocol, "kept", kept)
    ordered = [by_name[protocol.name] for protocol in all_protocols() if protocol.name in by_name]
    page = settings.home / DOCS_PAGE
    page.parent.mkdir(exist_ok=True)
    page.write_text(results_page(ordered, shlex.join(["storekeeper", *sys.argv[1:]])), encoding="utf-8")
    progress_console.print(f"Written: {page}", soft_wrap=True)
