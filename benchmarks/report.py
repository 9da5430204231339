"""Results as tables for the terminal and for docs/benchmarks.md, and as pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.runner import ROOT

DOCS = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
_BEGIN = "<!-- results: begin -->"
_END = "<!-- results: end -->"
_HEADINGS = ("contender", "seconds", "runs", "peak MB", "of ours", "answer")


def rows(case: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A case's results as text, one tuple per contender, in the order of `_HEADINGS`."""
    ours = next((each["seconds"] for each in case["results"] if each["contender"] == "storekeeper"), None)
    for each in case["results"]:
        seconds = each["seconds"]
        answer = {"ok": "same", "differs": "**different**"}.get(each["status"], each["status"])
        yield (
            each["contender"],
            f"{seconds:.2f}" if seconds is not None else "–",
            " ".join(f"{run:.2f}" for run in each["runs_seconds"]),
            f"{each['peak_mb']:.0f}" if each["peak_mb"] is not None else "–",
            f"{seconds / ours:.2f}×" if seconds is not None and ours else "–",
            "none" if each["contender"] == "floor" else f"{answer} {each['note']}".strip(),
        )


def terminal_table(case: dict[str, Any]) -> Table:
    """For rich."""
    table = Table(title=case["title"])
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if 0 < number < len(_HEADINGS) - 1 else "left")
    for row in rows(case):
        table.add_row(*row)
    return table


def write_docs(report: dict[str, Any], docs: Path = DOCS, pictures: Path = PICTURES) -> None:
    """Put the results between the marks of docs/benchmarks.md."""
    parts = [_machine_text(report), *(_case_text(case, pictures) for case in report["cases"])]
    put_between((_BEGIN, _END), "".join(parts).rstrip("\n"), docs)


def put_between(marks: tuple[str, str], text: str, docs: Path) -> None:
    """Replace what stands between two marks of a page."""
    before, rest = docs.read_text(encoding="utf-8").split(marks[0])
    _, after = rest.split(marks[1])
    partial = docs.with_suffix(".partial")
    partial.write_text(f"{before}{marks[0]}\n\n{text}\n\n{marks[1]}{after}", encoding="utf-8")
    partial.replace(docs)


def _machine_text(report: dict[str, Any]) -> str:
    machine = report["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"Made by `{report['command']}` on {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:g} GB, {machine['system']}; {versions}. "
        f"The processor was {machine['busy_percent']:.0f} % busy before the run.\n\n"
    )


def _case_text(case: dict[str, Any], pictures: Path) -> str:
    lines = [f"### {case['title']}", "", "| " + " | ".join(_HEADINGS) + " |", "|---|--:|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows(case)]
    if (pictures / f"{case['slug']}.png").exists():
        lines += ["", f"![{case['title']}](benchmarks/{case['slug']}.png)"]
    return "\n".join([*lines, "", ""])


def draw(report: dict[str, Any], pictures: Path = PICTURES) -> None:
    """One picture per case: seconds and peak memory, as bars."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    pictures.mkdir(parents=True, exist_ok=True)
    for case in report["cases"]:
        done = [each for each in reversed(case["results"]) if each["seconds"] is not None]
        if not done:
            continue
        names = [each["contender"] for each in done]
        colours = ["#1f6f54" if name == "storekeeper" else "#b9bfc6" for name in names]
        figure, axes = plt.subplots(1, 2, figsize=(10, 0.8 + 0.4 * len(done)), sharey=True, layout="constrained")
        for axis, key, label in zip(axes, ("seconds", "peak_mb"), ("seconds", "peak memory, MB"), strict=True):
            bars = axis.barh(names, [each[key] for each in done], color=colours)
            axis.bar_label(bars, fmt="%.2f" if key == "seconds" else "%.0f", padding=3)
            axis.set_xlabel(label)
            axis.margins(x=0.15)
            axis.spines[["top", "right"]].set_visible(False)
        figure.suptitle(case["title"], fontsize=10)
        figure.savefig(pictures / f"{case['slug']}.png", dpi=120)
        plt.close(figure)
