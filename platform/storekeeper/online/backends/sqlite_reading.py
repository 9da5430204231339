"""One statement that reads several views, so that it sees them all at one moment."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from storekeeper.online.backends.arranging import Row
from storekeeper.online.backends.base import Asked
from storekeeper.online.backends.sqlite_file import pushed_table, state_table

#: SQLite takes 500 SELECTs in one statement (two a part) and 32,766 parameters.
KEYS_PER_PART = 512
PARTS_PER_STATEMENT = 60

#: Position in what was asked, view, number of keys, and the keys.
Part = tuple[int, str, int, Sequence[bytes]]


def split(asked: Sequence[Asked]) -> list[Part]:
    """What was asked, each key once a view, in parts that one SELECT takes.

    There are few sizes of parts, so that SQLite keeps their statements prepared; a last key is repeated to fill one.
    """
    parts: list[Part] = []
    for place, one in enumerate(asked):
        count = len(one.keys)
        if count == 1:
            parts.append((place, one.view, 1, one.keys))
        elif count:
            keys = list(dict.fromkeys(one.keys))
            chunks = [keys[start : start + KEYS_PER_PART] for start in range(0, len(keys), KEYS_PER_PART)]
            parts += [(place, one.view, *_filled(chunk)) for chunk in chunks]
    return parts


def _filled(keys: list[bytes]) -> tuple[int, list[bytes]]:
    count = len(keys)
    if count > 8:
        half = 1 << (count - 1).bit_length() - 1
        count = half + half // 2 if count <= half + half // 2 else 2 * half
    return count, keys + keys[-1:] * (count - len(keys))


def select(connection: sqlite3.Connection, parts: Sequence[Part]) -> list[Row]:
    """Rows of state and pushed rows of all parts, of one moment.

    Raises
    ------
    sqlite3.OperationalError
        If a view's tables aren't there; see `select_there`.
    """
    if len(parts) <= PARTS_PER_STATEMENT:
        return _select(connection, parts)
    with _one_moment(connection):
        return _select_all(connection, parts)


def select_there(connection: sqlite3.Connection, parts: Sequence[Part]) -> list[Row]:
    """As `select`, of those views alone whose tables are there."""
    with _one_moment(connection):
        there = {view for (view,) in connection.execute("SELECT view FROM view_meta")}
        return _select_all(connection, [part for part in parts if part[1] in there])


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _select_all(connection: sqlite3.Connection, parts: Sequence[Part]) -> list[Row]:
    starts = range(0, len(parts), PARTS_PER_STATEMENT)
    return [row for start in starts for row in _select(connection, parts[start : start + PARTS_PER_STATEMENT])]


def _select(connection: sqlite3.Connection, parts: Sequence[Part]) -> list[Row]:
    sql = _statement(tuple([part[:3] for part in parts]))
    return connection.execute(sql, [key for part in parts for key in part[3]]).fetchall()


@lru_cache(maxsize=256)
def _statement(shape: tuple[tuple[int, str, int], ...]) -> str:
    """The SELECT of some parts: each part's state, and its pushed rows if the view has any at all."""
    return " UNION ALL ".join(_arms(shape))


def _arms(shape: tuple[tuple[int, str, int], ...]) -> Iterator[str]:
    start = 1
    for place, view, size in shape:
        marks = ",".join(f"?{number}" for number in range(start, start + size))
        start += size
        state, pushed = state_table(view), pushed_table(view)
        yield f"SELECT {place}, entity_key, value, NULL, NULL, NULL FROM {state} WHERE entity_key IN ({marks})"  # noqa: S608
        # In a cross join SQLite takes the left first: without any pushed row it doesn't even look at many keys.
        behind = "" if size == 1 else f"(SELECT 1 FROM {pushed} LIMIT 1) CROSS JOIN "  # noqa: S608 (quoted)
        yield (
            f"SELECT {place}, entity_key, value, arrival, event_us, known_us FROM {behind}{pushed} "  # noqa: S608 (quoted)
            f"WHERE entity_key IN ({marks})"
        )
