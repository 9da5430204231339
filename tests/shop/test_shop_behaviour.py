"""The behaviour log is written whole or not at all, and a broken one is refused."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from storekeeper.errors import SourceError
from storekeeper.shop.behaviour import TABLES, open_behaviour, write_behaviour
from storekeeper.shop.columns import EVENT_COLUMNS, EVENT_TYPES

INSERT = (
    "INSERT INTO events BY NAME SELECT range AS event_id, 'purchase' AS event_type, "
    "TIMESTAMP '2017-01-01' + INTERVAL (range) SECOND AS event_time, event_time AS known_time, "
    "hash(range) // 2 AS customer_id FROM range({rows})"
)


def write(path: Path, rows: int) -> None:
    with write_behaviour(path) as connection:
        connection.execute(INSERT.format(rows=rows))


def count(path: Path) -> int:
    with open_behaviour(path) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchall()[0][0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "behaviour.duckdb"


def test_the_log_has_the_declared_columns(path: Path) -> None:
    """Tables, columns, order, types and which may be null are those of `columns.py`."""
    write(path, 3)
    with open_behaviour(path) as connection:
        for table, columns in TABLES.items():
            described = connection.execute(f"DESCRIBE {table}").fetchall()
            assert {row[0]: row[1] for row in described} == columns
            assert [row[0] for row in described] == list(columns)
        nullable = {row[0]: row[2] == "YES" for row in connection.execute("DESCRIBE events").fetchall()}
    assert [name for name in EVENT_COLUMNS if not nullable[name]] == [
        "event_id",
        "event_type",
        "event_time",
        "known_time",
    ]


def test_every_event_type_is_accepted_and_no_other(path: Path) -> None:
    """The log refuses an event type that isn't one of the ten."""
    insert = (
        "INSERT INTO events BY NAME SELECT 1 AS event_id, ? AS event_type, now() AS event_time, now() AS known_time"
    )
    with write_behaviour(path) as connection:
        for kind in EVENT_TYPES:
            connection.execute(insert, [kind])
        with pytest.raises(duckdb.ConstraintException):
            connection.execute(insert, ["teleport"])


def test_an_error_leaves_the_old_log(path: Path) -> None:
    """A block that fails changes nothing and leaves no other file."""
    write(path, 3)
    with pytest.raises(duckdb.ConversionException), write_behaviour(path) as connection:
        connection.execute(f"{INSERT.format(rows=5)}; SELECT CAST('x' AS INTEGER)")
    assert count(path) == 3
    assert list(path.parent.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_log(path: Path) -> None:
    """Kill -9 in the middle of a write keeps the old file, and the next write clears what was left."""
    write(path, 3)
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from storekeeper.shop.behaviour import write_behaviour\n"
        "with write_behaviour(Path(sys.argv[1])) as connection:\n"
        f'    connection.execute("{INSERT.format(rows=1000)}"); connection.execute("CHECKPOINT")\n'
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert count(path) == 3
    assert len(list(path.parent.iterdir())) > 1
    write(path, 4)
    assert count(path) == 4
    assert list(path.parent.iterdir()) == [path]


def test_a_running_writer_is_not_disturbed(path: Path) -> None:
    """Two writers at once both end well, and the log is the whole work of the one that ended last."""
    with write_behaviour(path) as slow:
        slow.execute(INSERT.format(rows=7))
        write(path, 5)
        assert count(path) == 5
    assert count(path) == 7
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_keeps_what_it_opened(path: Path) -> None:
    """Replacing the log does not disturb whoever reads the old one."""
    write(path, 3)
    with open_behaviour(path) as reader:
        write(path, 5)
        assert reader.execute("SELECT count(*) FROM events").fetchall() == [(3,)]
    assert count(path) == 5


def test_a_missing_log_says_how_to_get_one(path: Path) -> None:
    """No file: load a shop."""
    with pytest.raises(SourceError, match=r"No behaviour log at .*storekeeper load complete-journey"):
        open_behaviour(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_log_is_refused(path: Path, share: float) -> None:
    """Wherever the file was cut, opening it is a clear error that names it and says what to do."""
    write(path, 200_000)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(SourceError, match=r"behaviour.duckdb.*storekeeper load NAME --force"):
        open_behaviour(path)


def test_a_log_cut_where_duckdb_does_not_look_is_refused(path: Path) -> None:
    """A file that DuckDB opens happily, yet is shorter than its blocks, is refused by its length."""
    write(path, 200_000)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM events WHERE event_id % 3 = 0")
        connection.execute("CHECKPOINT")
    with open_behaviour(path):
        pass
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(SourceError, match=r"behaviour.duckdb.*storekeeper load NAME --force"):
        open_behaviour(path)


def test_rubbish_is_refused(path: Path) -> None:
    """A file that is no DuckDB database is refused."""
    path.parent.mkdir()
    path.write_text("rubbish " * 10_000)
    with pytest.raises(SourceError, match="expected a whole DuckDB file"):
        open_behaviour(path)


def test_another_database_is_refused(path: Path) -> None:
    """A DuckDB file without our tables is named as such, with the tables that it has."""
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE sales (n INTEGER)")
    with pytest.raises(SourceError, match=r"not a behaviour log: its table 'events' lacks .*It has the tables 'sales'"):
        open_behaviour(path)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """Writing below a plain file names the log and what to check."""
    (tmp_path / "data").write_text("not a folder")
    with (
        pytest.raises(SourceError, match=r"can't be written.*permissions"),
        write_behaviour(tmp_path / "data" / "behaviour.duckdb"),
    ):
        pass
