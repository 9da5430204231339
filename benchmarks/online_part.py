"""What one part of the online benchmark found: a table, the bars it is held to, and what is worth saying."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.table import Table

_BAR_HEADINGS = ("held to", "bar", "seen", "")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    entities
        How many are materialised by Storekeeper.
    feasts_entities
        How many by Feast, whose stores take minutes for a million.
    seconds
        How long each contender of a case is asked, or pushes.
    runs
        How often each contender materialises.
    """

    entities: int = 1_000_000
    feasts_entities: int = 100_000
    seconds: float = 1.5
    runs: int = 3


@dataclass(frozen=True)
class Bar:
    """One thing that the project is held to.

    Attributes
    ----------
    what
        What is measured.
    wanted, seen
        The bar and the figure, as text.
    reached
        Whether it was.
    """

    what: str
    wanted: str
    seen: str
    reached: bool

    @classmethod
    def least(cls, what: str, seen: float, least: float, unit: str = "") -> Self:
        """A figure that is to be at least so much."""
        return cls(what, f"≥ {_number(least)}{unit}", f"{_number(seen)}{unit}", seen >= least)

    @classmethod
    def most(cls, what: str, seen: float, most: float, unit: str = "") -> Self:
        """A figure that is to be at most so much."""
        return cls(what, f"≤ {_number(most)}{unit}", f"{_number(seen)}{unit}", seen <= most)

    @property
    def row(self) -> tuple[str, ...]:
        """As text, in the order of the headings."""
        return self.what, self.wanted, self.seen, "met" if self.reached else "**missed**"


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


def terminal_tables(part: Part) -> Iterator[Table]:
    """For rich."""
    bars = tuple(tuple(text.strip("*") for text in bar.row) for bar in part.bars)
    for title, headings, rows in ((part.title, part.headings, part.rows), ("Bars", _BAR_HEADINGS, bars)):
        table = Table(title=title)
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number > 1 else "left")
        for row in rows:
            table.add_row(*row)
        yield table


def part_text(part: Part) -> str:
    """For the page."""
    bars = _table(_BAR_HEADINGS, [bar.row for bar in part.bars])
    notes = [f"- {note}" for note in part.notes]
    blocks = [f"### {part.title}", _table(part.headings, part.rows), bars, "\n".join(notes)]
    return "\n\n".join(filter(None, blocks))


def _table(headings: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|---|---|" + "--:|" * (len(headings) - 2)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _number(value: float) -> str:
    """Three digits at least.

    >>> _number(2.0), _number(2.345), _number(150_000)
    ('2', '2.35', '150,000')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
