"""How pushed rows lie in Redis: their bytes, the order in which they came, and which of them the scripts take apart."""

import multiprocessing
from collections.abc import Sequence

import pytest

from online.backends.two_layers import VIEW, look, pushed_row
from servers.redis_server import Redis
from storekeeper.online.backends import Asked, PushedRow
from storekeeper.online.backends.redis import RedisBackend
from storekeeper.online.backends.redis_layout import names
from storekeeper.online.backends.redis_pushed import pack, packed_time, unpack, values

# Python 3.12 warns of threads at a fork.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def _packed(server: Redis, key: bytes = b"k") -> bytes | None:
    """An entity's pushed rows as they lie there."""
    found: bytes | None = server.tell("HGET", names(VIEW).pushed, key)
    return found


def test_pushed_rows_have_a_format() -> None:
    """Bytes as documented: times that compare as they are, lengths, slot, value; in order of time, then as they lie."""
    row = PushedRow(b"k", b"slot", -1, 2, b"value")
    written = bytes.fromhex("7fffffffffffffff80000000000000020000000500000004") + b"slotvalue"
    assert pack(row) == written
    assert packed_time(-1) + packed_time(2) == written[:16]
    later, tied = PushedRow(b"k", b"", -1, 3, b""), PushedRow(b"k", b"a", -1, 2, b"a")
    packed = pack(later) + written + pack(tied)
    assert unpack(b"k", packed) == [row, tied, later]
    assert values(packed) == [b"value", b"a", b""]
    assert unpack(b"k", b"") == values(b"") == []


def test_rows_lie_as_they_came(server: Redis, backend: RedisBackend) -> None:
    """A new slot goes behind all others, also in a push that met a known slot before; a lesser rank takes its place."""
    first, second, third = (pushed_row(b"k", 5, slot, slot=slot) for slot in (b"z", b"m", b"a"))
    assert backend.push(VIEW, [first]) == [True]
    assert backend.push(VIEW, [second, first, third]) == [True, False, True]
    assert _packed(server) == pack(first) + pack(second) + pack(third)
    earlier = pushed_row(b"k", 5, b"earlier", slot=b"z", known=4)
    assert backend.push(VIEW, [first, earlier, first]) == [False] * 3
    assert _packed(server) == pack(earlier) + pack(second) + pack(third)


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [
        ((-(2**62), 9, b"z"), (2**62, 1, b"a")), ((2**60, 9, b""), (2**60 + 1, 1, b"")), ((-1, 5, b""), (0, 5, b"")),
        ((255, 5, b""), (256, 5, b"")), ((7, 2**60, b"z"), (7, 2**60 + 1, b"a")), ((7, -1, b"z"), (7, 1, b"a")),
        ((7, 7, b""), (7, 7, b"\x00")), ((7, 7, b"v"), (7, 7, b"v\x00")), ((7, 7, b"Z"), (7, 7, b"a")),
        ((7, 7, b"\x7f"), (7, 7, b"\x80")), ((7, 7, b"a\x00b"), (7, 7, b"a\x01")), ((7, 7, b"a" * 999), (7, 7, b"b")),
    ],
)  # fmt: skip
def test_ranks_compare_as_bytes(
    backend: RedisBackend, lesser: tuple[int, int, bytes], greater: tuple[int, int, bytes]
) -> None:
    """Times beyond what Lua's numbers hold, signs, and bytes that a locale would order otherwise: knowledge first."""
    low, high = (PushedRow(b"k", b"slot", event, known, value) for known, event, value in (lesser, greater))
    assert low.rank < high.rank
    for order in ([low, high], [high, low]):
        backend.drop(VIEW)
        assert [backend.push(VIEW, [row]) for row in order] == [[True], [False]]
        assert list(backend.pushed(VIEW)) == [low]


