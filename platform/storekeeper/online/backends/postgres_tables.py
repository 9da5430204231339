"""The tables of online state in PostgreSQL, and the statements on them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from storekeeper.errors import SettingError

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Tables:
    """Quoted names of one view's tables, and the number by which its writers wait for each other.

    A name in PostgreSQL has 63 bytes at most, so a view's is hashed; the table `views` says whose tables they are.

    Attributes
    ----------
    schema
        Where they are.
    mark
        The hash, of the same length for all views.
    lock
        A number for advisory locks.
    """

    schema: str
    mark: str
    lock: int

    @property
    def state(self) -> str:
        """State."""
        return f'"{self.schema}"."state_{self.mark}"'

    @property
    def pushed(self) -> str:
        """Pushed rows."""
        return f'"{self.schema}"."pushed_{self.mark}"'

    @property
    def remembered(self) -> str:
        """Slots that were settled, and as of which instant."""
        return f'"{self.schema}"."remembered_{self.mark}"'

    @property
    def coming(self) -> str:
        """State that is about to be put in place."""
        return f'"{self.schema}"."coming_{self.mark}"'

    @property
    def going(self) -> str:
        """Slots that are about to be settled."""
        return f'"{self.schema}"."going_{self.mark}"'


def checked_schema(name: str) -> str:
    """A schema's name that needs no care.

    Raises
    ------
    SettingError
        If it is anything else.
    """
    if not _SCHEMA.fullmatch(name):
        raise SettingError(
            f"schema_name of the online store must be 1 to 63 of a-z, 0-9 and '_', and not begin with a digit. "
            f"Received: {name!r}."
        )
    return name


@lru_cache(maxsize=4096)
def tables(schema: str, view: str) -> Tables:
    """The tables of a view."""
    digest = hashlib.sha256(view.encode()).digest()
    return Tables(schema, digest[:16].hex(), lock_number(f"{schema}/{view}"))


def lock_number(name: str) -> int:
    """A number for an advisory lock; two names that share one wait for each other, no more."""
    return int.from_bytes(hashlib.sha256(f"storekeeper/online/{name}".encode()).digest()[:8], "big", signed=True)


def listing_table(schema: str) -> str:
    """The table that lists the views."""
    return f'"{schema}".views'


def arrivals(schema: str) -> str:
    """The sequence that numbers pushed rows: of all views, for one that is never dropped has none to wait for."""
    return f'"{schema}".arrivals'


def schema_statements(schema: str) -> list[str]:
    """The schema, the table that lists the views in it, and the sequence; nothing happens to those that are there."""
    columns = (
        'view text COLLATE "C" PRIMARY KEY, tables text NOT NULL, until_us bigint, kinds text NOT NULL, '
        "made_from text NOT NULL"
    )
    return [
        f'CREATE SCHEMA IF NOT EXISTS "{schema}"',
        f"CREATE TABLE IF NOT EXISTS {listing_table(schema)} ({columns})",
        f"CREATE SEQUENCE IF NOT EXISTS {arrivals(schema)}",
    ]


def view_statements(named: Tables) -> list[str]:
    """A view's tables; those of a release that didn't number its pushed rows have them numbered as they lie."""
    key = f'CONSTRAINT "state_{named.mark}_key" PRIMARY KEY (entity_key)'
    # The column is the last and numbers by itself, so that writers of that release still find their way.
    arrival = f"arrival bigint NOT NULL DEFAULT nextval('{arrivals(named.schema)}')"
    by_slot = "PRIMARY KEY (entity_key, slot)"
    return [
        f"CREATE TABLE IF NOT EXISTS {named.state} ({_STATE}, {key})",
        f"CREATE TABLE IF NOT EXISTS {named.pushed} ({_SLOT}, {_TIMES}, {arrival}, {by_slot})",
        f"ALTER TABLE {named.pushed} ADD COLUMN IF NOT EXISTS {arrival}",
        f"CREATE TABLE IF NOT EXISTS {named.remembered} ({_SLOT}, until_us bigint NOT NULL, {by_slot})",
    ]


def coming_statement(named: Tables) -> str:
    """A table for new state; without an index rows come in faster."""
    return f"CREATE TABLE {named.coming} ({_STATE})"


def key_statements(named: Tables) -> list[str]:
    """The index of new state."""
    return [f'ALTER TABLE {named.coming} ADD CONSTRAINT "coming_{named.mark}_key" PRIMARY KEY (entity_key)']


def swap_statements(named: Tables) -> list[str]:
    """New state in place of the old, for which its readers are waited for."""
    return [
        f"DROP TABLE {named.state}",
        f'ALTER TABLE {named.coming} RENAME TO "state_{named.mark}"',
        f'ALTER INDEX "{named.schema}"."coming_{named.mark}_key" RENAME TO "state_{named.mark}_key"',
    ]


def merge_statements(named: Tables) -> list[str]:
    """New state over the old, entity by entity."""
    merge = (
        f"INSERT INTO {named.state} SELECT * FROM {named.coming} ON CONFLICT (entity_key) DO UPDATE SET "  # noqa: S608
        f"event_us = excluded.event_us, known_us = excluded.known_us, value = excluded.value"
    )
    return [merge, f"DROP TABLE {named.coming}"]


def going_statement(named: Tables) -> str:
    """A table for what is to be settled."""
    return f"CREATE UNLOGGED TABLE {named.going} ({_SLOT}, is_remembered boolean NOT NULL)"


@lru_cache(maxsize=1024)
def reading(schema: str, asked: tuple[tuple[int, str], ...]) -> str:
    """State and pushed rows of several views: parameters `k0`, `k1`, ... by position, each an array of keys.

    It is one statement, so that all of it is of one moment. That moment is when it has locked the tables, if the
    transaction is 'read committed': state is replaced together with its table, and the rows of a table that came after
    a transaction's moment are invisible to it, so that 'repeatable read' could find no state at all.
    """
    return " UNION ALL ".join(_arms(schema, asked))


def _arms(schema: str, asked: tuple[tuple[int, str], ...]) -> Iterator[str]:
    for place, view in asked:
        named, of_keys = tables(schema, view), f"WHERE entity_key = ANY(%(k{place})b::bytea[])"
        yield (
            f"SELECT {place}, entity_key, value, NULL::bigint, NULL::bigint, NULL::bigint "  # noqa: S608 (quoted)
            f"FROM {named.state} {of_keys}"
        )
        yield f"SELECT {place}, entity_key, value, arrival, event_us, known_us FROM {named.pushed} {of_keys}"  # noqa: S608


_SLOT = "entity_key bytea NOT NULL, slot bytea NOT NULL"
_TIMES = "event_us bigint NOT NULL, known_us bigint NOT NULL, value bytea NOT NULL"
_STATE = f"entity_key bytea NOT NULL, {_TIMES}"
