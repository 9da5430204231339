"""How fast the online side is beside what one could use instead: `python -m benchmarks.online`."""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import online_materialise, online_push, online_read
from benchmarks.machine import machine_facts
from benchmarks.online_part import Effort, Part, part_text, terminal_tables
from benchmarks.report import DOCS, put_between
from benchmarks.runner import repeatable

_MARKS = ("<!-- online: begin -->", "<!-- online: end -->")
#: What is measured, by name; each is given a scratch folder and tells what it is about to do.
PARTS: Mapping[str, Callable[[Path, Effort, Callable[[str], None]], Part]] = {
    "read": online_read.measure,
    "materialise": online_materialise.measure,
    "push": online_push.measure,
}


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Measure this alone: {', '.join(PARTS)}.")] = None,
    entities: Annotated[int, typer.Option(min=1, help="How many are materialised; by Feast 100,000 at most.")] = 10**6,
    seconds: Annotated[float, typer.Option(min=0, help="How long each contender reads, or pushes, in a case.")] = 1.5,
    runs: Annotated[int, typer.Option(min=1, help="How often each contender materialises.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results and the machine's facts.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the tables into docs/benchmarks.md.")] = False,
    saved: Annotated[Path | None, typer.Option("--from", help="Show a run's JSON instead of running.")] = None,
) -> None:
    """Measure, compare with the bars that the project is held to, and say which weren't met."""
    console = Console()
    if unknown := set(only or ()) - set(PARTS):
        raise typer.BadParameter(f"Nothing is called {sorted(unknown)}. There are: {', '.join(PARTS)}.")
    effort = Effort(entities, min(entities, Effort.feasts_entities), seconds, runs)
    report = _saved(saved) if saved else _measured(only or list(PARTS), effort, console)
    parts = [Part.of(part) for part in report["parts"]]
    for part in parts:
        for table in terminal_tables(part):
            console.print(table)
        for note in part.notes:
            console.print(note, soft_wrap=True)
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if docs:
        put_between(_MARKS, online_text(report, parts), DOCS)
    if not all(part.right for part in parts):
        console.print("Answers differ.")
        raise typer.Exit(1)


def _saved(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def _measured(names: list[str], effort: Effort, console: Console) -> dict[str, Any]:
    machine = machine_facts()
    with tempfile.TemporaryDirectory(prefix="storekeeper-online-") as scratch, console.status("") as status:
        parts = [PARTS[name](Path(scratch) / name, effort, status.update).as_json() for name in names]
    return {"command": repeatable("benchmarks.online", sys.argv[1:]), "machine": machine, "parts": parts}


def online_text(report: dict[str, Any], parts: list[Part]) -> str:
    """For the page."""
    machine = report["machine"]
    made = (
        f"Made by `{report['command']}` on {machine['processor']}, {machine['cores']} cores; the processor was "
        f"{machine['busy_percent']:.0f} % busy before the run."
    )
    return "\n\n".join([made, *map(part_text, parts)])


if __name__ == "__main__":
    typer.run(main)
