"""Putting state in place in PostgreSQL, and settling what was pushed."""

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

from storekeeper.online.backends.base import Settled, StateRow
from storekeeper.online.backends.postgres_session import Connection
from storekeeper.online.backends.postgres_tables import Tables, going_statement

_SETTLED_COLUMNS = attrgetter("key", "slot", "is_remembered")


def copy_state(connection: Connection, named: Tables, rows: Iterable[StateRow]) -> int:
    """Fill the table that is coming with rows as they come; returns their number."""
    # Frozen rows need no second visit by vacuum; PostgreSQL allows it in a table that this transaction made.
    statement = f"COPY {named.coming} FROM STDIN (FORMAT binary, FREEZE)"
    return _copy(connection, statement, ["bytea", "int8", "int8", "bytea"], rows)


def settle(connection: Connection, named: Tables, settled: Iterable[Settled], until_us: int | None) -> None:
    """Take settled rows away and remember their slots; from then until the transaction ends, pushes wait.

    They wait for the table of pushed rows, which they lock before they look at what is remembered. So one that came
    before has written its rows, and they go; one that comes after finds their slots remembered.
    """
    rest = iter(settled)
    first = next(rest, None)
    if first is None:
        return
    connection.execute(going_statement(named))
    rows = map(_SETTLED_COLUMNS, chain([first], rest))
    _copy(connection, f"COPY {named.going} FROM STDIN (FORMAT binary)", ["bytea", "bytea", "bool"], rows)
    if until_us is not None:
        connection.execute(_remembering(named), (until_us,))
    connection.execute(f"LOCK TABLE {named.pushed} IN SHARE ROW EXCLUSIVE MODE")
    connection.execute(
        f"DELETE FROM {named.pushed} AS mine USING {named.going} AS gone "  # noqa: S608 (quoted)
        f"WHERE (mine.entity_key, mine.slot) = (gone.entity_key, gone.slot)"
    )
    connection.execute(f"DROP TABLE {named.going}")


def forget(connection: Connection, named: Tables, before_us: int | None) -> None:
    """Forget slots that were last remembered before an instant, if there is one."""
    if before_us is not None:
        connection.execute(f"DELETE FROM {named.remembered} WHERE until_us < %s", (before_us,))  # noqa: S608 (quoted)


def _remembering(named: Tables) -> str:
    return (
        f"INSERT INTO {named.remembered} AS mine "  # noqa: S608 (quoted)
        f"SELECT DISTINCT entity_key, slot, %s::bigint FROM {named.going} WHERE is_remembered "
        f"ON CONFLICT (entity_key, slot) DO UPDATE SET until_us = excluded.until_us "
        f"WHERE mine.until_us < excluded.until_us"
    )


def _copy(connection: Connection, statement: str, types: list[str], rows: Iterable[tuple[Any, ...]]) -> int:
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def fetched(connection: Connection, sql: str, parameters: Any, *, prepare: bool | None = None) -> list[Any]:
    """What a query gives, bytes as bytes; prepared after some times, unless it is said."""
    return connection.execute(sql, parameters, binary=True, prepare=prepare).fetchall()


def carry_out(connection: Connection, statements: Iterable[str]) -> None:
    """Execute statements in order."""
    for statement in statements:
        connection.execute(statement)


def lock(connection: Connection, number: int) -> None:
    """Wait for others that have the same number, and make them wait until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
