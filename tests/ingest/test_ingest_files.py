"""`storekeeper ingest` of files and pipes: all that can be read goes in once, and the rest is told line by line."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from command_line import Outcome, run_here
from ingest.clicks import click, counts, expected_counts, lines, make_ready, table
from projects import NOW, Project
from storekeeper.ingest.json_events import MOST_LINE_BYTES

Run = Callable[..., Outcome]


@pytest.fixture
def run(project: Project, capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("clicks", "events.ndjson")` ingests at the project's root."""
    make_ready(project)

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            code = run_here(project.root, ["ingest", *arguments], patch)
        return Outcome(code, *capfd.readouterr())

    return call


def rejected(path: Path) -> list[dict[str, Any]]:
    """A file of rejects."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_events_go_in_once(project: Project, run: Run) -> None:
    """All lines are accepted at first; the same file again is all duplicates, and windows stay as they were."""
    numbers = range(200)
    (project.root / "events.ndjson").write_text(lines(map(click, numbers)))
    first = run("clicks", "events.ndjson", "--batch", "64", "--json").done().document
    again = run("clicks", "events.ndjson", "--batch", "7", "--json").done().document
    assert [first[key] for key in ("events", "accepted", "duplicates", "rejected")] == [200, 200, 0, 0]
    assert [again[key] for key in ("events", "accepted", "duplicates", "rejected")] == [200, 0, 200, 0]
    assert counts(project) == expected_counts(numbers)


def test_bad_lines_are_not_the_end(project: Project, run: Run) -> None:
    """Each line that can't be kept is told with its number, the reason and the line; the others go in."""
    bad = {
        2: "{",
        3: "[1]",
        5: lines([click(5, user_id=None)]).strip(),
        6: lines([click(6, price="much")]).strip(),
        7: json.dumps({"id": 7}),
        8: lines([click(8, at="2099-01-01T00:00:00Z")]).strip(),
        9: lines([click(9, price={"eur": 1})]).strip(),
        10: '{"id": 10, "price": NaN}',
        11: lines([click(11, id=2**70)]).strip(),
        12: lines([click(12, price=[1.0])]).strip(),
    }
    text = "".join(
        (bad.get(number) or ("" if number == 4 else json.dumps(click(number)))) + "\n" for number in range(1, 15)
    )
    (project.root / "events.ndjson").write_text(text.rstrip("\n"))
    outcome = run("clicks", "events.ndjson", "--batch", "5", "--rejects", "bad.ndjson", "--json")
    assert (outcome.code, outcome.document["accepted"], outcome.document["rejected"]) == (1, 3, len(bad)), outcome.err
    assert "were rejected" in outcome.err
    told = rejected(project.root / "bad.ndjson")
    assert {one["place"]: one["event"] for one in told} == bad
    assert [one["place"] for one in told] == sorted(bad)
    reasons = {one["place"]: one["reason"] for one in told}
    assert "not valid JSON" in reasons[2]
    assert "no object" in reasons[3]
    assert "user_id" in reasons[5]
    assert "'price' must be double" in reasons[6]
    assert "lacks the column 'at', 'price', 'user_id'" in reasons[7]
    assert "later than the clock's now" in reasons[8]
    assert [path.name for path in project.root.glob("*bad*")] == ["bad.ndjson"]
    assert sum(one["events"] for one in outcome.document["reasons"]) == len(bad)


def test_the_same_fate_in_any_batch(project: Project, run: Run) -> None:
    """Whether a line lacks a column doesn't depend on its neighbours; unknown columns are left out."""
    events = [click(1), {key: value for key, value in click(2).items() if key != "price"}, click(3, colour="red")]
    (project.root / "events.ndjson").write_text(lines(events))
    for size in ("1", "3"):
        outcome = run("clicks", "events.ndjson", "--batch", size, "--json").document
        assert (outcome["accepted"] + outcome["duplicates"], outcome["rejected"]) == (2, 1)


def test_allowed_rejects(project: Project, run: Run) -> None:
    """With --allow-rejects the exit code is 0, and the table tells the reasons."""
    (project.root / "events.ndjson").write_text(lines([click(1)]) + "oops\n")
    outcome = run("clicks", "events.ndjson", "--allow-rejects").done()
    assert "The line is not valid JSON" in outcome.words


