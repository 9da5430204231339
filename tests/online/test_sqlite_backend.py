"""The SQLite backend: atomic, ordered by time, honest about damage."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storekeeper.errors import SourceError
from storekeeper.online.backends import SQLiteBackend, StateRow, ViewMeta
from storekeeper.online.backends import sqlite as module

META = ViewMeta(10, {"cents": "int"})
VIEW = 'shop/a "quoted"; DROP TABLE view'


@pytest.fixture
def backend(tmp_path: Path) -> SQLiteBackend:
    return SQLiteBackend(tmp_path / "data" / "online.db")


def _rows(text: bytes, count: int = 3) -> list[StateRow]:
    return [StateRow(b"key %d" % i, 5, 5, text) for i in range(count)]


def _keys(count: int = 3) -> list[bytes]:
    return [row.key for row in _rows(b"", count)]


def test_reading_where_nothing_is_makes_nothing(backend: SQLiteBackend) -> None:
    """A missing file answers 'nothing' and stays missing."""
    assert backend.read(VIEW, [b"a", b"b"]) == [None, None]
    assert backend.meta(VIEW) is None
    assert backend.keys(VIEW) == []
    assert not backend.path.parent.exists()


def test_what_is_written_is_read(backend: SQLiteBackend) -> None:
    """Blobs come in the order of the keys asked, repeated ones too; unknown keys are None."""
    assert backend.replace(VIEW, _rows(b"v"), META) == 3
    assert backend.read(VIEW, [b"key 2", b"?", b"key 0", b"key 2"]) == [b"v", None, b"v", b"v"]
    assert backend.meta(VIEW) == META
    assert backend.keys(VIEW) == _keys()
    assert backend.read("another view", _keys()) == [None] * 3
    assert backend.read(VIEW, []) == []


@pytest.mark.parametrize("count", [499, 500, 501, 1203])
def test_more_keys_than_one_statement_takes(backend: SQLiteBackend, count: int) -> None:
    """Any number of keys is read, in order."""
    backend.replace(VIEW, [StateRow(b"%05d" % i, 0, 0, b"%d" % i) for i in range(count)], META)
    asked = [b"%05d" % i for i in reversed(range(count))]
    assert backend.read(VIEW, asked) == [b"%d" % i for i in reversed(range(count))]


def test_replacing_forgets_what_was_there(backend: SQLiteBackend) -> None:
    """An entity that the new state doesn't have is gone."""
    backend.replace(VIEW, _rows(b"old"), META)
    backend.replace(VIEW, _rows(b"new", 1), ViewMeta(11, {}))
    assert backend.read(VIEW, _keys()) == [b"new", None, None]
    assert backend.meta(VIEW) == ViewMeta(11, {})


