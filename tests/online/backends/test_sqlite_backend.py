"""The SQLite backend beside the protocol: its file, older and newer layouts, damage, and how it reads."""

import multiprocessing
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier

import pytest

from online.backends.two_layers import (
    KEYS,
    META,
    VIEW,
    contents,
    in_threads,
    look,
    pushed_row,
    state_rows,
)
from storekeeper.errors import SourceError
from storekeeper.online.backends import (
    Asked,
    Found,
    PushedRow,
    Settled,
    SQLiteBackend,
    StateRow,
    ViewMeta,
    sqlite_file,
    sqlite_reading,
)

OLD = ["shop/a", "Shop/A", "Shop/^", 'shop/"b"']


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SQLiteBackend]:
    made = SQLiteBackend(tmp_path / "data" / "online.db")
    yield made
    made.close()


@pytest.fixture
def statements(backend: SQLiteBackend) -> list[str]:
    """What the reading connection is asked from now on."""
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.replace("other", state_rows(b"v"), META)
    connection, told = backend._reader(), []
    assert connection is not None
    connection.set_trace_callback(told.append)
    return told


def test_reading_where_nothing_is_makes_nothing(backend: SQLiteBackend) -> None:
    """A missing file answers 'nothing' and stays missing."""
    assert look(backend, [b"a", b"b"]) == Found([None, None], [], [])
    assert contents(backend) == (None, [], [], 0, [])
    assert backend.views() == []
    assert not backend.path.parent.exists()


def test_several_views_take_one_statement(backend: SQLiteBackend, statements: list[str]) -> None:
    """However many keys, pushed rows or not; the same shape of question is the same statement, so it stays prepared."""
    backend.push("other", [pushed_row(b"p", 1)])
    for count in (1, 100, 500):
        keys = [b"%d" % i for i in range(count)]
        statements.clear()
        backend.read([Asked(VIEW, keys), Asked("other", [b"p"]), Asked("other", keys)])
        assert len(statements) == 1, count
    assert len({sqlite_reading.split([Asked(VIEW, [b"%d" % i for i in range(n)])])[0][2] for n in range(1, 513)}) == 20


@pytest.mark.parametrize("count", [1, 2, 100])
def test_nothing_is_scanned(backend: SQLiteBackend, statements: list[str], count: int) -> None:
    """State and pushed rows are found by their keys; only 'is there any' looks at a pushed row without."""
    asked = [Asked(VIEW, [b"%d" % i for i in range(count)])]
    connection = backend._reader()
    assert connection is not None
    parts = sqlite_reading.split(asked)
    sql = sqlite_reading._statement(tuple(part[:3] for part in parts))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parts[0][3])]
    by_key = [step for step in plan if "SEARCH" in step]
    assert len(by_key) == 2
    assert all(step.endswith("(entity_key=?)") for step in by_key)
    assert len([step for step in plan if "SCAN" in step and "pushed:" in step]) == (count > 1)


