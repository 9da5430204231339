"""How time grows: every point is measured, drawn and written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.growth import cases_of, draw, growth_text
from benchmarks.report import put_between

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_each_point_of_both_lines_is_measured(tmp_path: Path) -> None:
    """A history and a spine of growing sizes are streamed; the file says what was seen."""
    out = tmp_path / "growth.json"
    command = ["-m", "benchmarks.growth", "--base", "500", "--most", "1500"]
    done = subprocess.run(
        [sys.executable, *command, "--data", str(tmp_path), "--json", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["command"] == "python -m benchmarks.growth --base 500 --most 1500"
    assert [(each["grows"], each["events"], each["spine_rows"]) for each in report["points"]] == [
        ("events", 500, 500),
        ("events", 1500, 500),
        ("spine rows", 500, 1500),
    ]
    assert all(each["seconds"] > 0 for each in report["points"])
    draw(report, tmp_path)
    assert (tmp_path / "growth.png").stat().st_size > 0
    assert "| events | 1.5k | 500 |" in growth_text(report)


def test_sizes_go_from_a_million_to_a_hundred_million() -> None:
    """Both lines start where the other does, and end at the most."""
    cases = [(what, case.event_rows, case.spine_rows) for what, case in cases_of(10**6, 10**8)]
    assert cases[0] == ("events", 10**6, 10**6)
    assert cases[4] == ("events", 10**8, 10**6)
    assert cases[-1] == ("spine rows", 10**6, 10**8)


def test_only_what_stands_between_its_marks_is_replaced(tmp_path: Path) -> None:
    """The page keeps everything else, however often it is written."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- y -->\nb\n", encoding="utf-8")
    for _ in range(2):
        put_between(("<!-- x -->", "<!-- y -->"), "new", page)
    assert page.read_text(encoding="utf-8") == "a\n<!-- x -->\n\nnew\n\n<!-- y -->\nb\n"
