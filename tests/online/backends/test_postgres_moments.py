"""PostgreSQL's pushes and materialisations that meet: who waits for whom, and what is there in the end."""

import zlib
from collections.abc import Iterator

import pytest

from online.backends.own_schema import NAMED, OwnSchema, own_schema
from online.backends.two_layers import META, VIEW, in_threads, pushed_row, settled, state_rows
from servers.postgres_server import Postgres
from storekeeper.online.backends import PushedRow, Settled, StateRow
from storekeeper.online.backends.postgres_pushing import LOCKS, push_newest, push_rows
from storekeeper.online.backends.postgres_writing import settle

NOW = 100
#: How rows are pushed: all may stay, or newest ones alone.
WAYS = pytest.mark.parametrize("newest_at_us", [None, NOW], ids=["all", "newest"])


@pytest.fixture
def own(postgres: Postgres) -> Iterator[OwnSchema]:
    """A schema with room for the view."""
    for schema in own_schema(postgres):
        schema.backend.create(VIEW)
        yield schema


def _push(connection: object, rows: list[PushedRow], newest_at_us: int | None) -> list[bool]:
    """What a push does before it is committed."""
    if newest_at_us is None:
        return push_rows(connection, NAMED, rows)  # type: ignore[arg-type]
    return push_newest(connection, NAMED, rows, newest_at_us)  # type: ignore[arg-type]


@WAYS
def test_a_push_that_meets_its_settling_finds_it_done(own: OwnSchema, newest_at_us: int | None) -> None:
    """A push of a slot that is being settled waits, and is no new one; a slot that isn't settled is."""
    row, other = pushed_row(b"k", 1, slot=b"s"), pushed_row(b"k", 1, slot=b"t")
    with own.transaction() as materialisation:
        settle(materialisation, NAMED, [settled(row)], 10)
        outcome = own.waiting(lambda: own.backend.push(VIEW, [row, other], newest_at_us))
    assert outcome() == [False, True]
    assert list(own.backend.pushed(VIEW)) == [other]


@WAYS
@pytest.mark.parametrize("way", ["replace", "update"])
def test_a_settling_that_meets_a_push_takes_its_row(own: OwnSchema, newest_at_us: int | None, way: str) -> None:
    """A materialisation waits for a push that is under way, and what that pushed of its slots goes."""
    row, other = pushed_row(b"k", 1, slot=b"s"), pushed_row(b"k", 1, slot=b"t")
    with own.transaction() as pushing:
        assert _push(pushing, [row, other], newest_at_us) == [True, True]
        outcome = own.waiting(lambda: getattr(own.backend, way)(VIEW, state_rows(b"v"), META, [settled(row)]))
    assert outcome() == 3
    assert list(own.backend.pushed(VIEW)) == [other]
    assert list(own.backend.remembered(VIEW)) == [(b"k", b"s", 10)]
    assert own.backend.push(VIEW, [row], newest_at_us) == [False]


@WAYS
def test_a_push_that_meets_a_materialisation_is_not_lost(own: OwnSchema, newest_at_us: int | None) -> None:
    """What is pushed while rows come, be they a view's first and by the same thread, stays, and waits for nobody."""
    first, second = pushed_row(b"k", 1, slot=b"1"), pushed_row(b"k", 1, slot=b"2")

    def rows() -> Iterator[StateRow]:
        assert own.backend.push(VIEW, [first, second], newest_at_us) == [True, True]
        assert in_threads(lambda: own.backend.push(VIEW, [pushed_row(b"l", 1)], newest_at_us)) == [[True]]
        yield from state_rows(b"new")

    def gone() -> Iterator[Settled]:
        yield settled(first)
        assert own.backend.push(VIEW, [pushed_row(b"m", 1)], newest_at_us) == [True]

    own.backend.drop(VIEW)
    own.backend.replace(VIEW, rows(), META, gone())
    assert list(own.backend.pushed(VIEW)) == [second, pushed_row(b"l", 1), pushed_row(b"m", 1)]


def test_rows_are_locked_in_one_order(own: OwnSchema) -> None:
    """A push that waits for a row has none yet that is behind it, in whatever order its rows arrived."""
    rows = [pushed_row(b"k", 5, slot=slot) for slot in (b"b", b"a")]
    with own.transaction() as other:
        assert _push(other, rows[1:], None) == [True]
        outcome = own.waiting(lambda: own.backend.push(VIEW, rows))
        assert _push(other, rows[:1], None) == [True]
    assert outcome() == [False, False]
    assert [row.slot for row in own.backend.pushed(VIEW)] == [b"a", b"b"]


def test_pushes_of_one_entity_see_each_other(own: OwnSchema) -> None:
    """Where newest rows alone stay, whoever comes second waits, and is superseded; other entities don't wait."""
    others = [b"%d" % number for number in range(9)]
    apart = next(key for key in others if zlib.crc32(key) % LOCKS != zlib.crc32(b"k") % LOCKS)
    with own.transaction() as first:
        assert _push(first, [pushed_row(b"k", 5, slot=b"5")], NOW) == [True]
        outcome = own.waiting(lambda: own.backend.push(VIEW, [pushed_row(b"k", 4, slot=b"4")], NOW))
        assert own.backend.push(VIEW, [pushed_row(apart, 4)], NOW) == [True]
        # The one that waits for the entity is waited for by a materialisation, which waits for both.
        settling = own.waiting(lambda: own.backend.update(VIEW, [], META, [Settled(apart, b"")]))
    assert (outcome(), settling()) == ([False], 0)
    assert list(own.backend.pushed(VIEW)) == [pushed_row(b"k", 5, slot=b"5")]


def test_a_push_has_few_locks(own: OwnSchema) -> None:
    """However many entities a push has, the server's room for locks suffices."""
    rows = [pushed_row(b"%d" % number, 1) for number in range(20_000)]
    with own.transaction() as pushing:
        assert all(_push(pushing, rows, NOW))
        ((held,),) = own.database.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchall()
    assert held == LOCKS
