"""Tables of a release whose pushed rows had no arrival, and which remembered nothing, are brought forward in place."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from online.backends.own_schema import SCHEMA, OwnSchema, own_schema
from online.backends.two_layers import KEYS, META, VIEW, contents, look, pushed_row, settled, state_rows
from servers.postgres_server import Postgres
from storekeeper.online.backends import Asked, Found, StateRow, ViewMeta
from storekeeper.online.backends.postgres_tables import tables

OTHER = "shop/other"
#: Of a latest-value view, whose slots were empty, and of a windowed view, in the order in which they were written.
ROWS = [pushed_row(b"k", 5), pushed_row(b"l", 5, b"1", slot=b"z"), pushed_row(b"l", 5, b"2", slot=b"a")]
STATE = ViewMeta(10, {"cents": "int"}, "made from this")


@pytest.fixture
def own(postgres: Postgres) -> Iterator[OwnSchema]:
    """A schema in which the older release wrote two views with state and pushed rows."""
    for schema in own_schema(postgres):
        schema.database.execute(f'CREATE SCHEMA "{SCHEMA}"')
        schema.database.execute(
            f'CREATE TABLE "{SCHEMA}".views (view text COLLATE "C" PRIMARY KEY, tables text NOT NULL, until_us bigint, '
            f"kinds text NOT NULL, made_from text NOT NULL)"
        )
        for view in (VIEW, OTHER):
            _write_older(schema.database, view)
        yield schema


def _write_older(database: Any, view: str) -> None:
    named = tables(SCHEMA, view)
    times = "event_us bigint NOT NULL, known_us bigint NOT NULL, value bytea NOT NULL"
    state_key = f'CONSTRAINT "state_{named.mark}_key" PRIMARY KEY (entity_key)'
    pushed_key = "PRIMARY KEY (entity_key, slot)"
    database.execute(
        f'INSERT INTO "{SCHEMA}".views VALUES (%s, %s, 10, %s, %s)',
        (view, named.mark, '{"cents": "int"}', "made from this"),
    )
    database.execute(f"CREATE TABLE {named.state} (entity_key bytea NOT NULL, {times}, {state_key})")
    database.execute(
        f"CREATE TABLE {named.pushed} (entity_key bytea NOT NULL, slot bytea NOT NULL, {times}, {pushed_key})"
    )
    for key in KEYS:
        database.execute(f"INSERT INTO {named.state} VALUES (%s, 5, 5, %s)", (key, b"old"))
    for row in ROWS:
        _push_older(database, view, row)


def _push_older(database: Any, view: str, row: Any) -> None:
    """How the older release pushed: it names no column."""
    database.execute(
        f"INSERT INTO {tables(SCHEMA, view).pushed} SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[], "
        f"%s::bigint[], %s::bytea[])",
        ([row.key], [row.slot], [row.event_us], [row.known_us], [row.value]),
    )


FIRST: dict[str, Callable[[Any], Any]] = {
    "read": lambda backend: look(backend, KEYS),
    "pushed": lambda backend: list(backend.pushed(VIEW)),
    "remembered": lambda backend: list(backend.remembered(VIEW)),
    "keys": lambda backend: backend.keys(VIEW),
    "create": lambda backend: backend.create(VIEW),
    "push": lambda backend: backend.push(VIEW, ROWS),
    "push newest": lambda backend: backend.push(VIEW, ROWS, 0),
    "push to another": lambda backend: backend.push("new", ROWS),
}


@pytest.mark.parametrize("first", FIRST)
def test_older_views_are_brought_forward(own: OwnSchema, first: str) -> None:
    """Whatever is asked first, state and rows are as they were; rows that tie stand as they were written."""
    FIRST[first](own.backend)
    for view in (VIEW, OTHER):
        assert contents(own.backend, view) == (STATE, [b"k", *KEYS, b"l"], [None, *[b"old"] * 3, None], 3, ROWS)
        assert list(own.backend.remembered(view)) == []


def test_older_views_are_read_together(own: OwnSchema) -> None:
    """Beside each other, and beside one for which there is no room, in a second round at the most."""
    asked = [Asked(VIEW, [b"l", KEYS[0]]), Asked("nowhere", KEYS), Asked(OTHER, [b"k"])]
    expected = [Found([None, b"old"], [0, 0], [b"1", b"2"]), Found([None] * 3, [], []), Found([None], [0], [b"p"])]
    assert own.backend.read(asked) == expected
    assert own.backend.read(asked) == expected
    assert own.backend.views() == sorted([VIEW, OTHER])


@pytest.mark.parametrize("way", ["replace", "update"])
def test_older_views_are_materialised(own: OwnSchema, way: str) -> None:
    """Rows of empty slots are settled as others are, and whoever gives the rows may use any older view meanwhile."""

    def rows() -> Iterator[StateRow]:
        assert list(own.backend.pushed(OTHER)) == ROWS
        assert own.backend.push(VIEW, [pushed_row(b"m", 1)]) == [True]
        yield from state_rows(b"new")

    assert getattr(own.backend, way)(VIEW, rows(), META, map(settled, ROWS[:2])) == 3
    assert contents(own.backend).pushed == [ROWS[2], pushed_row(b"m", 1)]
    assert own.backend.push(VIEW, ROWS) == [False, False, False]
    assert [slot for _, slot, _ in own.backend.remembered(VIEW)] == [b"", b"z"]


def test_older_rows_are_superseded(own: OwnSchema) -> None:
    """A row in an empty slot goes when a newer event is pushed, and stays beside one of the same time."""
    tied, newer = pushed_row(b"k", 5, b"q", slot=b"1"), pushed_row(b"k", 6, slot=b"2")
    assert own.backend.push(VIEW, [tied], 100) == [True]
    assert look(own.backend, [b"k"]).pushed == [b"p", b"q"]
    assert own.backend.push(VIEW, [newer], 100) == [True]
    assert list(own.backend.pushed(VIEW)) == [newer, *ROWS[1:]]


def test_the_older_release_still_finds_its_way(own: OwnSchema) -> None:
    """While some of a shop's servers run it yet, what it pushes into brought-forward views arrives behind the rest."""
    own.backend.create(VIEW)
    own.backend.push(VIEW, [pushed_row(b"l", 5, b"3", slot=b"y")])
    _push_older(own.database, VIEW, pushed_row(b"l", 5, b"4", slot=b"0"))
    assert look(own.backend, [b"l"]).pushed == [b"1", b"2", b"3", b"4"]


def test_an_older_view_is_dropped(own: OwnSchema) -> None:
    """Without being brought forward; its neighbour stays."""
    own.backend.drop(VIEW)
    assert own.backend.views() == [OTHER]
    assert contents(own.backend) == (None, [], [], 0, [])
    assert list(own.backend.pushed(OTHER)) == ROWS
