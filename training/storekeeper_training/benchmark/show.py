"""The reference table: as a table in the terminal, and as a page of the documentation."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from storekeeper_training.benchmark.protocol import Figure, Outcome
from storekeeper_training.benchmark.results import Result
from storekeeper_training.benchmark.runner import Run

# Title in the terminal, where 80 characters must do, and side.
HEADINGS = {
    "model": "left",
    "metric": "left",
    "figure": "right",
    "95 %": "right",
    "ref.": "right",
    "target": "right",
    "met": "left",
    "s": "right",
}

_SHORT = {"average_precision": "AP", "auc": "AUC", "log_loss": "log loss"}

_INTRODUCTION = """# Results on public data

Our models held against published or earlier figures. Everything is chosen on training and validation rows; test rows
are scored once, after all choices. `95 %` is a bootstrap interval over the test rows. `*` marks the model that
validation chose; the others are shown so that the choice can be judged. `s` is what a model's whole path took, its
validation included; memory is the greatest resident one of the protocol's process, imports included.

    export STOREKEEPER_DATASETS=/path/to/public/data
    storekeeper benchmark --write-docs          # what is measured is kept; --only NAME measures one again
"""


def terminal_table(run: Run, result: Result) -> Table:
    """A protocol's figures for the terminal; in bold those of the model that validation chose."""
    outcome, protocol = result.outcome, run.protocol
    counts = ", ".join(f"{part} {rows:,}" for part, rows in outcome.rows.items())
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
        title=f"{protocol.name}: {protocol.title}",
        caption=f"{counts}; {sum(outcome.seconds.values()):.0f} s, {outcome.peak_memory_mb:,.0f} MB ({run.state})\n",
    )
    for title, side in HEADINGS.items():
        table.add_column(title, justify="right" if side == "right" else "left", no_wrap=True)
    for figure in outcome.figures:
        table.add_row(*_cells(figure, outcome), style="bold" if figure.model == outcome.chosen else None)
    return table


def results_page(runs: Sequence[Run], command: str) -> str:
    """The page in Markdown: a section a protocol with its split, figures and notes."""
    sections = [_INTRODUCTION, _summary(runs), *(_section(run) for run in runs if run.result is not None)]
    measured = [run.result for run in runs if run.result is not None]
    if measured:
        sections.append(f"Made by `{command}` on {machine_line(measured[-1].machine)}.\n")
    if skipped := [run for run in runs if run.result is None]:
        lines = "\n".join(f"- {run.protocol.name} ({run.state}): {_portable(run.reason)}" for run in skipped)
        sections.append(f"Not measured:\n\n{lines}\n")
    return "\n".join(sections)


def machine_line(machine: Mapping[str, Any]) -> str:
    """A machine's facts in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    hardware = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}"
    return f"{hardware}; {versions}; load before the run {machine['load']}"


def _cells(figure: Figure, outcome: Outcome) -> list[str]:
    """A figure's cells, as `HEADINGS` names them; a model's time stands at its first figure."""
    first = next(other for other in outcome.figures if other.model == figure.model)
    seconds = outcome.seconds.get(figure.model) if first is figure else None
    named = f"{figure.model} *" if figure.model == outcome.chosen else figure.model
    cost = "" if seconds is None else f"{seconds:.1f}"
    return [named, _SHORT.get(figure.metric, figure.metric), *_numbers(figure), cost]


def _numbers(figure: Figure) -> list[str]:
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.3f}–{figure.high:.3f}"
    sign = "≥" if figure.better == "greater" else "≤"
    return [
        f"{figure.value:.4f}",
        interval,
        "" if figure.reference is None else f"{figure.reference:.3f}",
        "" if figure.target is None else f"{sign} {figure.target:g}",
        "" if figure.met is None else "yes" if figure.met else "no",
    ]


def _summary(runs: Sequence[Run]) -> str:
    """The figures that have a target, over all protocols."""
    headings = ["benchmark", "model", "metric", "figure", "95 %", "reference", "target", "met"]
    rows = [
        [f"[{run.protocol.name}](#{run.protocol.name})", *_cells(figure, run.result.outcome)[:-1]]
        for run in runs
        if run.result is not None
        for figure in run.result.outcome.figures
        if figure.target is not None
    ]
    return _markdown(headings, rows)


def _section(run: Run) -> str:
    """A protocol's section."""
    if run.result is None:
        return ""
    outcome, protocol = run.result.outcome, run.protocol
    counts = ", ".join(f"{part} {rows:,}" for part, rows in outcome.rows.items())
    table = _markdown(list(HEADINGS), [_cells(figure, outcome) for figure in outcome.figures])
    sources = sorted({f"{f.reference:g}: {f.source}" for f in outcome.figures if f.reference is not None and f.source})
    lines = [*outcome.notes, *(f"Reference {source}" for source in sources)]
    notes = "".join(f"- {line}\n" for line in lines)
    head = f"## {protocol.name}\n\n{protocol.title}. Split: {protocol.split}. Rows: {counts}."
    head += f" {sum(outcome.seconds.values()):.0f} s, {outcome.peak_memory_mb:,.0f} MB, seed {run.result.seed}."
    return f"{head}\n\n{table}\n{notes}"


def _markdown(headings: list[str], rows: list[list[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _portable(reason: str) -> str:
    """A reason without the folders of this machine."""
    return re.sub(r"'(/[^']*)'", lambda found: f"'{Path(found[1]).name}'", reason)
