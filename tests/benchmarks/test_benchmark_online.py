"""The online benchmark's report: what is held to a bar, and what the page shows."""

import json

from benchmarks.online import online_text
from benchmarks.online_part import Bar, Part, part_text
from benchmarks.online_read import bars, row

FIGURES = [
    {"backend": "SQLite", "service": "latest", "contender": name, "rows": 100, "calls": 9, "p50_us": p50, "p99_us": p99}
    for name, p50, p99 in (
        ("reader", 20.0, 50.0), ("floor: SELECT and frombuffer", 10.0, 11.0), ("Feast's SQLite store", 900.0, 901.0),
    )
]  # fmt: skip


def test_bars_are_ratios_within_a_run() -> None:
    """The reader is held to the floor's time, to Feast's time, and to its own median."""
    assert [(bar.text, bar.reached) for bar in bars(FIGURES)] == [
        ("latest, SQLite, 100 rows: 2.00 times the floor at p50 (at most 2)", True),
        ("latest, SQLite, 100 rows: 45 times faster than Feast at p50 (at least 50)", False),
        ("latest, SQLite, 100 rows: p99 is 2.5 times p50 (at most 3)", True),
    ]


def test_rows_say_how_many_times_the_floor() -> None:
    """Each contender's median stands beside the floor's of the same case."""
    assert row(FIGURES[0], FIGURES) == ("latest, SQLite", "reader", "100", "20", "50", "2.00×")


def test_the_page_shows_what_was_not_reached() -> None:
    """A saved part is shown as it was measured, its bars and notes below the table."""
    part = Part(
        "Reading", ("a", "b", "c"), (("x", "y", "1"),), (Bar("slow", False), Bar("fast", True)), ("left",), (), True
    )
    again = Part.of(json.loads(json.dumps(part.as_json())))
    assert part_text(again) == part_text(part)
    machine = {"processor": "P", "cores": 2, "busy_percent": 0.0}
    text = online_text({"command": "python -m benchmarks.online", "machine": machine}, [again])
    assert "| x | y | 1 |\n\n- **not reached**: slow\n- fast\n- left" in text