def test_an_interrupted_replacement_leaves_the_old(backend: SQLiteBackend) -> None:
    """When the rows break off, state and its meta are as before, and the next write works."""
    backend.replace(VIEW, _rows(b"old"), META)

    def broken() -> Iterator[StateRow]:
        yield from _rows(b"new", 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.replace(VIEW, broken(), ViewMeta(99, {}))
    assert backend.read(VIEW, _keys()) == [b"old"] * 3
    assert backend.meta(VIEW) == META
    assert backend.replace(VIEW, _rows(b"new"), ViewMeta(99, {})) == 3


def _in_thread(work: object) -> list[object]:
    """What a function returns, or raises, in another thread."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())  # type: ignore[operator]
        except SourceError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def test_readers_see_the_old_while_the_new_is_written(backend: SQLiteBackend) -> None:
    """In the middle of a replacement other threads, new ones too, read all of the old state."""
    backend.replace(VIEW, _rows(b"old"), META)
    seen: list[object] = []

    def rows() -> Iterator[StateRow]:
        yield from _rows(b"new", 2)
        seen.extend(_in_thread(lambda: backend.read(VIEW, _keys())))
        seen.extend(_in_thread(lambda: SQLiteBackend(backend.path).meta(VIEW)))
        yield _rows(b"new")[2]

    backend.replace(VIEW, rows(), ViewMeta(99, {}))
    assert seen == [[b"old"] * 3, META]
    assert _in_thread(lambda: backend.read(VIEW, _keys())) == [[b"new"] * 3]


def test_one_read_is_of_one_state(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replacement between two statements of one read doesn't show: never a mixture."""
    monkeypatch.setattr(module, "_KEYS_PER_QUERY", 1)
    backend.replace(VIEW, _rows(b"old"), META)
    statements = 0

    def interfere(statement: str) -> None:
        nonlocal statements
        if "IN (" in statement:
            statements += 1
            if statements == 2:
                _in_thread(lambda: SQLiteBackend(backend.path).replace(VIEW, _rows(b"new"), META))

    connection = backend._reader()
    assert connection is not None
    connection.set_trace_callback(interfere)
    assert backend.read(VIEW, _keys()) == [b"old"] * 3
    assert statements == 3
    assert backend.read(VIEW, _keys()) == [b"new"] * 3


@pytest.mark.parametrize(
    ("event_us", "known_us", "wins"),
    [(4, 9, False), (5, 4, False), (5, 5, True), (5, 6, True), (6, 0, True), (-7, 9, False)],
)
def test_older_rows_never_overwrite_newer(backend: SQLiteBackend, event_us: int, known_us: int, wins: bool) -> None:
    """By event time, then knowledge time; equal times go to the later write (rule 4)."""
    backend.replace(VIEW, [StateRow(b"k", 5, 5, b"there")], META)
    backend.upsert(VIEW, [StateRow(b"k", event_us, known_us, b"offered")])
    assert backend.read(VIEW, [b"k"]) == [b"offered" if wins else b"there"]


def test_writing_into_a_new_view(backend: SQLiteBackend) -> None:
    """A view that was never materialised takes rows, and has no time of materialisation."""
    assert backend.upsert(VIEW, [StateRow(b"k", 1, 1, b"a"), StateRow(b"k", 0, 9, b"b")]) == 2
    assert backend.read(VIEW, [b"k"]) == [b"a"]
    assert backend.meta(VIEW) == ViewMeta(None, {})


def test_making_room_twice_loses_nothing(backend: SQLiteBackend) -> None:
    """`create` leaves state alone."""
    backend.replace(VIEW, _rows(b"v"), META)
    backend.create(VIEW)
    assert backend.read(VIEW, _keys()) == [b"v"] * 3
    assert backend.meta(VIEW) == META


def test_dropping_forgets_one_view(backend: SQLiteBackend) -> None:
    """A dropped view is gone with its meta, its neighbour stays, and dropping again is no error."""
    for view in (VIEW, "other"):
        backend.replace(view, _rows(b"v"), META)
    backend.drop(VIEW)
    backend.drop(VIEW)
    assert backend.read(VIEW, _keys()) == [None] * 3
    assert backend.meta(VIEW) is None
    assert backend.keys(VIEW) == []
    assert backend.read("other", _keys()) == [b"v"] * 3


@pytest.mark.parametrize("damage", [b"this is no database", b"SQLite format 3\x00" + bytes(200)], ids=["text", "zeros"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(backend: SQLiteBackend, damage: bytes) -> None:
    """Reading and writing a file that is no database name it and the remedy, and leave it alone."""
    backend.path.parent.mkdir(parents=True)
    backend.path.write_bytes(damage * 100)
    for work in (
        lambda: backend.read(VIEW, _keys()),
        lambda: backend.meta(VIEW),
        lambda: backend.replace(VIEW, _rows(b"v"), META),
    ):
        with pytest.raises(SourceError, match=r"online\.db.*materialise again"):
            work()
    assert backend.path.read_bytes() == damage * 100


def test_damage_inside_the_file_is_an_error(backend: SQLiteBackend) -> None:
    """Pages overwritten in the middle are an error, not missing entities."""
    backend.replace(VIEW, [StateRow(b"%06d" % i, 0, 0, bytes(500)) for i in range(500)], META)
    connection = sqlite3.connect(backend.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(backend.path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    backend.path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="materialise again"):
        SQLiteBackend(backend.path).read(VIEW, [b"%06d" % i for i in range(500)])


def test_a_removed_file_is_noticed(backend: SQLiteBackend) -> None:
    """Whoever had the file open doesn't go on reading, or writing to, a file that is no longer there."""
    backend.replace(VIEW, _rows(b"old"), META)
    assert backend.read(VIEW, _keys()) == [b"old"] * 3
    for path in backend.path.parent.iterdir():
        path.unlink()
    assert backend.read(VIEW, _keys()) == [None] * 3
    assert not backend.path.exists()
    backend.replace(VIEW, _rows(b"new"), META)
    assert SQLiteBackend(backend.path).read(VIEW, _keys()) == [b"new"] * 3


def test_many_threads_read_and_write(backend: SQLiteBackend) -> None:
    """Threads share one backend; each read is of one replacement."""
    backend.replace(VIEW, _rows(b"0", 50), META)
    problems: list[object] = []

    def read() -> None:
        for _ in range(30):
            found = set(backend.read(VIEW, _keys(50)))
            if len(found) != 1 or None in found:
                problems.append(found)

    def write(number: int) -> None:
        for turn in range(5):
            backend.replace(VIEW, _rows(b"%d %d" % (number, turn), 50), META)

    threads = [threading.Thread(target=read) for _ in range(3)]
    threads += [threading.Thread(target=write, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
