"""Putting new state in place in SQLite, inside a writer's transaction."""

import json
import sqlite3
from collections.abc import Iterable
from itertools import chain, islice

from storekeeper.online.backends.base import Settled, StateRow, ViewMeta
from storekeeper.online.backends.sqlite_file import pushed_table, remembered_table, state_table

_ROWS_PER_INSERT = 500
_SETTLED_AT_ONCE = 10_000


def put(
    connection: sqlite3.Connection,
    view: str,
    rows: Iterable[StateRow],
    meta: ViewMeta,
    settled: Iterable[Settled],
    forget_before_us: int | None,
) -> int:
    """Write rows of state and the view's meta, and settle. How many rows there were."""
    count = _insert(connection, view, rows)
    _settle(connection, view, settled, meta.until_us)
    if forget_before_us is not None:
        sql = f"DELETE FROM {remembered_table(view)} WHERE until_us < ?"  # noqa: S608 (quoted)
        connection.execute(sql, (forget_before_us,))
    connection.execute(
        "UPDATE view_meta SET until_us = ?, kinds = ?, made_from = ? WHERE view = ?",
        (meta.until_us, json.dumps(meta.kinds), meta.made_from, view),
    )
    return count


def _insert(connection: sqlite3.Connection, view: str, rows: Iterable[StateRow]) -> int:
    """Write rows as they come, some at a time: a statement a row would take half as long again."""
    values = chain.from_iterable(rows)
    count = 0
    while some := list(islice(values, 4 * _ROWS_PER_INSERT)):
        number = len(some) // 4
        marks = ",".join(["(?, ?, ?, ?)"] * number)
        connection.execute(f"INSERT OR REPLACE INTO {state_table(view)} VALUES {marks}", some)  # noqa: S608 (quoted)
        count += number
    return count


def _settle(connection: sqlite3.Connection, view: str, settled: Iterable[Settled], until_us: int | None) -> None:
    """Take settled rows away, and remember their slots if there is an instant to remember them by."""
    taking = f"DELETE FROM {pushed_table(view)} WHERE slot = ? AND entity_key = ?"  # noqa: S608 (quoted)
    remembering = (
        f"INSERT INTO {remembered_table(view)} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "  # noqa: S608 (quoted)
        f"until_us = max(until_us, excluded.until_us)"
    )
    gone = iter(settled)
    while some := list(islice(gone, _SETTLED_AT_ONCE)):
        connection.executemany(taking, ((one.slot, one.key) for one in some))
        if until_us is not None:
            held = sorted((one.slot, one.key) for one in some if one.is_remembered)
            connection.executemany(remembering, ((*place, until_us) for place in held))
