"""Writing pushed rows into SQLite, inside a writer's transaction: nobody else writes meanwhile."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from storekeeper.online.backends.base import PushedRow
from storekeeper.online.backends.newest import NewestRows
from storekeeper.online.backends.sqlite_file import make_room, pushed_table, remembered_table

_ROWS_PER_INSERT = 100
_IN_ONE_LIST = 500

_Item = TypeVar("_Item")
#: Columns of a row, and its number among those that arrived.
_Numbered = tuple[bytes, bytes, int, int, bytes, int]


def push(connection: sqlite3.Connection, view: str, rows: Sequence[PushedRow], newest_at_us: int | None) -> list[bool]:
    """Write pushed rows, numbered as they come. Which of them are new."""
    first = _number(connection, view, len(rows))
    remembered = _remembered(connection, view, rows)
    offered = [row for row in rows if (row.key, row.slot) not in remembered] if remembered else rows
    if newest_at_us is None:
        new = _push_all(connection, view, offered, first)
    else:
        new = _push_newest(connection, view, offered, first, newest_at_us)
    if not remembered:
        return new
    answers = iter(new)
    return [(row.key, row.slot) not in remembered and next(answers) for row in rows]


def _number(connection: sqlite3.Connection, view: str, count: int) -> int:
    """Take so many numbers of a view, for which room is made; returns the first."""
    numbers = "SELECT arrivals FROM view_meta WHERE view = ?"
    found = connection.execute(numbers, (view,)).fetchone()
    if found is None:
        make_room(connection, view)
        found = connection.execute(numbers, (view,)).fetchone()
    if count:
        connection.execute("UPDATE view_meta SET arrivals = arrivals + ? WHERE view = ?", (count, view))
    return int(found[0]) + 1


def _remembered(connection: sqlite3.Connection, view: str, rows: Sequence[PushedRow]) -> set[tuple[bytes, bytes]]:
    """Those of the rows' slots that are remembered, and maybe some of other entities."""
    table = remembered_table(view)
    if not connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():  # noqa: S608 (quoted)
        return set()
    found: set[tuple[bytes, bytes]] = set()
    for some in _portions([row.slot for row in rows], _IN_ONE_LIST):
        sql = f"SELECT entity_key, slot FROM {table} WHERE slot IN ({_marks('?', len(some))})"  # noqa: S608 (quoted)
        found.update(connection.execute(sql, some))
    return found


def _push_all(connection: sqlite3.Connection, view: str, rows: Sequence[PushedRow], first: int) -> list[bool]:
    new: list[bool] = []
    numbered = [(*row, number) for number, row in enumerate(rows, start=first)]
    for some in _portions(numbered, _ROWS_PER_INSERT):
        new += [True] * len(some) if _insert(connection, view, some) == len(some) else _mend(connection, view, some)
    return new


def _insert(connection: sqlite3.Connection, view: str, rows: Sequence[_Numbered]) -> int:
    """Write rows whose slots are empty, a statement for all of them: one a row takes twice as long. How many."""
    marks = _marks("(?, ?, ?, ?, ?, ?)", len(rows))
    sql = f"INSERT INTO {pushed_table(view)} VALUES {marks} ON CONFLICT DO NOTHING"  # noqa: S608 (quoted)
    return connection.execute(sql, list(chain.from_iterable(rows))).rowcount


def _mend(connection: sqlite3.Connection, view: str, rows: Sequence[_Numbered]) -> list[bool]:
    """Let rows of lesser rank take the slots that weren't empty. Which rows are in slots of their own."""
    new: list[bool] = []
    for key, slot, event_us, known_us, value, number in rows:
        there = connection.execute(
            f"SELECT arrival, known_us, event_us, value FROM {pushed_table(view)} "  # noqa: S608 (quoted)
            f"WHERE entity_key = ? AND slot = ?",
            (key, slot),
        ).fetchone()
        new.append(there[0] == number)
        if (known_us, event_us, value) < there[1:]:
            connection.execute(
                f"UPDATE {pushed_table(view)} SET event_us = ?, known_us = ?, value = ? "  # noqa: S608 (quoted)
                f"WHERE entity_key = ? AND slot = ?",
                (event_us, known_us, value, key, slot),
            )
    return new


def _push_newest(
    connection: sqlite3.Connection, view: str, rows: Sequence[PushedRow], first: int, now_us: int
) -> list[bool]:
    """As `_push_all`; all that is known of the rows' entities is looked at once, and what differs then is written."""
    newest = NewestRows(_of_entities(connection, view, rows), now_us)
    new = [newest.add(row) for row in rows]
    _write_changes(connection, pushed_table(view), newest, first)
    return new


def _write_changes(connection: sqlite3.Connection, table: str, newest: NewestRows, first: int) -> None:
    """Most rows that come take the place of one of their entity's that goes: one statement does both."""
    gone: dict[bytes, list[bytes]] = {}
    for row in newest.gone():
        gone.setdefault(row.key, []).append(row.slot)
    moved: list[tuple[Any, ...]] = []
    come: list[_Numbered] = []
    for number, row in enumerate(newest.come(), start=first):
        going = gone.get(row.key)
        if going and not newest.was_there(row):
            moved.append((row.slot, row.event_us, row.known_us, row.value, number, row.key, going.pop()))
        else:
            come.append((*row, number))
    connection.executemany(
        f"UPDATE {table} SET slot = ?, event_us = ?, known_us = ?, value = ?, arrival = ? "  # noqa: S608 (quoted)
        f"WHERE entity_key = ? AND slot = ?",
        moved,
    )
    connection.executemany(
        f"DELETE FROM {table} WHERE entity_key = ? AND slot = ?",  # noqa: S608 (quoted)
        ((key, slot) for key, slots in gone.items() for slot in slots),
    )
    connection.executemany(
        f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET event_us = excluded.event_us, "  # noqa: S608
        f"known_us = excluded.known_us, value = excluded.value",
        come,
    )


def _of_entities(connection: sqlite3.Connection, view: str, rows: Sequence[PushedRow]) -> Iterator[PushedRow]:
    for some in _portions(list(dict.fromkeys(row.key for row in rows)), _IN_ONE_LIST):
        sql = (
            f"SELECT entity_key, slot, event_us, known_us, value FROM {pushed_table(view)} "  # noqa: S608 (quoted)
            f"WHERE entity_key IN ({_marks('?', len(some))})"
        )
        yield from map(PushedRow._make, connection.execute(sql, some))


def _portions(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _marks(of_one: str, count: int) -> str:
    return ",".join([of_one] * count)