def test_too_long_a_line(project: Project, run: Run) -> None:
    """A line beyond the limit is rejected without its text; what follows it is read."""
    long = json.dumps(click(1, note="x" * (3 * MOST_LINE_BYTES)))
    (project.root / "events.ndjson").write_text(lines([click(0)]) + long + "\n" + lines([click(2)]))
    outcome = run("clicks", "events.ndjson", "--rejects", "bad.ndjson", "--json")
    assert (outcome.document["accepted"], outcome.document["rejected"]) == (2, 1)
    (one,) = rejected(project.root / "bad.ndjson")
    assert (one["place"], "longer than" in one["reason"], len(one["event"]) < 1000) == (2, True, True)


def _arrow(path: Path, content: pa.Table) -> None:
    with pa.ipc.new_stream(path, content.schema) as writer:
        writer.write_table(content, max_chunksize=30)


WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "events.arrows": _arrow,
    "events.feather": lambda path, content: pyarrow.feather.write_feather(content, path, compression="uncompressed"),
    "events.parquet": lambda path, content: pq.write_table(content, path),
    "events.csv": lambda path, content: pyarrow.csv.write_csv(content, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_formats(project: Project, run: Run, name: str) -> None:
    """Each format brings the same events; they are the same ones that newline JSON brings."""
    numbers = range(100)
    WRITERS[name](project.root / name, table(numbers))
    (project.root / "events.ndjson").write_text(lines(map(click, numbers)))
    assert run("clicks", name, "--batch", "40", "--json").done().document["accepted"] == 100
    assert counts(project) == expected_counts(numbers)
    assert run("clicks", "events.ndjson", "--json").done().document["duplicates"] == 100


def test_rejected_rows_of_tables(project: Project, run: Run) -> None:
    """A row of a table that can't be kept is told by its number, as JSON."""
    content = table(range(4)).set_column(1, "user_id", pa.array([0, None, 2, 3], pa.int64()))
    pq.write_table(content, project.root / "events.parquet")
    assert run("clicks", "events.parquet", "--rejects", "bad.ndjson", "--batch", "1").code == 1
    (one,) = rejected(project.root / "bad.ndjson")
    assert (one["place"], json.loads(one["event"])["id"]) == (2, 1)


def test_rejected_rows_of_csv(project: Project, run: Run) -> None:
    """Fields that are no numbers, lines that are too short and open quotes are rejects with their lines."""
    good, head = click(1), "id,user_id,at,price"
    text = f"{head}\n1,1,{good['at']},0.5\n2,x,{good['at']},\n3,1\n4,1,{good['at']},\n"
    (project.root / "events.csv").write_text(text)
    outcome = run("clicks", "events.csv", "--rejects", "bad.ndjson", "--json")
    assert (outcome.code, outcome.document["accepted"]) == (1, 2), outcome.err
    told = rejected(project.root / "bad.ndjson")
    assert [(one["place"], one["event"]) for one in told] == [(3, f"2,x,{good['at']},"), (4, "3,1")]


def test_broken_files(project: Project, run: Run) -> None:
    """A file that isn't what it says it is, or lacks a column, is one message and exit code 2."""
    for name in ("a.parquet", "a.arrow", "a.csv"):
        (project.root / name).write_bytes(b"")
        assert run("clicks", name).code == 2
    pq.write_table(table(range(3)).drop_columns(["price"]), project.root / "b.parquet")
    outcome = run("clicks", "b.parquet")
    assert (outcome.code, "lack the column 'price'" in outcome.err) == (2, True)
    (project.root / "full.arrow").write_bytes(b"")
    _arrow(project.root / "full.arrow", table(range(100)))
    whole = (project.root / "full.arrow").read_bytes()
    (project.root / "cut.arrow").write_bytes(whole[: len(whole) - 1500])
    outcome = run("clicks", "cut.arrow")
    assert (outcome.code, "What came before was pushed" in outcome.err) == (2, True), outcome.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing", "-"), "There are: 'clicks'"),
        (("clicks", "missing.ndjson"), "can't be read"),
        (("clicks", "events.xml"), "--format"),
        (("clicks", "e.ndjson", "--group", "g"), "--stream redis"),
        (("clicks", "e.ndjson", "--stream", "redis", "--stream-key", "k", "--group", "g"), "file or from a stream"),
        (("clicks", "--stream", "redis", "--stream-key", "k"), "--group"),
        (("clicks", "--stream", "redis", "--stream-key", "k", "--group", "g", "--url-env", "NO_URL"), "NO_URL"),
        (("clicks", "e.ndjson", "--rejects", "e.ndjson"), "Name another"),
        (("clicks", "e.ndjson", "--rejects", "data"), "folder"),
        (("clicks", "e.ndjson", "--batch", "0"), "batch"),
    ],
)
def test_wrong_usage(project: Project, run: Run, arguments: tuple[str, ...], told: str) -> None:
    """What can't be carried out is told in one message, with exit code 2, and nothing is pushed."""
    (project.root / "e.ndjson").write_text(lines([click(1)]))
    outcome = run(*arguments)
    assert (outcome.code, told in " ".join(outcome.err.split())) == (2, True), outcome.err
    assert counts(project)[1] in (0, None)