def test_new_events_are_put_behind_unseen(server: Redis, backend: RedisBackend) -> None:
    """Where rows aren't superseded, an entity's rows aren't taken apart for a new slot: even nonsense stays whole."""
    nonsense = b"no rows at all"
    server.tell("HSET", names(VIEW).pushed, b"k", nonsense)
    rows = [pushed_row(b"k", 1, slot=b"first"), pushed_row(b"k", 2, slot=b"second")]
    assert backend.push(VIEW, rows) == [True, True]
    assert backend.push(VIEW, [pushed_row(b"k", 3, slot=b"third")]) == [True]
    assert _packed(server) == nonsense + b"".join(map(pack, [*rows, pushed_row(b"k", 3, slot=b"third")]))


def test_a_slot_that_looks_like_a_value(backend: RedisBackend) -> None:
    """A new slot whose bytes stand in another row's value is new all the same."""
    slot = b"event"
    hidden = PushedRow(b"k", b"first", 1, 1, len(slot).to_bytes(4, "big") + slot)
    rows = [hidden, PushedRow(b"k", slot, 1, 1, b"second"), PushedRow(b"k", b"third", 1, 1, b"")]
    assert [backend.push(VIEW, [row]) for row in rows] == [[True]] * 3
    assert backend.push(VIEW, rows) == [False] * 3
    assert look(backend, [b"k"]).pushed == [hidden.value, b"second", b""]


def test_superseded_rows_leave_nothing(server: Redis, backend: RedisBackend) -> None:
    """Of an entity's rows the newest visible ones lie there, ties side by side, and those still to come."""
    old, tied, late, hidden = (
        PushedRow(b"k", slot, event, known, slot)
        for slot, event, known in [(b"old", 2**60, 1), (b"tied", 2**60, 2), (b"late", 2**60 - 1, 1), (b"-", 1, 2**61)]
    )
    to_come = PushedRow(b"k", b"to come", 2**60 + 1, 1, b"")
    assert backend.push(VIEW, [hidden, old, late, tied, to_come], 2**60) == [True, True, False, True, True]
    assert _packed(server) == pack(old) + pack(tied) + pack(to_come)
    assert backend.push(VIEW, [late, hidden], 2**60 + 1) == [False, False]
    assert _packed(server) == pack(to_come)


def test_rows_of_an_old_store_are_read(server: Redis, backend: RedisBackend) -> None:
    """Rows without an id, in whatever order they lie, count like others, until one supersedes or settles them."""
    old = [PushedRow(b"k", slot, event, 3, slot) for slot, event in [(b"b", 7), (b"", 5), (b"a", 7)]]
    server.tell("HSET", names(VIEW).pushed, b"k", b"".join(map(pack, old)))
    assert list(backend.pushed(VIEW)) == [old[1], old[0], old[2]]
    assert backend.read([Asked(VIEW, [b"k"])])[0].pushed == [b"", b"b", b"a"]
    new = pushed_row(b"k", 8, slot=b"new")
    assert backend.push(VIEW, [old[1], new]) == [False, True]
    assert _packed(server) == b"".join(map(pack, [*old, new]))
    assert backend.push(VIEW, [new], 8) == [False]
    assert _packed(server) == pack(new)


def _push_events(url: str, numbers: Sequence[int]) -> None:
    backend = RedisBackend(url)
    for number in numbers:
        backend.push(VIEW, [pushed_row(b"k", number % 7, slot=b"%d" % number)])
        backend.push(VIEW, [pushed_row(b"latest", number, slot=b"%d" % number)], 1000)
    backend.close()


def test_processes_push_side_by_side(server: Redis, backend: RedisBackend) -> None:
    """Events of one entity that two processes push at once are all there, and of the newest the newest one."""
    context = multiprocessing.get_context("fork")
    works = [range(0, 300, 2), range(299, 0, -2)]
    processes = [context.Process(target=_push_events, args=(server.url(), work)) for work in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    *events, latest = backend.pushed(VIEW)
    assert sorted(int(row.slot) for row in events) == list(range(300))
    assert latest == pushed_row(b"latest", 299, slot=b"299")
