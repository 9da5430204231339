"""What is special about state in Redis: keys of one slot, one round trip, writers that die or meet, its own format."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from redis.crc import key_slot

from online.backends.two_layers import KEYS, META, VIEW, contents, look, pushed_row, state_rows
from servers.redis_server import Redis
from storekeeper.errors import SettingError, SourceError
from storekeeper.online.backends import Asked, Backend, Found, PushedRow, Settled, StateRow, ViewMeta, redis_staging
from storekeeper.online.backends.redis import RedisBackend
from storekeeper.online.backends.redis_layout import names
from storekeeper.testing.memory import MemoryBackend

# Python 3.12 warns of threads at a fork.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

MANY = [StateRow(b"%05d" % i, 1, 1, b"new") for i in range(2500)]


def _left(server: Redis, pattern: str = "*") -> list[str]:
    return sorted(key.decode("utf-8") for key in server.tell("KEYS", pattern))


@pytest.mark.parametrize("view", [VIEW, "a", "a:b", "a{b}c", "{a}", "}", "}{", "{}", "%7Ba%7D", "ä", ""])
@pytest.mark.parametrize("shard", [0, 7])
def test_a_shard_is_one_slot(view: str, shard: int) -> None:
    """All keys of a shard fall into one slot of a cluster, whatever its view is called; shards don't all."""
    its = names(view, shard)
    keys = [its.state, its.pushed, its.remembered, its.meta, its.writer, its.next(b"token")]
    assert len(set(keys)) == len(keys)
    assert len({key_slot(key) for key in keys}) == 1
    assert len({key_slot(names(view, other).state) for other in range(8)}) > 1
    assert its != names("%7Ba", shard) != names("{a", shard)


def _settled(rows: Sequence[PushedRow]) -> list[Settled]:
    """What a materialisation says that saw pushed rows in its source, and can't read every fifth."""
    return [Settled(row.key, row.slot, place % 5 > 0) for place, row in enumerate(rows)]


def _live(backend: Backend, view: str) -> Iterator[Any]:
    """All that a view may go through; after every step, what can be known of it."""
    rows = [pushed_row(b"%d" % (i % 40), i, b"%d" % i, slot=b"%d" % (i % 7)) for i in range(1300)]

    def told(answer: Any = None) -> Any:
        return answer, contents(backend, view), list(backend.remembered(view))

    yield told(backend.create(view))
    yield told(backend.push(view, rows[::-1]))
    yield told(backend.replace(view, MANY, META, _settled(rows[::2])))
    yield told(backend.push(view, rows))
    yield told(backend.push(view, rows, 700))
    yield told(backend.update(view, state_rows(b"x"), ViewMeta(20, {}), _settled(rows[3::4]), 11))
    yield told(backend.push(view, rows, 1300))
    yield told(backend.replace(view, state_rows(b"y"), META, [], 21))
    yield backend.read([Asked(view, [b"1", *KEYS, b"2"]), Asked("other", KEYS)]), backend.views()
    backend.drop(view)
    yield told(), backend.views()


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("view", [VIEW, "a{b}c", "}"])
def test_a_cluster_is_never_asked_across_slots(redis_in_cluster: Redis, shards: int, view: str) -> None:
    """A cluster's node, which refuses commands and transactions of several slots, does as a dictionary does."""
    redis_in_cluster.tell("FLUSHALL")
    backend = RedisBackend(redis_in_cluster.url(), shards=shards)
    assert list(_live(backend, view)) == list(_live(MemoryBackend(), view))
    assert _left(redis_in_cluster) == []
    backend.close()


def test_nothing_is_left_behind(server: Redis, backend: RedisBackend) -> None:
    """A view has four keys and the list of views; when it is dropped, Redis is as empty as before."""
    backend.replace(VIEW, state_rows(b"v"), META, [Settled(b"k", b"settled")])
    backend.push(VIEW, [pushed_row(b"k", 1)])
    its = names(VIEW)
    assert _left(server) == sorted(
        key.decode() for key in (its.state, its.pushed, its.remembered, its.meta, b"sk:views")
    )
    assert server.tell("HGETALL", its.state) == dict.fromkeys(KEYS, b"v")
    backend.drop(VIEW)
    assert _left(server) == []


def test_all_processes_say_the_same_shards(server: Redis, backend: RedisBackend) -> None:
    """Another number of shards, which would find nothing, is refused by all that reads or writes, and may drop."""
    backend.push(VIEW, [pushed_row(b"k", 1)])
    other = RedisBackend(server.url(), shards=2)
    for work in (
        lambda: other.read([Asked(VIEW, [b"k"])]), lambda: other.replace(VIEW, [], META), lambda: other.keys(VIEW),
        lambda: other.push(VIEW, []), lambda: other.count(VIEW), lambda: other.pushed(VIEW), lambda: other.create(VIEW),
        lambda: other.remembered(VIEW),
    ):  # fmt: skip
        with pytest.raises(SourceError, match=r"lies in 1 shard\(s\), and this store is set to 2"):
            work()
    other.drop(VIEW)
    other.create(VIEW)
    with pytest.raises(SourceError, match=r"lies in 2 shard\(s\), and this store is set to 1"):
        RedisBackend(server.url()).create(VIEW)
    with pytest.raises(SettingError, match="at least one shard, not in 0"):
        RedisBackend(server.url(), shards=0)


