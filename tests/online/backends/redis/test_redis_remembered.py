"""What Redis remembers of settled slots: bytes, one transaction with the state, in portions, and for how long."""

from collections.abc import Iterator

import pytest

from online.backends.two_layers import META, VIEW, pushed_row, state_rows
from servers.redis_server import Redis
from storekeeper.errors import SourceError
from storekeeper.online.backends import Settled, StateRow, ViewMeta
from storekeeper.online.backends.redis import RedisBackend
from storekeeper.online.backends.redis_layout import names
from storekeeper.online.backends.redis_remembered import unpack_remembered

REMEMBERED = names(VIEW).remembered


def _lie(server: Redis) -> list[tuple[bytes, float]]:
    """What is remembered, as it lies there."""
    return [(member, score) for member, score in server.tell("ZRANGE", REMEMBERED, 0, -1, "WITHSCORES")]


def test_what_is_remembered_has_a_format(server: Redis, backend: RedisBackend) -> None:
    """Bytes as documented, scored by the instant; slots and keys that run into each other are kept apart."""
    backend.update(
        VIEW, [], META, [Settled(b"key", b"slot"), Settled(b"", b""), Settled(b"a", b"b"), Settled(b"", b"ab")]
    )
    assert _lie(server) == [
        (b"\x00\x00", 10.0), (b"ab\x00\x01", 10.0), (b"ab\x00\x02", 10.0), (b"keyslot\x00\x04", 10.0)
    ]  # fmt: skip
    assert list(backend.remembered(VIEW)) == [(b"", b"", 10), (b"", b"ab", 10), (b"a", b"b", 10), (b"key", b"slot", 10)]
    assert unpack_remembered(b"keyslot\x00\x04", b"-12") == (b"key", b"slot", -12)


@pytest.mark.parametrize("until_us", [0, -1, 1_700_000_000_123_457, 2**53 - 1, -(2**53) + 1])
def test_instants_are_exact(backend: RedisBackend, until_us: int) -> None:
    """Up to the year 2255 an instant comes back to the microsecond, and is forgotten at the next one, not before."""
    backend.replace(VIEW, [], ViewMeta(until_us, {}), [Settled(b"k", b"s")], until_us)
    assert list(backend.remembered(VIEW)) == [(b"k", b"s", until_us)]
    backend.replace(VIEW, [], ViewMeta(until_us, {}), [], until_us + 1)
    assert list(backend.remembered(VIEW)) == []


def test_the_latest_instant_counts(server: Redis, backend: RedisBackend) -> None:
    """An earlier one, or none at all, changes nothing of what is remembered."""
    for until_us in (5, 9, 7):
        backend.update(VIEW, [], ViewMeta(until_us, {}), [Settled(b"k", b"s")])
    backend.update(VIEW, [], ViewMeta(99, {}), [Settled(b"k", b"s", is_remembered=False)])
    assert _lie(server) == [(b"ks\x00\x01", 9.0)]


@pytest.mark.parametrize("shards", [1, 3])
def test_many_are_settled_in_one_transaction(server: Redis, shards: int) -> None:
    """However many there are, and wherever they lie, they go, are remembered and forgotten with the state's change."""
    backend = RedisBackend(server.url(), shards=shards)
    rows = [pushed_row(b"%04d" % (i % 900), i, slot=b"%d" % i) for i in range(2700)]
    backend.push(VIEW, rows)
    old = [Settled(b"%04d" % i, b"old") for i in range(900)]
    backend.update(VIEW, [], ViewMeta(1, {}), old)
    server.tell("CONFIG", "RESETSTAT")
    backend.replace(VIEW, state_rows(b"v"), META, (Settled(row.key, row.slot) for row in rows), 2)
    calls = server.tell("INFO", "commandstats")
    assert (calls["cmdstat_exec"]["calls"], calls["cmdstat_zremrangebyscore"]["calls"]) == (1, shards)
    assert calls["cmdstat_eval"]["calls"] <= 2700 // 500 + shards
    assert list(backend.pushed(VIEW)) == []
    assert list(backend.remembered(VIEW)) == sorted((row.key, row.slot, 10) for row in rows)
    assert backend.push(VIEW, rows[::-1]) == [False] * len(rows)
    assert list(backend.pushed(VIEW)) == []
    backend.close()


def test_a_broken_off_replacement_remembers_nothing(server: Redis, backend: RedisBackend) -> None:
    """Of a writer that another has overtaken no slot is remembered or forgotten, and no row goes."""
    row = pushed_row(b"k", 1, slot=b"s")
    backend.push(VIEW, [row])
    backend.update(VIEW, [], ViewMeta(1, {}), [Settled(b"k", b"before")])

    def rows() -> Iterator[StateRow]:
        yield from state_rows(b"v")
        backend.update(VIEW, [], META)

    with pytest.raises(SourceError, match="Another replacement of the same view began meanwhile"):
        backend.update(VIEW, rows(), ViewMeta(99, {}), [Settled(b"k", b"s")], 50)
    assert list(backend.pushed(VIEW)) == [row]
    assert list(backend.remembered(VIEW)) == [(b"k", b"before", 1)]


def test_a_remembered_slot_is_asked_for_once_a_push(server: Redis, backend: RedisBackend) -> None:
    """A view that remembers nothing isn't asked at all; else all of a script's rows are asked for together."""
    rows = [pushed_row(b"k", i, slot=b"%d" % i) for i in range(400)]
    server.tell("CONFIG", "RESETSTAT")
    backend.push(VIEW, rows)
    assert "cmdstat_zmscore" not in server.tell("INFO", "commandstats")
    backend.update(VIEW, [], META, [Settled(b"k", b"7"), Settled(b"other", b"8")])
    assert backend.push(VIEW, [*rows, pushed_row(b"k", 9, slot=b"new")]) == [False] * 400 + [True]
    assert server.tell("INFO", "commandstats")["cmdstat_zmscore"]["calls"] == 1
    assert len(list(backend.pushed(VIEW))) == 400
    backend.drop(VIEW)
    assert backend.push(VIEW, rows[7:8]) == [True]
