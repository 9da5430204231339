"""The one command: `python -m benchmarks.point_in_time`."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from benchmarks.cases import LARGE, SMALL, Case, Kind, latest
from benchmarks.machine import machine_facts
from benchmarks.report import draw, terminal_table, write_docs
from benchmarks.runner import ROOT, Plan, repeatable, run_case, unknown_contenders

KINDS: tuple[Kind, ...] = ("latest", "windows")


def main(
    only: Annotated[Literal["latest", "windows"] | None, typer.Option(help="One kind of case.")] = None,
    case: Annotated[str | None, typer.Option(help="One case by its name: latest, dense or sparse.")] = None,
    large: Annotated[bool, typer.Option("--large", help="The sizes that the project is held to.")] = False,
    spine: Annotated[int | None, typer.Option(min=1, help="Spine rows, instead of the usual sizes.")] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Rows of each source.")] = None,
    entities: Annotated[int | None, typer.Option(min=1, help="Distinct keys; by default a hundredth of rows.")] = None,
    contender: Annotated[list[str] | None, typer.Option(help="Only this contender; may be repeated.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the median counts.")] = 3,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which a contender's run is stopped.")] = 300,
    data: Annotated[Path, typer.Option(help="Where the data is kept.")] = ROOT / "data" / "benchmarks",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results and the machine's facts.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw pictures into docs/benchmarks/.")] = False,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the results into docs/benchmarks.md.")] = False,
    saved: Annotated[Path | None, typer.Option("--from", help="Show a run's JSON instead of running.")] = None,
) -> None:
    """Retrieve features by every contender, side by side, and compare answers, time and memory."""
    console = Console()
    if unknown := unknown_contenders(contender or []):
        raise typer.BadParameter(f"There is no contender {', '.join(unknown)}; see docs/benchmarks.md.")
    if saved:
        report = json.loads(saved.read_text(encoding="utf-8"))
    else:
        plan = Plan(runs, timeout, data.resolve(), tuple(contender or ()))
        cases = chosen_cases(only, case, large=large, spine=spine, events=events, entities=entities)
        report = run(cases, plan, console)
    for each in report["cases"]:
        console.print(terminal_table(each))
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if plot:
        draw(report)
    if docs:
        write_docs(report)
    if any(result["status"] in ("differs", "failed") for each in report["cases"] for result in each["results"]):
        raise typer.Exit(1)


def run(cases: list[Case], plan: Plan, console: Console) -> dict[str, Any]:
    """Run the cases and say what ran, on what."""
    report: dict[str, Any] = {
        "command": repeatable("benchmarks.point_in_time", sys.argv[1:]),
        "machine": machine_facts(),
        "cases": [],
    }
    with console.status("") as status:
        for each in cases:
            report["cases"].append(run_case(each, plan, status.update))
    return report


def chosen_cases(
    only: Kind | None,
    name: str | None,
    *,
    large: bool,
    spine: int | None,
    events: int | None,
    entities: int | None,
) -> list[Case]:
    """Cases as asked for; a size given replaces the usual ones."""
    cases = [each for each in (LARGE if large else SMALL) if only in (None, each.kind) and name in (None, each.name)]
    if not cases:
        raise typer.BadParameter(f"There is no case {name} of kind {only}; there are latest, dense and sparse.")
    if spine is None and events is None and entities is None:
        return cases
    resized: dict[Kind, Case] = {}
    for each in cases:
        rows = events or each.event_rows
        usual = latest(1, rows).entities
        size = replace(each, spine_rows=spine or each.spine_rows, event_rows=rows, entities=entities or usual)
        resized.setdefault(each.kind, size if each.kind == "latest" else replace(size, name="given"))
    return list(resized.values())


if __name__ == "__main__":
    typer.run(main)
