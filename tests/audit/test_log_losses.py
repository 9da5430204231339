"""What was served and isn't in the log is counted, even by a process that was killed."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from storekeeper.audit.log import ServedLog, count_dropped, read_losses
from storekeeper.audit.service_audit import LossTotal
from storekeeper.errors import DataError

AT, HASH, HOUR = datetime(2017, 12, 25, tzinfo=UTC), "ab" * 32, 3600.0

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from storekeeper.audit.log import ServedLog

log = ServedLog(Path(sys.argv[1]), flush_seconds=3600, max_pending_rows=12)
at = datetime(2017, 12, 25, tzinfo=UTC)
for rows in (4, 3):
    log.append("purchase", "ab" * 32, at, pa.table({"x": list(range(rows))}))
log.flush()
for rows in (2, 10, 3):
    log.append("purchase", "ab" * 32, at, pa.table({"x": list(range(rows))}))
os.kill(os.getpid(), signal.SIGKILL)
"""


def vectors(rows: int) -> pa.Table:
    """Vectors of one number."""
    return pa.table({"x": pa.array(range(rows), pa.int64())})


def lazy_log(folder: Path) -> ServedLog:
    """A log that writes only when it is told to."""
    return ServedLog(folder, flush_seconds=HOUR)


def test_a_killed_process(tmp_path: Path) -> None:
    """After kill -9 the log knows how many vectors were served, and how many of them it lacks."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=120)
    assert ended.returncode == -9
    (account,) = read_losses(tmp_path)
    assert (account.appended, account.logged, account.waiting) == (22, 7, 0)
    # 2 and 10 waited; 3 more were one too many, and dropped, which the writer had no time to tell.
    assert account.lost == account.missing == 15
    total = LossTotal.of(read_losses(tmp_path))
    assert (total.served, total.missing, len(total.runs)) == (22, 15, 1)
    assert json.loads(json.dumps(total.as_dict()))["lost"] == 15


def test_a_process_that_ended_well(tmp_path: Path) -> None:
    """Nothing is missing, and nothing but vectors is left."""
    with lazy_log(tmp_path) as log:
        log.append("purchase", HASH, AT, vectors(3))
        log.append("churn", HASH, AT, vectors(2))
        log.append("purchase", HASH, AT, vectors(1))
    (account,) = read_losses(tmp_path)
    assert (account.appended, account.logged, account.missing) == (6, 6, 0)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".parquet"}


def test_a_process_that_lives(tmp_path: Path) -> None:
    """What a living process hasn't written yet isn't lost: it waits."""
    with lazy_log(tmp_path) as log:
        log.append("purchase", HASH, AT, vectors(3))
        log.flush()
        log.append("purchase", HASH, AT, vectors(2))
        (account,) = read_losses(tmp_path)
        assert (account.appended, account.logged, account.waiting, account.lost) == (5, 3, 2, 0)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """Numbers that are missing between others tell of a file that was removed."""
    with lazy_log(tmp_path) as log:
        for _ in range(3):
            log.append("purchase", HASH, AT, vectors(4))
            log.flush()
    sorted(tmp_path.glob("*/*/*.parquet"))[1].unlink()
    (account,) = read_losses(tmp_path)
    assert (account.appended, account.logged, account.lost) == (12, 8, 4)


def test_dropped_vectors_are_not_lost_twice(tmp_path: Path) -> None:
    """What a full queue refused is told as dropped, whether it came in the middle or last."""
    log = ServedLog(tmp_path, flush_seconds=HOUR, max_pending_rows=5)
    log.append("purchase", HASH, AT, vectors(4))
    log.append("purchase", HASH, AT, vectors(3))
    log.append("purchase", HASH, AT, vectors(1))
    log.append("purchase", HASH, AT, vectors(6))
    log.close()
    (account,) = read_losses(tmp_path)
    assert (account.appended, account.logged, account.dropped, account.lost) == (14, 5, 9, 0)


def test_counts_of_before_vectors_were_numbered(tmp_path: Path) -> None:
    """An account that knows only what was dropped still counts."""
    (tmp_path / "0a1b2c3d.losses.json").write_text('{"dropped": 7, "problem": "OSError: full"}')
    (account,) = read_losses(tmp_path)
    assert (account.dropped, account.lost, account.problem) == (7, 0, "OSError: full")
    assert count_dropped(tmp_path) == 7


def test_a_damaged_tally_is_named(tmp_path: Path) -> None:
    """A tally that can't be read is an error, not a zero."""
    (tmp_path / "r.tally.json").write_text("{")
    with pytest.raises(DataError, match=r"r\.tally\.json"):
        read_losses(tmp_path)


def test_columns_that_change_their_type(tmp_path: Path) -> None:
    """Vectors whose types disagree go into files of their own: none is dropped, and each is read as it was."""
    from storekeeper.audit.log import served_files, stream

    with lazy_log(tmp_path) as log:
        for column in (pa.array([1, 2]), pa.array([3]), pa.array(["4"]), pa.array([5])):
            log.append("purchase", HASH, AT, pa.table({"x": column}))
    assert (log.written, log.dropped) == (5, 0)
    (files,) = served_files(tmp_path)
    assert [table.column("x").to_pylist() for table in stream(files, 100)] == [[1, 2, 3], ["4"], [5]]
    assert [table.num_rows for table in stream(files, 2)] == [2, 1, 1, 1]
