"""How fast the online side is beside what one could use instead: `python -m benchmarks.online`."""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import online_read
from benchmarks.machine import machine_facts
from benchmarks.online_part import Part, part_text, terminal_table
from benchmarks.report import DOCS, put_between
from benchmarks.runner import repeatable

_MARKS = ("<!-- online: begin -->", "<!-- online: end -->")
#: What is measured, by name; each is given a scratch folder and tells what it is about to do.
PARTS: Mapping[str, Callable[[Path, Callable[[str], None]], Part]] = {"read": online_read.measure}


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Measure this alone: {', '.join(PARTS)}.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results and the machine's facts.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the tables into docs/benchmarks.md.")] = False,
    saved: Annotated[Path | None, typer.Option("--from", help="Show a run's JSON instead of running.")] = None,
) -> None:
    """Measure, compare with the bars that the project is held to, and say which weren't reached."""
    console = Console()
    if unknown := set(only or ()) - set(PARTS):
        raise typer.BadParameter(f"Nothing is called {sorted(unknown)}. There are: {', '.join(PARTS)}.")
    report = json.loads(saved.read_text(encoding="utf-8")) if saved else _measured(only or list(PARTS), console)
    parts = [Part.of(part) for part in report["parts"]]
    for part in parts:
        console.print(terminal_table(part))
        for bar in part.bars:
            console.print(f"{'reached' if bar.reached else 'NOT reached'}: {bar.text}", soft_wrap=True)
        for note in part.notes:
            console.print(note, soft_wrap=True)
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if docs:
        put_between(_MARKS, online_text(report, parts), DOCS)
    if not all(part.right for part in parts):
        console.print("Answers differ.")
        raise typer.Exit(1)


def _measured(names: list[str], console: Console) -> dict[str, Any]:
    machine = machine_facts()
    with tempfile.TemporaryDirectory(prefix="storekeeper-online-") as scratch, console.status("") as status:
        parts = [PARTS[name](Path(scratch) / name, status.update).as_json() for name in names]
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
