"""The served log: whole files, bounded memory, counted losses."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storekeeper.audit.log import SERVED_AT, TIMESTAMP, ServedLog, count_dropped, read_served
from storekeeper.errors import DataError, UsageError

AT = datetime(2017, 12, 25, 1, 2, 3, 456789, tzinfo=UTC)
HASH = "ab" * 32
HOUR = timedelta(hours=1).total_seconds()


def vectors(rows: int = 2, start: int = 0) -> pa.Table:
    """A few vectors with every kind of column."""
    return pa.table(
        {
            "customer_id": pa.array(range(start, start + rows), pa.int64()),
            "lines_7d": pa.array([None if i % 2 else i for i in range(rows)], pa.int64()),
            "ratio": pa.array([0.1 * i for i in range(rows)], pa.float64()),
            "last_products": pa.array([[i, i + 1] for i in range(rows)], pa.list_(pa.int64())),
            "request_time": pa.array([AT] * rows, TIMESTAMP),
        }
    )


def lazy_log(folder: Path, **limits: int) -> ServedLog:
    """A log that writes only when it is told to."""
    return ServedLog(folder, flush_seconds=HOUR, **limits)


def test_served_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    """What is read equals what was appended: values, nulls, types and order, with the time of serving in front."""
    with lazy_log(tmp_path) as log:
        assert log.append("purchase", HASH, AT, vectors())
        assert log.append("purchase", HASH, AT, vectors(3, start=2))
    (group,) = read_served(tmp_path)
    service, definition_hash, table = group
    assert (service, definition_hash) == ("purchase", HASH)
    assert table.column_names[0] == SERVED_AT
    assert table.schema.field(SERVED_AT).type == TIMESTAMP
    assert table.column(SERVED_AT).to_pylist() == [AT] * 5
    assert table.drop_columns([SERVED_AT]).equals(pa.concat_tables([vectors(), vectors(3, start=2)]))


def test_one_definition_is_one_group(tmp_path: Path) -> None:
    """Services and definitions are kept apart, also where hashes share their first digits or names hold slashes."""
    other = HASH[:16] + "0" * 48
    with lazy_log(tmp_path) as log:
        for service, definition_hash in (("a/../b", HASH), ("a/../b", other), ("b", HASH)):
            log.append(service, definition_hash, AT, vectors())
    groups = [(group.service, group.definition_hash, group.table.num_rows) for group in read_served(tmp_path)]
    assert groups == [("a/../b", other, 2), ("a/../b", HASH, 2), ("b", HASH, 2)]
    assert all(len(path.relative_to(tmp_path).parts) == 3 for path in tmp_path.rglob("*.parquet"))


def test_rows_are_in_order_of_serving(tmp_path: Path) -> None:
    """Vectors come back oldest first, whichever file or process they came from."""
    for hours in (2, 0, 1):
        with lazy_log(tmp_path) as log:
            log.append("purchase", HASH, AT + timedelta(hours=hours), vectors(1, start=hours))
    (group,) = read_served(tmp_path)
    assert group.table.column("customer_id").to_pylist() == [0, 1, 2]


def test_full_queue_drops_and_counts(tmp_path: Path) -> None:
    """When too many vectors wait, further ones are dropped at once and counted, and the count outlives the process."""
    log = lazy_log(tmp_path, max_pending_rows=5)
    accepted = [log.append("purchase", HASH, AT, vectors(2)) for _ in range(4)]
    assert accepted == [True, True, False, False]
    assert (log.pending, log.dropped) == (4, 4)
    log.close()
    assert (log.written, log.pending, log.dropped) == (4, 0, 4)
    assert count_dropped(tmp_path) == 4


def test_a_slow_disk_never_blocks_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the writer hangs in a write, appending returns: queued until the bound, dropped beyond it."""
    entered, release = threading.Event(), threading.Event()
    write = pq.write_table

    def hang(*given: object, **options: object) -> None:
        entered.set()
        release.wait()
        write(*given, **options)

    monkeypatch.setattr(pq, "write_table", hang)
    log = ServedLog(tmp_path, max_pending_rows=4, file_rows=1, flush_seconds=HOUR)
    assert log.append("purchase", HASH, AT, vectors(2))
    entered.wait()
    assert log.append("purchase", HASH, AT, vectors(2))
    assert not log.append("purchase", HASH, AT, vectors(2))
    release.set()
    log.close()
    assert (log.written, log.dropped) == (4, 2)


def test_flush_puts_everything_on_disk(tmp_path: Path) -> None:
    """After a flush all that was appended before can be read, and the log goes on."""
    with lazy_log(tmp_path) as log:
        for expected in (2, 4):
            log.append("purchase", HASH, AT, vectors())
            log.flush()
            assert sum(group.table.num_rows for group in read_served(tmp_path)) == expected
            assert (log.written, log.pending) == (expected, 0)


