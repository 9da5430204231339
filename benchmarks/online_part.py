"""What one part of the online benchmark found: a table, the bars it is held to, and what is worth saying."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.table import Table


@dataclass(frozen=True)
class Bar:
    """One thing that the project is held to.

    Attributes
    ----------
    text
        What, with the figure.
    reached
        Whether it was.
    """

    text: str
    reached: bool


@dataclass(frozen=True)
class Part:
    """Results of one part.

    Attributes
    ----------
    title
        What was measured.
    headings, rows
        A table of text.
    bars
        What is to be reached.
    notes
        What was left out, and why.
    figures
        For machines.
    right
        Whether all contenders gave the same answers.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]
    figures: tuple[dict[str, Any], ...]
    right: bool

    def as_json(self) -> dict[str, Any]:
        """As `of` reads it."""
        return asdict(self)

    @classmethod
    def of(cls, saved: dict[str, Any]) -> Self:
        """What `as_json` wrote."""
        bars = tuple(Bar(**bar) for bar in saved["bars"])
        return cls(**{**saved, "bars": bars, "rows": tuple(map(tuple, saved["rows"]))})


def terminal_table(part: Part) -> Table:
    """For rich."""
    table = Table(title=part.title)
    for number, heading in enumerate(part.headings):
        table.add_column(heading, justify="right" if number > 1 else "left")
    for row in part.rows:
        table.add_row(*row)
    return table


def part_text(part: Part) -> str:
    """For the page."""
    lines = [f"### {part.title}", "", "| " + " | ".join(part.headings) + " |"]
    lines.append("|---|---|" + "--:|" * (len(part.headings) - 2))
    lines += ["| " + " | ".join(row) + " |" for row in part.rows]
    bars = [f"- {'' if bar.reached else '**not reached**: '}{bar.text}" for bar in part.bars]
    return "\n".join([*lines, "", *bars, *(f"- {note}" for note in part.notes)])
