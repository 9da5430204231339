"""What every backend promises to many callers at once: threads, processes, readers beside writers."""

import multiprocessing
import random
import struct
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from online.backends.two_layers import META, VIEW, contents, in_order, in_threads, look, pushed_row, settled, state_rows
from storekeeper.online.backends import Asked, Backend, PushedRow, StateRow

# Python 3.12 warns of threads at a fork.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

WRITERS = 8
EVERYONE = [b"a", b"b", b"c"]


def _offered() -> list[PushedRow]:
    """Rows of a few slots whose ranks differ in their last part alone, in one of the three, or not at all."""
    draw = random.Random(7)  # noqa: S311
    rows = [
        PushedRow(
            draw.choice(EVERYONE), draw.choice([b"", b"s", b"t"]), draw.choice([-3, 1, 2]), draw.choice([1, 2]),
            draw.choice([b"", b"v", b"w", b"w\x00"]),
        )
        for _ in range(150)
    ]  # fmt: skip
    return rows + rows[:50]


def _offered_newest() -> list[PushedRow]:
    """Rows whose slots tell when they happened, and that are known before and after NOW."""
    draw, rows = random.Random(8), []  # noqa: S311
    for _ in range(150):
        event = draw.choice([1, 2, 4, 4, 6, 8])
        slot = b"%d %d" % (event, draw.choice([1, 2]))
        rows.append(PushedRow(draw.choice(EVERYONE), slot, event, draw.choice([3, 7, 8]), draw.choice([b"v", b"w"])))
    return rows + rows[:50]


def _left(rows: Sequence[PushedRow], newest_at_us: int | None) -> list[PushedRow]:
    """What is left of rows, in whatever order they come."""
    kept = list({(row.key, row.slot): row for row in sorted(rows, key=lambda row: row.rank)[::-1]}.values())
    if newest_at_us is None:
        return _sorted(kept)
    seen = [row for row in kept if max(row.event_us, row.known_us) <= newest_at_us]
    newest = {key: max(row.event_us for row in seen if row.key == key) for key in EVERYONE}
    return _sorted([row for row in kept if row.event_us >= newest[row.key]])


def _sorted(rows: Sequence[PushedRow]) -> list[PushedRow]:
    return sorted(rows)


def _push_all(backend: Backend, offered: Sequence[PushedRow], now: int | None, seed: int) -> list[tuple[bytes, bytes]]:
    """One writer's work: all rows, in an order of its own, a few at a time. Which slots were new."""
    rows, new = list(offered), []
    draw = random.Random(seed)  # noqa: S311
    draw.shuffle(rows)
    while rows:
        batch = [rows.pop() for _ in range(min(len(rows), draw.randint(1, 9)))]
        new += [
            (row.key, row.slot) for row, is_new in zip(batch, backend.push(VIEW, batch, now), strict=True) if is_new
        ]
    return new


@pytest.mark.parametrize(("offered", "now"), [(_offered(), None), (_offered_newest(), 7)], ids=["all", "newest"])
def test_writers_in_threads_end_as_one(backend: Backend, offered: list[PushedRow], now: int | None) -> None:
    """Many writers of the same rows, each in an order of its own, leave the same ones; each slot was new once."""
    works = [partial(_push_all, backend, offered, now, seed) for seed in range(WRITERS)]
    new = [place for places in in_threads(*works) for place in places]
    left, found = _left(offered, now), list(backend.pushed(VIEW))
    assert _sorted(found) == left
    assert found == in_order(found)
    assert len(new) == len(set(new))
    assert {(row.key, row.slot) for row in left} <= set(new)


def _in_process(backend: Backend, seed: int, answer: Any) -> None:
    answer.send(_push_all(backend, _offered(), None, seed))