def test_one_read_is_of_one_moment(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replacement between two statements of one read doesn't show: never a mixture."""
    monkeypatch.setattr(sqlite_reading, "KEYS_PER_PART", 1)
    monkeypatch.setattr(sqlite_reading, "PARTS_PER_STATEMENT", 1)
    backend.replace(VIEW, state_rows(b"old"), META)
    selects = 0

    def interfere(statement: str) -> None:
        nonlocal selects
        if "IN (" in statement:
            selects += 1
            if selects == 2:
                in_threads(lambda: SQLiteBackend(backend.path).replace(VIEW, state_rows(b"new"), META))

    connection = backend._reader()
    assert connection is not None
    connection.set_trace_callback(interfere)
    assert look(backend, KEYS).state == [b"old"] * 3
    assert selects == 3
    assert look(backend, KEYS).state == [b"new"] * 3


def test_more_views_than_one_statement_takes(backend: SQLiteBackend) -> None:
    """Any number of views is read, those without room among them."""
    views = [f"shop/{i}" for i in range(2 * sqlite_reading.PARTS_PER_STATEMENT + 1)]
    for view in views[1:]:
        backend.replace(view, state_rows(view.encode()), META)
    for asked, first in [(views, None), (views[1:], b"shop/1")]:
        found = backend.read([Asked(view, [b"key 1"]) for view in asked])
        assert [one.state for one in found] == [[first], *[[view.encode()] for view in asked[1:]]]


def _old_file(path: Path) -> None:
    """A file of the layout before there were pushed rows."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE view_meta (view TEXT PRIMARY KEY, until_us INTEGER, kinds TEXT NOT NULL, made_from TEXT NOT NULL)"
    )
    for view in OLD[1:]:
        table = "state:{}".format(view.replace('"', '""'))
        connection.execute(
            f'CREATE TABLE "{table}" (entity_key BLOB PRIMARY KEY, event_us INTEGER NOT NULL, '
            f"known_us INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute(f'INSERT INTO "{table}" VALUES (?, 1, 2, ?)', (b"k", view.encode()))
        connection.execute("INSERT INTO view_meta VALUES (?, 5, '{\"a\": \"int\"}', 'x')", (view,))
    connection.commit()
    connection.close()


def test_an_older_file_is_brought_forward(backend: SQLiteBackend) -> None:
    """State and meta of a file without pushed rows are there, and it takes pushed rows, also beside capitals."""
    _old_file(backend.path)
    for view in OLD[1:]:
        assert contents(backend, view) == (ViewMeta(5, {"a": "int"}, "x"), [b"k"], [view.encode()], 1, [])
        assert backend.push(view, [pushed_row(b"k", 1)]) == [True]
    backend.replace(OLD[0], state_rows(b"new"), META)
    backend.close()
    assert backend.views() == sorted(OLD)
    for view in OLD[1:]:
        assert look(backend, [b"k"], view) == Found([view.encode()], [0], [b"p"])
    assert contents(backend, OLD[0]).state == [b"new"] * 3


def _file_of_layout_1(path: Path) -> None:
    """A file of the layout whose pushed rows had no numbers, and in latest-value views no slots."""
    _old_file(path)
    with sqlite3.connect(path) as connection:
        for view in OLD[1:]:
            state, pushed = sqlite_file.state_table(view), sqlite_file.pushed_table(view)
            if state != (before := '"state:{}"'.format(view.replace('"', '""'))):
                connection.execute(f"ALTER TABLE {before} RENAME TO {state}")
            connection.execute(
                f"CREATE TABLE {pushed} (entity_key BLOB NOT NULL, slot BLOB NOT NULL, event_us INTEGER NOT NULL, "
                f"known_us INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (entity_key, slot)) WITHOUT ROWID"
            )
            rows = [(b"k", b"", 5, 5, view.encode()), (b"l", b"2", 7, 7, b"two"), (b"l", b"1", 7, 7, b"one")]
            connection.executemany(f"INSERT INTO {pushed} VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_pushed_rows_of_an_older_file_are_kept(backend: SQLiteBackend) -> None:
    """Rows without numbers stand before those that come; ones without slots are superseded and settled like others."""
    _file_of_layout_1(backend.path)
    for view in OLD[1:]:
        there = [PushedRow(b"k", b"", 5, 5, view.encode())] + [
            PushedRow(b"l", slot, 7, 7, value) for slot, value in ((b"1", b"one"), (b"2", b"two"))
        ]
        assert contents(backend, view) == (
            ViewMeta(5, {"a": "int"}, "x"), [b"k", b"l"], [view.encode(), None], 1, there,
        )  # fmt: skip
        assert list(backend.remembered(view)) == []
        come = [
            PushedRow(b"l", b"0", 7, 7, b"new"),
            pushed_row(b"k", 9, slot=b"s"),
            pushed_row(b"l", 7, b"z", slot=b"2"),
        ]
        assert backend.push(view, come, 100) == [True, True, False]
        assert list(backend.pushed(view)) == [come[1], *there[1:], come[0]]
        assert look(backend, [b"l"], view).pushed == [b"one", b"two", b"new"]
        backend.update(view, [], META, [Settled(b"l", b"1"), Settled(b"l", b"0")])
        assert list(backend.pushed(view)) == [come[1], there[2]]
    backend.close()
    assert backend.views() == sorted(OLD[1:])


def test_a_newer_file_is_refused(backend: SQLiteBackend) -> None:
    """A file of a later release is one clear error, whatever is asked, and stays as it is."""
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.close()
    with sqlite3.connect(backend.path) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    for work in (lambda: look(backend, KEYS), lambda: backend.push(VIEW, []), backend.views):
        with pytest.raises(SourceError, match=r"online\.db' has layout 3; .* up to 2. Upgrade Storekeeper"):
            work()


FIRST = """
import sys
from pathlib import Path
from storekeeper.online.backends import PushedRow, SQLiteBackend
backend = SQLiteBackend(Path(sys.argv[1]))
sys.stdin.readline()
backend.push("view", [PushedRow(sys.argv[2].encode(), b"", 1, 1, b"")])
"""


@pytest.mark.parametrize("made", [lambda _: None, _old_file, _file_of_layout_1], ids=["new", "oldest", "old"])
def test_many_are_the_first_to_open(backend: SQLiteBackend, made: Callable[[Path], None]) -> None:
    """Processes that make, or bring forward, one file at the same time all succeed."""
    made(backend.path)
    command = [sys.executable, "-c", FIRST, str(backend.path)]
    processes = [subprocess.Popen([*command, str(i)], stdin=subprocess.PIPE, text=True) for i in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 4
    assert backend.keys("view") == [b"0", b"1", b"2", b"3"]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of threads at a fork
def test_threads_that_open_a_new_file_at_once_all_can(tmp_path: Path) -> None:
    """SQLite refuses to switch a file's way of logging while another does; whoever opens it doesn't notice."""
    for number in range(60):
        opened, path = Barrier(6), tmp_path / f"{number}.db"

        def open_it(opened: Barrier = opened, path: Path = path) -> None:
            opened.wait()
            sqlite_file.open_file(path).close()

        in_threads(*[open_it] * 6)


def test_a_forked_process_counts_as_one_of_its_own(backend: SQLiteBackend) -> None:
    """When the parent closes the file as the last one it knows of, what a forked child writes afterwards isn't lost."""
    backend.replace(VIEW, state_rows(b"v"), META)
    look(backend, KEYS)
    mine, theirs = multiprocessing.Pipe()

    def child() -> None:
        backend.push(VIEW, [pushed_row(b"first", 1)])
        theirs.send("has opened it")
        theirs.recv()
        theirs.send(backend.push(VIEW, [pushed_row(b"k", 1)]))
        theirs.recv()

    process = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    process.start()
    assert mine.recv() == "has opened it"
    look(backend, KEYS)
    backend.close()
    mine.send("write")
    assert mine.recv() == [True]
    assert [row.key for row in backend.pushed(VIEW)] == [b"first", b"k"]
    mine.send("end")
    process.join()
    assert process.exitcode == 0
    assert [row.key for row in backend.pushed(VIEW)] == [b"first", b"k"]


@pytest.mark.parametrize("damage", [b"this is no database", b"SQLite format 3\x00" + bytes(200)], ids=["text", "zeros"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(backend: SQLiteBackend, damage: bytes) -> None:
    """Reading and writing a file that is no database name it and the remedy, and leave it alone."""
    backend.path.parent.mkdir(parents=True)
    backend.path.write_bytes(damage * 100)
    for work in (
        lambda: look(backend, KEYS),
        lambda: backend.meta(VIEW),
        lambda: backend.replace(VIEW, state_rows(b"v"), META),
    ):
        with pytest.raises(SourceError, match=r"online\.db.*materialise again"):
            work()
    assert backend.path.read_bytes() == damage * 100


def test_damage_inside_the_file_is_an_error(backend: SQLiteBackend) -> None:
    """Pages overwritten in the middle are an error, not missing entities."""
    backend.replace(VIEW, [StateRow(b"%06d" % i, 0, 0, bytes(500)) for i in range(500)], META)
    backend.close()
    content = bytearray(backend.path.read_bytes())
    content[4096 * 4 :] = b"\xff" * (len(content) - 4096 * 4)
    backend.path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="materialise again"):
        look(backend, [b"%06d" % i for i in range(500)])


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Where a file lies in the way of the folder, the error names the store."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SourceError, match=r"online\.db' can't be used"):
        SQLiteBackend(tmp_path / "data" / "online.db").create(VIEW)


def test_a_removed_file_is_noticed(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes to a file that is no longer there, or goes on reading it for more than a moment."""
    backend.replace(VIEW, state_rows(b"old"), META)
    assert look(backend, KEYS).state == [b"old"] * 3
    monkeypatch.setattr(sqlite_file, "CHECK_NS", 0)
    for path in backend.path.parent.iterdir():
        path.unlink()
    assert look(backend, KEYS).state == [None] * 3
    assert not backend.path.exists()
    monkeypatch.setattr(sqlite_file, "CHECK_NS", 2**62)
    backend.replace(VIEW, state_rows(b"new"), META)
    assert look(SQLiteBackend(backend.path), KEYS).state == look(backend, KEYS).state == [b"new"] * 3
    for path in backend.path.parent.iterdir():
        path.unlink()
    backend.replace(VIEW, state_rows(b"newest"), META)
    assert look(SQLiteBackend(backend.path), KEYS).state == [b"newest"] * 3
