"""Writing rows into the tables of online state in PostgreSQL."""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from storekeeper.online.backends.base import PushedRow, Settled, StateRow
from storekeeper.online.backends.postgres_session import Connection
from storekeeper.online.backends.postgres_tables import Tables, pushing, settling

_STATE_COLUMNS = attrgetter("key", "event_us", "known_us", "value")
_PUSHED_COLUMNS = attrgetter("key", "slot", "event_us", "known_us", "value")
_SETTLED_COLUMNS = attrgetter("key", "slot", "event_us", "known_us")
_SETTLED_AT_ONCE = 10_000

_Slot = tuple[bytes, bytes]


def copy_state(connection: Connection, named: Tables, rows: Iterable[StateRow]) -> int:
    """Fill the table that is coming with rows as they come; returns their number."""
    count = 0
    # Frozen rows need no second visit by vacuum; PostgreSQL allows it in a table that this transaction made.
    with connection.cursor() as cursor, cursor.copy(f"COPY {named.coming} FROM STDIN (FORMAT binary, FREEZE)") as copy:
        copy.set_types(["bytea", "int8", "int8", "bytea"])
        for row in map(_STATE_COLUMNS, rows):
            copy.write_row(row)
            count += 1
    return count


def settle(connection: Connection, named: Tables, settled: Iterable[Settled]) -> None:
    """Take settled rows away."""
    gone = [_SETTLED_COLUMNS(one) for one in settled]
    if not gone:
        return
    # Pushes wait for it: rows locked one by one, in an order that isn't theirs, could end in a deadlock.
    connection.execute(f"LOCK TABLE {named.pushed} IN SHARE ROW EXCLUSIVE MODE")
    for start in range(0, len(gone), _SETTLED_AT_ONCE):
        connection.execute(settling(named), _arrays(gone[start : start + _SETTLED_AT_ONCE]))


def push_rows(connection: Connection, named: Tables, rows: Sequence[PushedRow]) -> list[bool]:
    """Push rows in as many statements as the fullest slot has rows. Which were written."""
    turns: list[dict[_Slot, int]] = []
    times = Counter[_Slot]()
    for place, row in enumerate(rows):
        slot = row.key, row.slot
        if times[slot] == len(turns):
            turns.append({})
        turns[times[slot]][slot] = place
        times[slot] += 1
    if len(turns) < 2:
        return _write_turns(connection, named, rows, turns)
    with connection.transaction():
        return _write_turns(connection, named, rows, turns)


def _write_turns(
    connection: Connection, named: Tables, rows: Sequence[PushedRow], turns: Sequence[dict[_Slot, int]]
) -> list[bool]:
    written = [False] * len(rows)
    for turn in turns:
        # All writers lock rows in one order, so that none waits for another that waits for it.
        ordered = [_PUSHED_COLUMNS(rows[turn[slot]]) for slot in sorted(turn)]
        for slot in fetched(connection, pushing(named), _arrays(ordered)):
            written[turn[slot]] = True
    return written


def _arrays(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def fetched(connection: Connection, sql: str, parameters: Any) -> list[Any]:
    """What a query gives, bytes as bytes."""
    return connection.execute(sql, parameters, binary=True).fetchall()


def carry_out(connection: Connection, statements: Iterable[str]) -> None:
    """Execute statements in order."""
    for statement in statements:
        connection.execute(statement)


def lock(connection: Connection, number: int) -> None:
    """Wait for others that have the same number, and make them wait until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