def test_writers_in_processes_end_as_one(outside_place: Any) -> None:
    """The same of processes that were forked from one that had the backend open; its own connection is left whole."""
    backend, first = outside_place.open(), pushed_row(b"first", 1)
    backend.push(VIEW, [first])
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(WRITERS)]
    processes = [
        context.Process(target=_in_process, args=(backend, seed, answer)) for seed, (_, answer) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    new = [place for taken, _ in pipes for place in taken.recv()]
    for process in processes:
        process.join()
    left, found = _left([*_offered(), first], None), list(backend.pushed(VIEW))
    assert [process.exitcode for process in processes] == [0] * WRITERS
    assert found == list(outside_place.open().pushed(VIEW))
    assert _sorted(found) == left
    assert len(new) == len(set(new))
    assert {(row.key, row.slot) for row in left} == {*new, (first.key, first.slot)}


def test_a_fork_opens_a_connection_of_its_own(outside_place: Any) -> None:
    """Parent and child use one backend in turn; neither disturbs the other, also when the child closes it."""
    backend = outside_place.open()
    backend.replace(VIEW, state_rows(b"parent"), META)
    mine, theirs = multiprocessing.Pipe()

    def child() -> None:
        for turn in range(3):
            theirs.recv()
            backend.push(VIEW, [pushed_row(b"k", -turn)])
            theirs.send(look(backend, [b"k", b"key 0"]))
        backend.close()
        theirs.send("closed")

    process = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    process.start()
    for turn in range(3):
        assert look(backend, [b"k"]).state == [None]
        mine.send("go on")
        assert mine.recv().state == [None, b"parent"]
        assert list(backend.pushed(VIEW)) == [pushed_row(b"k", -turn)]
    assert mine.recv() == "closed"
    process.join()
    assert backend.push(VIEW, [pushed_row(b"k", 9, slot=b"9")]) == [True]
    assert (process.exitcode, look(backend, [b"key 0"]).state) == (0, [b"parent"])


# Below, an entity's state is the set of the numbers of those pushed rows that it holds, so that it tells what is lost
# or counted twice.


def _numbers(value: bytes | None) -> list[int]:
    return [number for (number,) in struct.iter_unpack(">q", value or b"")]


def _value(numbers: Sequence[int]) -> bytes:
    return b"".join(struct.pack(">q", number) for number in sorted(numbers))


def _event(key: bytes, number: int) -> PushedRow:
    return pushed_row(key, number, _value([number]), slot=struct.pack(">q", number))


def _seen(backend: Backend) -> dict[bytes, list[int]]:
    """For every entity, all numbers that a reader finds in its state and beside it."""
    (found,) = backend.read([Asked(VIEW, EVERYONE)])
    numbers = {key: _numbers(value) for key, value in zip(EVERYONE, found.state, strict=True)}
    for owner, value in zip(found.owners, found.pushed, strict=True):
        numbers[EVERYONE[owner]] += _numbers(value)
    return numbers


class _Materialisation:
    """Takes what was pushed into state, time and again, as a materialisation would."""

    def __init__(self, backend: Backend, way: str) -> None:
        self.backend, self.way = backend, way
        self.held: dict[bytes, set[int]] = {key: set() for key in EVERYONE}

    def run(self) -> None:
        taken = list(self.backend.pushed(VIEW))
        for row in taken:
            self.held[row.key].update(_numbers(row.value))
        # An update writes those entities alone that have something new.
        keys = sorted({row.key for row in taken}) if self.way == "update" else EVERYONE
        rows = [StateRow(key, 1, 1, _value(list(self.held[key]))) for key in keys]
        getattr(self.backend, self.way)(VIEW, iter(rows), META, map(settled, taken))


@pytest.mark.parametrize("way", ["replace", "update"])
def test_nothing_is_lost_or_counted_twice(backend: Backend, way: str) -> None:
    """Readers beside a writer find each pushed row in the state or beside it, never in both, and no row missing."""
    events, done = 60, threading.Event()

    def write() -> None:
        materialisation = _Materialisation(backend, way)
        try:
            for number in range(events):
                backend.push(VIEW, [_event(key, number) for key in EVERYONE])
                if number % 3 == 2:
                    materialisation.run()
                    again = [_event(key, told) for key in EVERYONE for told in range(number + 1)]
                    assert backend.push(VIEW, again) == [False] * len(again)
        finally:
            done.set()

    def read() -> list[int]:
        lengths = []
        while not done.is_set():
            for numbers in _seen(backend).values():
                assert sorted(numbers) == list(range(len(numbers)))
                lengths.append(len(numbers))
        return lengths

    _, *seen = in_threads(write, read, read)
    for lengths in seen:
        by_entity = [lengths[start :: len(EVERYONE)] for start in range(len(EVERYONE))]
        assert by_entity == [sorted(entity) for entity in by_entity]
    assert _seen(backend) == {key: list(range(events)) for key in EVERYONE}
    assert list(backend.pushed(VIEW)) == []


@pytest.mark.parametrize("way", ["replace", "update"])
def test_writers_beside_a_materialisation(backend: Backend, way: str) -> None:
    """What several writers push, and push again, while state is replaced ends in it or beside it, nowhere twice."""
    each, left = 20, threading.Semaphore(0)

    def write(writer: int) -> None:
        for number in range(writer * each, (writer + 1) * each):
            events = [_event(key, number) for key in EVERYONE]
            assert backend.push(VIEW, events) == [True] * len(EVERYONE)
            assert backend.push(VIEW, events) == [False] * len(EVERYONE)
        left.release()

    def materialise() -> None:
        materialisation, ended = _Materialisation(backend, way), 0
        while ended < 4:
            materialisation.run()
            ended += left.acquire(blocking=False)
            for numbers in _seen(backend).values():
                assert len(numbers) == len(set(numbers))

    in_threads(materialise, *[partial(write, writer) for writer in range(4)])
    everything = list(range(4 * each))
    assert {key: sorted(numbers) for key, numbers in _seen(backend).items()} == dict.fromkeys(EVERYONE, everything)


def test_readers_never_see_a_mixture(backend: Backend) -> None:
    """While a view is replaced again and again, each read is of one replacement, whatever connection it takes."""
    keys, done = [b"%03d" % i for i in range(600)], threading.Event()
    backend.replace(VIEW, state_rows(b"0", keys), META)

    def write() -> None:
        try:
            for turn in range(1, 12):
                backend.replace(VIEW, state_rows(b"%d" % turn, keys), META)
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            assert len(set(look(backend, keys).state)) == 1

    in_threads(write, read, read)
    assert contents(backend).state == [b"11"] * 600


def test_making_and_dropping_beside_readers(backend: Backend) -> None:
    """Views that come and go are no error to those who read or push."""
    done = threading.Event()

    def come_and_go() -> None:
        try:
            for _ in range(10):
                backend.create(VIEW)
                backend.replace(VIEW, state_rows(b"v"), META)
                backend.drop(VIEW)
        finally:
            done.set()

    def use() -> None:
        while not done.is_set():
            assert look(backend, [b"key 0"]).state[0] in {None, b"v"}
            assert backend.push(VIEW, [pushed_row(b"k", 1)]) in ([True], [False])
            assert backend.count(VIEW) in {0, 3}

    in_threads(come_and_go, use, use)