def test_enough_rows_are_written_at_once(tmp_path: Path) -> None:
    """From `file_rows` waiting vectors on the writer does not wait for the interval."""
    with ServedLog(tmp_path, flush_seconds=HOUR, file_rows=2) as log:
        log.append("purchase", HASH, AT, vectors(2))
        with log._changed:
            assert log._changed.wait_for(lambda: log.written == 2, timeout=60)


def test_files_appear_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader meets no half-written file: content is complete before the name exists, and no other file is left."""
    seen: list[list[str]] = []
    replace = Path.replace

    def observe(self: Path, target: Path) -> Path:
        seen.append([path.name for path in tmp_path.rglob("*.parquet")])
        assert pq.read_table(pa.BufferReader(self.read_bytes())).num_rows == 2
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", observe)
    with lazy_log(tmp_path) as log:
        log.append("purchase", HASH, AT, vectors())
    assert seen == [[]]
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".parquet"]


def test_a_disk_that_refuses_costs_vectors_not_the_server(tmp_path: Path) -> None:
    """Vectors that can't be written are counted as dropped with the reason, and later ones are written again."""
    folder = tmp_path / "served"
    folder.write_text("a file where a folder should be")
    with lazy_log(folder) as log:
        log.append("purchase", HASH, AT, vectors())
        log.flush()
        assert (log.dropped, log.written) == (2, 0)
        assert "Error" in str(log.problem)
        folder.unlink()
        log.append("purchase", HASH, AT, vectors())
        log.flush()
        assert (log.dropped, log.written, log.problem) == (2, 2, None)
    assert count_dropped(folder) == 2


def test_closed_log_drops(tmp_path: Path) -> None:
    """After closing, which may be done twice, vectors are dropped and counted."""
    log = lazy_log(tmp_path)
    log.close()
    log.close()
    assert not log.append("purchase", HASH, AT, vectors())
    assert log.dropped == 2
    log.flush()


def test_models_of_one_service_may_differ_in_columns(tmp_path: Path) -> None:
    """A column that only some requests had is null for the others."""
    with lazy_log(tmp_path) as log:
        log.append("purchase", HASH, AT, vectors(1))
        log.append("purchase", HASH, AT, vectors(1).append_column("price", pa.array([9.5])))
    (group,) = read_served(tmp_path)
    assert group.table.column("price").to_pylist() == [None, 9.5]


def test_colliding_columns_are_refused(tmp_path: Path) -> None:
    """A feature called like a column of the log's own is an error that names it."""
    with lazy_log(tmp_path) as log, pytest.raises(DataError, match="served_at"):
        log.append("purchase", HASH, AT, vectors().append_column(SERVED_AT, pa.array([1, 2])))


def test_no_log_is_no_groups(tmp_path: Path) -> None:
    """Where nothing was served there is nothing, and an empty batch writes nothing."""
    with lazy_log(tmp_path / "served") as log:
        log.append("purchase", HASH, AT, vectors(0))
    assert list(read_served(tmp_path / "served")) == []
    assert count_dropped(tmp_path / "served") == 0
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize("content", [b"", b"PAR1 broken", None])
def test_damaged_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    """A truncated file, or one that no log wrote, is an error that names it."""
    path = tmp_path / "purchase" / HASH[:16] / "x.parquet"
    path.parent.mkdir(parents=True)
    if content is None:
        pq.write_table(vectors(), path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.parquet"):
        list(read_served(tmp_path))


def test_damaged_counts_are_named(tmp_path: Path) -> None:
    """A count of losses that can't be read is an error, not a zero."""
    (tmp_path / "r.losses.json").write_text("{}")
    with pytest.raises(DataError, match=r"r\.losses\.json"):
        count_dropped(tmp_path)


@pytest.mark.parametrize("limits", [{"max_pending_rows": 0}, {"file_rows": 0}, {"flush_seconds": 0.0}])
def test_impossible_limits_are_refused(tmp_path: Path, limits: dict[str, float]) -> None:
    """Limits must be positive."""
    with pytest.raises(UsageError, match="positive"):
        ServedLog(tmp_path, **limits)


def test_many_threads(tmp_path: Path) -> None:
    """Vectors appended from many threads all arrive, once."""
    with ServedLog(tmp_path, file_rows=10, flush_seconds=HOUR) as log:
        threads = [
            threading.Thread(
                target=lambda s=start: [log.append("p", HASH, AT, vectors(2, s + 2 * i)) for i in range(20)]
            )
            for start in range(0, 200, 40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (group,) = read_served(tmp_path)
    assert sorted(group.table.column("customer_id").to_pylist()) == list(range(200))
