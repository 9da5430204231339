"""How time grows with events and with spine rows: `python -m benchmarks.growth`."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.cases import Case, short
from benchmarks.data import files_of
from benchmarks.machine import machine_facts
from benchmarks.report import DOCS, PICTURES, put_between
from benchmarks.runner import ROOT, Result, repeatable, run_once

_MARKS = ("<!-- growth: begin -->", "<!-- growth: end -->")
_STEPS = (1, 3, 10, 30, 100)
_MEMORY_LIMIT = "8GB"
_HEADINGS = ("grows", "events", "spine rows", "seconds", "µs a row", "peak MB", "floor, s")


def main(
    base: Annotated[int, typer.Option(min=1, help="Rows at the first step; the last has as many as --most.")] = 10**6,
    most: Annotated[int, typer.Option(min=1, help="Largest number of events, and of spine rows.")] = 10**8,
    data: Annotated[Path, typer.Option(help="Where the data is kept.")] = ROOT / "data" / "benchmarks",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which a run is stopped.")] = 900,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results and the machine's facts.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put table and picture into docs/benchmarks.md.")] = False,
    saved: Annotated[Path | None, typer.Option("--from", help="Show a run's JSON instead of running.")] = None,
) -> None:
    """Four windows × four features in one retrieval, streamed, as the history grows and as the spine grows."""
    console = Console()
    if saved:
        report = json.loads(saved.read_text(encoding="utf-8"))
    else:
        os.environ["STOREKEEPER_MEMORY_LIMIT"] = _MEMORY_LIMIT
        points = list(_measured(base, most, data.resolve(), timeout, console))
        command = repeatable("benchmarks.growth", sys.argv[1:])
        report = {"command": command, "machine": machine_facts(), "points": points}
    console.print(_terminal(report))
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if docs:
        draw(report)
        put_between(_MARKS, growth_text(report), DOCS)
    if any(point["status"] != "ok" for point in report["points"]):
        raise typer.Exit(1)


def cases_of(base: int, most: int) -> list[tuple[str, Case]]:
    """What grows, and each size of it; a hundred events an entity."""
    sizes = [base * step for step in _STEPS if base * step <= most]
    growing = [("events", base, size) for size in sizes] + [("spine rows", size, base) for size in sizes[1:]]
    return [(what, Case("windows", "growth", spine, events, max(events // 100, 1))) for what, spine, events in growing]


def _measured(base: int, most: int, data: Path, timeout: float, console: Console) -> Iterator[dict[str, Any]]:
    toy = files_of(Case("windows", "toy", 50, 500, 5), data)
    with console.status("") as status:
        for what, case in cases_of(base, most):
            status.update(f"{case.title}: writing data")
            files = files_of(case, data)
            status.update(case.title)
            ours = _run("streamed", files, toy, data, timeout)
            # A larger spine asks nothing more of the floor, which only reads and sorts the events.
            floor = _run("floor", files, toy, data, timeout) if what == "events" else None
            yield {
                "grows": what, "events": case.event_rows, "spine_rows": case.spine_rows,
                "floor_seconds": floor.as_json()["seconds"] if floor else None, **ours.as_json(),
            }  # fmt: skip


def _run(contender: str, files: Path, toy: Path, data: Path, timeout: float) -> Result:
    result = Result(contender, "")
    run_once(result, "windows", files, toy, data / f".{contender}.parquet", timeout)
    return result


def rows(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Points as text, in the order of the headings."""
    for point in report["points"]:
        seconds, floor = point["seconds"], point["floor_seconds"]
        size = point["events"] if point["grows"] == "events" else point["spine_rows"]
        yield (
            point["grows"], short(point["events"]), short(point["spine_rows"]),
            f"{seconds:.2f}" if seconds else point["note"], f"{seconds / size * 1e6:.2f}" if seconds else "–",
            f"{point['peak_mb']:.0f}" if seconds else "–", f"{floor:.2f}" if floor else "–",
        )  # fmt: skip


def _terminal(report: dict[str, Any]) -> Table:
    table = Table(*_HEADINGS, title="How time grows")
    for row in rows(report):
        table.add_row(*row)
    return table


def growth_text(report: dict[str, Any]) -> str:
    """For the page."""
    lines = [f"Made by `{report['command']}`, memory limit {_MEMORY_LIMIT}, one run a point.", ""]
    lines += ["| " + " | ".join(_HEADINGS) + " |", "|---|" + "--:|" * (len(_HEADINGS) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(report)]
    return "\n".join([*lines, "", "![How time grows](benchmarks/growth.png)"])


def draw(report: dict[str, Any], pictures: Path = PICTURES) -> None:
    """Seconds over events, and over spine rows; a dotted line shows what growing in proportion would be."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    pictures.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, what, key in zip(axes, ("events", "spine rows"), ("events", "spine_rows"), strict=True):
        shared = report["points"][:1] if what != "events" else []
        points = shared + [point for point in report["points"] if point["grows"] == what and point["seconds"]]
        sizes = [point[key] for point in points]
        axis.loglog(sizes, [point["seconds"] for point in points], "o-", color="#1f6f54", label="Storekeeper")
        floors = [(point[key], point["floor_seconds"]) for point in points if point["floor_seconds"]]
        if len(floors) > 1:
            axis.loglog(*zip(*floors, strict=True), "s-", color="#b9bfc6", label="floor: read and sort once")
        in_proportion = [points[-1]["seconds"] * size / sizes[-1] for size in sizes]
        axis.loglog(sizes, in_proportion, ":", color="#555555", label="in proportion")
        axis.set(xlabel=what, ylabel="seconds")
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(pictures / "growth.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    typer.run(main)
