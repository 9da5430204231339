"""The online benchmark: every part runs, contenders agree, and what is held to a bar stands on the page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import online_materialise, online_push
from benchmarks.online import PARTS, online_text
from benchmarks.online_part import Bar, Part, part_text
from benchmarks.online_read import bars, row

ROOT = Path(__file__).parents[2]
BACKENDS = {"read": {"SQLite", "Redis"}, "materialise": {"SQLite", "Redis"}, "push": {"SQLite", "Redis", "PostgreSQL"}}
FIGURES = [
    {"backend": "SQLite", "service": service, "contender": name, "rows": 100, "calls": 9, "p50_us": p50, "p99_us": p99}
    for service, name, p50, p99 in (
        ("latest", "reader", 20.0, 50.0), ("latest", "get_online_features", 90.0, 99.0),
        ("latest", "floor: SELECT and frombuffer", 10.0, 11.0), ("latest", "Feast's SQLite store", 900.0, 901.0),
        ("windows", "reader", 80.0, 80.0),
    )
]  # fmt: skip
MATERIALISED = [
    {
        "backend": "Redis", "contender": name, "entities": 1_000, "runs_seconds": [1.0], "seconds": 1.0,
        "rows_a_second": rate, "peak_mb": 1_536.0, "differs": None,
    }
    for name, rate in (("storekeeper", 50_000.0), ("feast", 10_000.0))
]  # fmt: skip
PUSHED = [
    {"backend": "SQLite", "contender": name, "size": size, "events": 5, "events_a_second": rate, "p50_ms": 1.0}
    for name, size, rate in (
        ("Storekeeper, 4 views", 1_000, 20_000.0), ("Storekeeper, 4 views", 1, 100.0),
        ("Feast's own, latest", 1_000, 5_000.0),
    )
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_all_contenders_of_a_part_give_the_same_answer(part: str, tmp_path: Path) -> None:
    """The command measures everybody on each store, ends well only if they agree, and tells every bar."""
    out = tmp_path / "out.json"
    command = ["-W", "ignore", "-m", "benchmarks.online", "--only", part, "--entities", "300", "--seconds", "0.01"]
    done = subprocess.run(
        [sys.executable, *command, "--runs", "1", "--json", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = map(Part.of, json.loads(out.read_text(encoding="utf-8"))["parts"])
    left_out = {name for name in BACKENDS[part] if any(note.startswith(f"{name} was left out") for note in found.notes)}
    assert {figure["backend"] for figure in found.figures} == BACKENDS[part] - left_out
    assert found.right
    assert found.bars
    assert len(found.rows) == len(found.figures)


def test_reading_is_held_to_ratios_within_a_run() -> None:
    """Readers are held to the floor's time, to Feast's, to their own median, and windows to latest values."""
    assert [(bar.what, bar.wanted, bar.seen, bar.reached) for bar in bars(FIGURES)] == [
        ("latest, SQLite, 100 rows: reader's p50, of the floor's", "≤ 2×", "2×", True),
        ("latest, SQLite, 100 rows: reader, times faster than Feast's", "≥ 50", "45", False),
        ("latest, SQLite, 100 rows: reader's p99, of its p50", "≤ 3×", "2.5×", True),
        ("latest, SQLite, 100 rows: get_online_features, times faster than Feast's", "≥ 1", "10", True),
        ("windows, SQLite, 100 rows: reader's p50, of latest values'", "≤ 3×", "4×", False),
        ("windows, SQLite, 100 rows: reader's p99, of its p50", "≤ 3×", "1×", True),
    ]


def test_materialising_is_held_to_a_rate_a_multiple_and_memory() -> None:
    """Storekeeper's rate is looked at by itself and beside Feast's of the same store."""
    assert [(bar.what, bar.seen, bar.reached) for bar in online_materialise.bars(MATERIALISED)] == [
        ("Redis: rows/s", "50,000", False),
        ("Redis: times Feast's rows/s", "5", True),
        ("Redis: peak memory", "1,536 MB", True),
    ]


def test_pushing_is_held_to_a_rate_into_all_views() -> None:
    """Only large batches into all views of an SQLite file have a bar."""
    assert [(bar.what, bar.seen, bar.reached) for bar in online_push.bars(PUSHED)] == [
        ("SQLite: events/s, 1,000 a push", "20,000", True)
    ]


def test_rows_stand_beside_feasts_of_the_same_case() -> None:
    """Each contender's figure is a multiple of Feast's, and a reader's one of the floor's; where there is none, a –."""
    assert row(FIGURES[0], FIGURES) == ("latest, SQLite", "reader", "100", "20", "50", "2×", "0.0222×")
    assert row(FIGURES[4], FIGURES)[-2:] == ("–", "–")
    assert online_materialise.row(MATERIALISED[0], MATERIALISED)[-1] == "5.0×"
    assert [online_push.row(figure, PUSHED)[-1] for figure in PUSHED] == ["4.0×", "–", "1.0×"]


def test_the_page_shows_what_was_missed() -> None:
    """A saved part is shown as it was measured: its table, its bars with their figures, its notes."""
    missed, met = Bar.least("rate", 1_234, 2_000, "/s"), Bar.most("memory", 3, 4)
    part = Part("Reading", ("a", "b", "c"), (("x", "y", "1"),), (missed, met), ("left",), (), True)
    again = Part.of(json.loads(json.dumps(part.as_json())))
    assert part_text(again) == part_text(part)
    machine = {"processor": "P", "cores": 2, "busy_percent": 0.0}
    text = online_text({"command": "python -m benchmarks.online", "machine": machine}, [again])
    assert "| x | y | 1 |\n\n| held to |" in text
    assert "| rate | ≥ 2,000/s | 1,234/s | **missed** |\n| memory | ≤ 4 | 3 | met |\n\n- left" in text


def test_the_page_has_a_place_for_online_results() -> None:
    """docs/benchmarks.md has the marks that the command writes between."""
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.index("<!-- online: begin -->") < text.index("<!-- online: end -->")