def _lookups(server: Redis) -> int:
    """How many lookups the server has done since last asked."""
    told = server.tell("INFO", "commandstats").get("cmdstat_hmget", {"calls": 0})["calls"]
    server.tell("CONFIG", "RESETSTAT")
    return int(told)


def test_pushed_rows_are_looked_for_where_there_are_any(server: Redis, backend: RedisBackend) -> None:
    """A view is looked at once while nothing is pushed, again when the first row has come, and then twice at once."""
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.replace("other", state_rows(b"w"), META)
    asked, others = [Asked(VIEW, KEYS), Asked("other", KEYS)], Found([b"w"] * 3, [], [])
    backend.read(asked)
    _lookups(server)
    assert backend.read(asked) == [Found([b"v"] * 3, [], []), others]
    assert _lookups(server) == 2
    row = pushed_row(KEYS[1], 1)
    backend.push(VIEW, [row])
    for lookups in (4, 3):
        assert backend.read(asked) == [Found([b"v"] * 3, [1], [b"p"]), others]
        assert _lookups(server) == lookups
    backend.update(VIEW, [], META, [Settled(row.key, row.slot)])
    for lookups in (3, 2):
        assert backend.read(asked) == [Found([b"v"] * 3, [], []), others]
        assert _lookups(server) == lookups


def _dying(backend: RedisBackend) -> None:
    def rows() -> Iterator[StateRow]:
        yield from MANY
        os.kill(os.getpid(), signal.SIGKILL)

    backend.replace(VIEW, rows(), ViewMeta(99, {}))


def test_a_killed_writer_leaves_the_old_state(server: Redis, backend: RedisBackend) -> None:
    """What it had brought is no view, isn't read, and is removed by the next writer."""
    backend.replace(VIEW, state_rows(b"old"), META)
    before, keys = contents(backend), _left(server)
    process = multiprocessing.get_context("fork").Process(target=_dying, args=(backend,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (leftover,) = _left(server, "*next*")
    assert server.tell("HLEN", leftover) >= 1000
    assert contents(backend) == before
    assert backend.views() == [VIEW]
    assert backend.update(VIEW, [], META) == 0
    assert _left(server) == keys
    assert contents(backend) == before


def test_of_two_writers_the_later_one_stays(server: Redis, backend: RedisBackend) -> None:
    """One that another has overtaken is told so; what it brought is removed, its settled rows stay."""
    row = pushed_row(b"k", 1)
    backend.push(VIEW, [row])

    def rows() -> Iterator[StateRow]:
        yield from MANY
        backend.replace(VIEW, state_rows(b"later"), META)

    with pytest.raises(SourceError, match="Another replacement of the same view began meanwhile"):
        backend.replace(VIEW, rows(), ViewMeta(99, {}), [Settled(row.key, row.slot)])
    assert contents(backend) == (META, [b"k", *KEYS], [None, *[b"later"] * 3], 3, [row])
    assert _left(server, "*next*") + _left(server, "*writer*") == []


def test_a_writer_whose_rows_vanish_is_told(server: Redis, backend: RedisBackend) -> None:
    """New state that a server evicts before it is put in place doesn't take the place of the old."""
    backend.replace(VIEW, state_rows(b"old"), META)

    def rows() -> Iterator[StateRow]:
        yield from MANY
        server.tell("DEL", *_left(server, "*next*"))

    with pytest.raises(SourceError, match=r"of 2,500 rows written, .* are there.* evicts nothing"):
        backend.replace(VIEW, rows(), ViewMeta(99, {}))
    assert contents(backend) == (META, KEYS, [b"old"] * 3, 3, [])


@pytest.mark.parametrize("shards", [1, 3])
def test_a_large_update_is_put_in_portions(server: Redis, monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """So that no script keeps the server for long, and readers see none of them alone."""
    monkeypatch.setattr(redis_staging, "_ROWS_PER_SCRIPT", 300)
    backend = RedisBackend(server.url(), shards=shards)
    backend.replace(VIEW, state_rows(b"old"), META)
    server.tell("CONFIG", "RESETSTAT")
    assert backend.update(VIEW, iter(MANY), META) == len(MANY)
    calls = server.tell("INFO", "commandstats")
    assert (calls["cmdstat_exec"]["calls"], calls["cmdstat_eval"]["calls"]) == (1, 9)
    assert look(backend, [*KEYS, *(row.key for row in MANY)]).state == [b"old"] * 3 + [b"new"] * len(MANY)
    assert _left(server, "*next*") == []
    backend.close()