def test_into_history(project: Project, run: Run) -> None:
    """With --to both, events are served and appended to the source's history; unknown columns are rejected."""
    events = [click(1), click(2, colour="red")]
    (project.root / "events.ndjson").write_text(lines([{**event, "known": NOW.isoformat()} for event in events]))
    outcome = run("clicks", "events.ndjson", "--to", "both", "--json")
    assert (outcome.document["accepted"], outcome.document["rejected"]) == (1, 1), outcome.out + outcome.err
    view = project.open().get_stream_feature_view("activity")
    rows = project.open().get_historical_features(
        features=["activity:clicks_7d"],
        entity_df=pa.table({"user_id": [1], "event_timestamp": [NOW]}).to_pandas(),
    )
    assert view is not None
    assert rows.to_df()["clicks_7d"].tolist() == [1]
    assert counts(project)[1] == 1


@contextmanager
def ingesting(project: Project, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The command in a process of its own, fed through a pipe; killed if a test fails."""
    command = [sys.executable, "-m", "storekeeper", "ingest", "clicks", *arguments]
    process = subprocess.Popen(
        command, cwd=project.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_pipe(project: Project, run: Run) -> None:
    """Standard input is read as newline JSON, to its end."""
    numbers = range(120)
    with ingesting(project, "--json", "--batch", "50") as process:
        out, err = process.communicate(lines(map(click, numbers)).encode(), timeout=120)
    assert (process.returncode, json.loads(out)["accepted"]) == (0, 120), err
    assert counts(project) == expected_counts(numbers)


def test_objects_in_memory_are_bounded() -> None:
    """A file is read as it is pushed: a batch at a time."""
    from storekeeper.ingest.json_events import json_batches, split_lines

    given = 0

    def chunks() -> Iterator[bytes]:
        nonlocal given
        for number in range(1000):
            given += 1
            yield lines([click(number)]).encode()

    batches = json_batches(split_lines(chunks()), 10)
    next(batches)
    assert given <= 11


def test_what_waits_is_pushed_when_nothing_comes() -> None:
    """A pipe that is silent for a while doesn't hold back the lines that have come."""
    from storekeeper.ingest.json_events import json_batches, split_lines

    batches = json_batches(split_lines(iter([b'{"a": 1}\n{"a"', None, b": 2}\n", None])), 10)
    assert [list(batch.events) for batch in batches] == [[{"a": 1}], [{"a": 2}]]


def test_half_a_line_at_a_stop() -> None:
    """A stop leaves out the line that is under way, and the end of a pipe doesn't."""
    from storekeeper.ingest.files import chunks
    from storekeeper.ingest.json_events import split_lines
    from storekeeper.ingest.stopping import Stop

    for is_stopped, expected in ((True, [b"1"]), (False, [b"1", b"2"])):
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe:
            with os.fdopen(writer, "wb") as end:
                end.write(b"1\n2")
            stop = Stop()
            lines_read = []
            for line in split_lines(chunks(pipe, stop)):
                lines_read += [line.text] if line and line.text else []
                stop.wanted = is_stopped
        assert lines_read == expected


@pytest.mark.slow
def test_a_hundred_thousand_lines(project: Project, run: Run) -> None:
    """A big file goes in whole, in big batches."""
    numbers = range(100_000)
    (project.root / "events.ndjson").write_text(lines(map(click, numbers)))
    assert run("clicks", "events.ndjson", "--batch", "20000", "--json").done().document["accepted"] == 100_000
    assert counts(project) == [2000] * 50


def test_row_texts() -> None:
    """A row that was rejected is told as JSON, times and bytes too."""
    from storekeeper.ingest.tables import arrow_batches

    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table(range(1)).schema) as writer:
        writer.write_table(table(range(1)))
    buffer.seek(0)
    (batch,) = arrow_batches(buffer, "-", 10)
    assert json.loads(batch.original(0))["at"].startswith("2020-02-29 23:00:00")
