"""Writing pushed rows into PostgreSQL."""

import zlib
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from storekeeper.online.backends.base import PushedRow
from storekeeper.online.backends.newest import NewestRows
from storekeeper.online.backends.postgres_session import Connection
from storekeeper.online.backends.postgres_tables import Tables, arrivals
from storekeeper.online.backends.postgres_writing import fetched

#: So many locks at the most has a push that looks at its entities' rows; the server has room for some thousands.
LOCKS = 64
_COLUMNS = attrgetter("key", "slot", "event_us", "known_us", "value")
_SLOT = attrgetter("key", "slot")


def push_rows(connection: Connection, named: Tables, rows: Sequence[PushedRow]) -> list[bool]:
    """Write pushed rows in one statement. Which of them are new."""
    if not rows:
        return []
    # A plan that was made when few slots were remembered would look at all of them for each row when there are many.
    return [is_new for (is_new,) in fetched(connection, _pushing(named), _arrays(_COLUMNS, rows), prepare=False)]


def push_newest(connection: Connection, named: Tables, rows: Sequence[PushedRow], now_us: int) -> list[bool]:
    """As `push_rows`, but of each entity the newest rows at `now_us` alone stay, and those still to come.

    Whoever pushes rows of the same entity waits until the transaction ends: what goes depends on what is there.
    """
    if not rows:
        return []
    with connection.transaction():
        # A materialisation comes before all of it, or waits until it has ended: else a slot that wasn't remembered when
        # it was looked at could be when its row is written.
        connection.execute(f"LOCK TABLE {named.pushed} IN ROW EXCLUSIVE MODE")
        _lock_entities(connection, named, rows)
        there, remembered = _look(connection, named, rows)
        newest = NewestRows(there, now_us)
        new = [(row.key, row.slot) not in remembered and newest.add(row) for row in rows]
        if gone := newest.gone():
            connection.execute(_taking(named), _arrays(_SLOT, gone), prepare=False)
        push_rows(connection, named, newest.come())
    return new


def _lock_entities(connection: Connection, named: Tables, rows: Sequence[PushedRow]) -> None:
    numbers = sorted({zlib.crc32(row.key) % LOCKS for row in rows})
    sql = "SELECT pg_advisory_xact_lock(%b::int, number) FROM unnest(%b::int[]) AS number"
    # Beside the numbers of 64 bits there are pairs of 32, which none of those equals.
    connection.execute(sql, (named.lock >> 32, numbers))


def _look(
    connection: Connection, named: Tables, rows: Sequence[PushedRow]
) -> tuple[list[PushedRow], set[tuple[bytes, bytes]]]:
    """Rows of the same entities that are there, and those of the slots that are remembered."""
    there, remembered = [], set()
    for key, slot, *others in fetched(connection, _looking(named), _arrays(_SLOT, rows), prepare=False):
        if others[0] is None:
            remembered.add((key, slot))
        else:
            there.append(PushedRow(key, slot, *others))
    return there, remembered


def _arrays(columns: Any, rows: Sequence[PushedRow]) -> dict[str, list[Any]]:
    names = ("keys", "slots", "events", "knowns", "values")
    return {name: list(column) for name, column in zip(names, zip(*map(columns, rows), strict=True), strict=False)}


def _pushing(named: Tables) -> str:
    """Writes rows that may share slots: five arrays. Returns for each, in their order, whether it is new.

    They are numbered as they are given, but written by key and slot: whoever else writes some of them locks them in
    the same order, so that none waits for another that waits for it. Whoever drops the view locks the pushed rows
    before what is remembered, and so does this, because the one is named before the other.
    """
    least = (
        f"SELECT DISTINCT ON (entity_key, slot) entity_key, slot, event_us, known_us, value, "  # noqa: S608 (quoted)
        f"min(arrival) OVER (PARTITION BY entity_key, slot) AS arrival FROM numbered AS new WHERE NOT EXISTS "
        f"(SELECT FROM {named.remembered} AS old WHERE (old.entity_key, old.slot) = (new.entity_key, new.slot)) "
        f"ORDER BY entity_key, slot, known_us, event_us, value"
    )
    return (
        f"WITH numbered AS (SELECT nextval('{arrivals(named.schema)}') AS arrival, given.* FROM "  # noqa: S608 (quoted)
        f"(SELECT * FROM unnest(%(keys)b::bytea[], %(slots)b::bytea[], %(events)b::bigint[], %(knowns)b::bigint[], "
        f"%(values)b::bytea[]) WITH ORDINALITY AS one (entity_key, slot, event_us, known_us, value, place) "
        f"ORDER BY place) AS given), "
        f"written AS (INSERT INTO {named.pushed} AS mine (entity_key, slot, event_us, known_us, value, arrival) "
        f"SELECT * FROM ({least}) AS least ORDER BY entity_key, slot ON CONFLICT (entity_key, slot) DO UPDATE SET "
        f"event_us = excluded.event_us, known_us = excluded.known_us, value = excluded.value WHERE "
        f"(excluded.known_us, excluded.event_us, excluded.value) < (mine.known_us, mine.event_us, mine.value) "
        f"RETURNING arrival) "
        f"SELECT arrival IN (SELECT arrival FROM written) FROM numbered ORDER BY place"
    )


def _looking(named: Tables) -> str:
    """Rows of entities, then those slots of two arrays that are remembered, with nulls behind."""
    return (
        f"SELECT entity_key, slot, event_us, known_us, value FROM {named.pushed} "  # noqa: S608 (quoted)
        f"WHERE entity_key = ANY(%(keys)b::bytea[]) UNION ALL "
        f"SELECT entity_key, slot, NULL, NULL, NULL FROM {named.remembered} "
        f"JOIN unnest(%(keys)b::bytea[], %(slots)b::bytea[]) AS given (entity_key, slot) USING (entity_key, slot)"
    )


def _taking(named: Tables) -> str:
    """Takes rows away by two arrays."""
    return (
        f"DELETE FROM {named.pushed} AS mine USING "  # noqa: S608 (quoted)
        f"unnest(%(keys)b::bytea[], %(slots)b::bytea[]) AS gone (entity_key, slot) "
        f"WHERE (mine.entity_key, mine.slot) = (gone.entity_key, gone.slot)"
    )
