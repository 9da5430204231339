"""The benchmarks at toy size: every contender runs, and all say the same."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.answers import difference
from benchmarks.cases import CONTENDERS, TOY
from benchmarks.point_in_time import chosen_cases
from benchmarks.report import draw, write_docs
from benchmarks.runner import Plan, Result, repeatable, run_case

ROOT = Path(__file__).parents[2]

PAGE = "# Title\n\n<!-- results: begin -->\nold\n<!-- results: end -->\n\nEnd.\n"

REPORT = {
    "command": "python -m benchmarks.point_in_time",
    "machine": {
        "processor": "a processor", "cores": 2, "memory_gb": 8.0, "system": "Linux x86_64", "busy_percent": 1.0,
        "versions": {"python": "3.11"},
    },
    "cases": [
        {
            "title": "A case", "slug": "a-case",
            "results": [
                Result("storekeeper", "ours", runs_seconds=[1.0, 2.0, 3.0], peaks_mb=[100.0] * 3).as_json(),
                Result("polars", "theirs", runs_seconds=[4.0], peaks_mb=[200.0]).as_json(),
                Result("range-join", "theirs", status="timeout", note="stopped after 300 s").as_json(),
            ],
        }
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["latest", "windows"])
def test_all_contenders_give_the_same_answer(kind: str, tmp_path: Path) -> None:
    """The command runs every contender of a kind, and their answers agree."""
    out = tmp_path / "out.json"
    sizes = ["--spine", "200", "--events", "3000", "--entities", "20"]
    command = ["-m", "benchmarks.point_in_time", "--only", kind, *sizes, "--runs", "1"]
    done = subprocess.run(
        [sys.executable, *command, "--data", str(tmp_path), "--json", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (case,) = json.loads(out.read_text(encoding="utf-8"))["cases"]
    assert [each["contender"] for each in case["results"]] == [each.name for each in CONTENDERS[kind]]
    assert {each["contender"]: each["status"] for each in case["results"]} == dict.fromkeys(
        (each.name for each in CONTENDERS[kind]), "ok"
    )
    assert all(each["seconds"] > 0 and each["peak_mb"] > 0 for each in case["results"])


def test_a_contender_that_takes_too_long_is_reported_as_such(tmp_path: Path) -> None:
    """A run past its time is stopped and called a timeout, not waited for."""
    plan = Plan(runs=2, timeout_seconds=0.01, data=tmp_path, only=("polars",))
    (result,) = run_case(TOY["latest"], plan, lambda _: None)["results"]
    assert (result["status"], result["seconds"]) == ("timeout", None)
    assert "0.01 s" in result["note"]


@pytest.mark.parametrize(
    ("values", "differs"),
    [
        ([1.0, None, 3.0], None),
        ([1.0 + 1e-12, None, 3.0], None),
        ([1.0, None, 3.1], "a1 differs in 1 rows"),
        ([1.0, 0.0, 3.0], "a1 differs in 1 rows"),
    ],
)
def test_answers_are_compared_row_by_row(values: list[float | None], differs: str | None, tmp_path: Path) -> None:
    """Rows are matched by id, not by place; a null is not a zero; rounding is not a difference."""
    pq.write_table(pa.table({"row_id": [0, 1, 2], "a1": values}), tmp_path / "answer.parquet")
    pq.write_table(pa.table({"row_id": [2, 0, 1], "a1": [3.0, 1.0, None]}), tmp_path / "reference.parquet")
    found = difference(tmp_path / "answer.parquet", tmp_path / "reference.parquet", ("a1",))
    assert found is None if differs is None else found is not None and found.startswith(differs)


def test_results_are_written_between_the_marks(tmp_path: Path) -> None:
    """The page keeps its text; what stood between the marks gives way to tables and pictures."""
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE, encoding="utf-8")
    draw(REPORT, tmp_path)
    write_docs(REPORT, page, tmp_path)
    write_docs(REPORT, page, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n")
    assert text.endswith("\n\nEnd.\n")
    assert "old" not in text
    assert text.count("| polars | 4.00 | 4.00 | 200 | 2.00× | same |") == 1
    assert "| range-join | – |  | – | – | timeout stopped after 300 s |" in text
    assert "(benchmarks/a-case.png)" in text
    assert (tmp_path / "a-case.png").stat().st_size > 0


def test_the_written_command_names_no_place_of_this_machine() -> None:
    """Output paths aren't part of what others have to type."""
    assert repeatable("benchmarks.point_in_time", ["--json=a.json", "--large", "--data", "/x"]).endswith(
        "point_in_time --large"
    )


def test_sizes_given_replace_the_usual_ones() -> None:
    """One case of each kind, of the size asked for."""
    cases = chosen_cases(None, None, large=True, spine=10, events=20_000, entities=None)
    assert [(each.kind, each.spine_rows, each.event_rows, each.entities) for each in cases] == [
        ("latest", 10, 20_000, 200),
        ("windows", 10, 20_000, 200),
    ]


def test_the_page_has_a_place_for_results() -> None:
    """docs/benchmarks.md has the marks that the command writes between."""
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.index("<!-- results: begin -->") < text.index("<!-- results: end -->")
