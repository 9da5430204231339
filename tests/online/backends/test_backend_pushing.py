"""What every backend promises of pushed rows: which stay, in what order, and which are no new ones."""

import pytest

from online.backends.two_layers import (
    KEYS,
    META,
    NO_META,
    ODD_KEYS,
    ODD_SLOTS,
    OTHER,
    VIEW,
    contents,
    look,
    pushed_row,
    settled,
    state_rows,
)
from storekeeper.online.backends import Backend, PushedRow, Settled, ViewMeta


@pytest.mark.parametrize(
    ("event_us", "known_us", "value", "wins"),
    [
        (4, 6, b"a", False), (6, 5, b"a", False), (5, 5, b"there", False), (5, 5, b"there\x00", False),
        (5, 5, b"\xff", False), (5, 5, b"ther", True), (5, 5, b"", True), (4, 5, b"z", True), (9, 4, b"z", True),
        (-7, 9, b"a", False), (2**62, -(2**62), b"z", True), (-(2**62), 2**62, b"a", False),
    ],
)  # fmt: skip
def test_the_least_rank_stays(backend: Backend, event_us: int, known_us: int, value: bytes, wins: bool) -> None:
    """By knowledge time, event time, bytes: what is known first counts. Whoever comes second is no new one."""
    there, offered = PushedRow(b"k", b"s", 5, 5, b"there"), PushedRow(b"k", b"s", event_us, known_us, value)
    for neighbour in (pushed_row(b"k", 1), pushed_row(b"l", 1, slot=b"s"), there):
        assert backend.push(VIEW, [neighbour]) == [True]
    assert backend.push(VIEW, [offered]) == [False]
    assert backend.push(VIEW, [there, offered]) == [False, False]
    assert sorted(row.value for row in backend.pushed(VIEW)) == sorted([b"p", b"p", value if wins else b"there"])


def test_ranks_are_compared_to_the_last_microsecond(backend: Backend) -> None:
    """Times beyond what a float holds exactly, of either sign, are told apart."""
    for base in (2**60, -(2**60), 253_370_764_800_000_000):
        view, rows = f"{VIEW} {base}", [pushed_row(b"k", base)]
        assert backend.push(view, rows) == [True]
        for event, known, wins in [(1, 1, False), (0, 1, False), (1, 0, False), (-1, 0, True), (5, -1, True)]:
            offered = pushed_row(b"k", base + event, known=base + known)
            assert backend.push(view, [offered]) == [False]
            rows += [offered] * wins
            assert list(backend.pushed(view)) == rows[-1:]


def test_a_slot_keeps_its_place(backend: Backend) -> None:
    """A row that takes another's slot stands where that one arrived."""
    backend.push(VIEW, [pushed_row(b"k", 5, b"first", slot=b"z", known=9), pushed_row(b"k", 5, slot=b"a", known=7)])
    replacing = pushed_row(b"k", 5, b"again", slot=b"z", known=7)
    assert backend.push(VIEW, [pushed_row(b"k", 5, slot=b"y", known=7), replacing]) == [True, False]
    assert [row.slot for row in backend.pushed(VIEW)] == [b"z", b"a", b"y"]
    assert look(backend, [b"k"]).pushed == [b"again", b"p", b"p"]


def test_rows_that_tie_stand_as_they_came(backend: Backend) -> None:
    """In one push and over several, beside other entities' rows and after some were settled (rule 4)."""
    slots = [b"b", b"a", b"d", b"c", b"", b"e"]
    rows = [pushed_row(key, 5, slot, slot=slot) for slot in slots for key in (b"l", b"k")]
    for batch in (rows[:5], rows[5:8]):
        backend.push(VIEW, batch)
    backend.update(VIEW, [], META, [Settled(b"k", b"a"), Settled(b"k", b"d", is_remembered=False)])
    backend.push(VIEW, rows[8:])
    assert look(backend, [b"k", b"l"]).pushed == [b"b", b"c", b"", b"e", *slots]
    backend.update(VIEW, [], META, [Settled(b"l", slot) for slot in slots[3:]])
    backend.push(VIEW, [pushed_row(b"l", 5, b"last", slot=b"0")])
    assert look(backend, [b"l"]).pushed == [*slots[:3], b"last"]


def test_rows_of_one_push_count_one_after_the_other(backend: Backend) -> None:
    """A slot offered several times in one push: which are new says it row by row. A push makes room."""
    offered = [
        pushed_row(b"k", 2, b"b"), pushed_row(b"k", 3, b"a"), pushed_row(b"k", 2, b"b"), pushed_row(b"k", 1, b"c"),
        pushed_row(b"k", 2, b"a", slot=b"s"), pushed_row(b"l", 1, b"a"),
    ]  # fmt: skip
    assert backend.push(VIEW, iter(offered)) == [True, False, False, False, True, True]
    assert backend.push(VIEW, []) == []
    assert contents(backend) == (NO_META, [b"k", b"l"], [None, None], 0, [offered[3], offered[4], offered[5]])


def _newest(backend: Backend, now: int, *times: tuple[int, int] | int) -> tuple[list[bool], list[tuple[int, int]]]:
    """Which rows of such event and knowledge times are new, and the times of all that are there then."""
    pairs = [time if isinstance(time, tuple) else (time, time) for time in times]
    rows = [PushedRow(b"k", b"%d %d" % pair, *pair, b"p") for pair in pairs]
    return backend.push(VIEW, rows, now), [(row.event_us, row.known_us) for row in backend.pushed(VIEW)]


def test_the_newest_row_alone_stays(backend: Backend) -> None:
    """Whatever its knowledge time; one that is older doesn't come, and no other entity is touched."""
    backend.push(VIEW, [pushed_row(b"l", 1)], 100)
    backend.push(VIEW, [pushed_row(b"l", 0, slot=b"0"), pushed_row(b"m", 1)], 100)
    backend.update(VIEW, [], META, [Settled(b"l", b""), Settled(b"m", b"")])
    assert _newest(backend, 100, 5) == ([True], [(5, 5)])
    assert _newest(backend, 100, (4, 9)) == ([False], [(5, 5)])
    assert _newest(backend, 100, 7) == ([True], [(7, 7)])
    assert _newest(backend, 100, 8, 6, 9, (9, 9)) == ([True, False, True, False], [(9, 9)])
    assert _newest(backend, 100, 7, 9) == ([False, False], [(9, 9)])


def test_rows_that_happened_with_the_newest_stay(backend: Backend) -> None:
    """All of them, whenever they were known, in the order of their arrival."""
    assert _newest(backend, 100, (5, 8), (5, 6), 4) == ([True, True, False], [(5, 6), (5, 8)])
    assert _newest(backend, 100, (5, 7)) == ([True], [(5, 6), (5, 7), (5, 8)])
    ties = [PushedRow(b"l", slot, 5, 5, slot) for slot in (b"b", b"c", b"a")]
    assert backend.push(VIEW, ties, 100) == [True] * 3
    assert look(backend, [b"l"]).pushed == [b"b", b"c", b"a"]


def test_what_is_still_to_come_stays_and_hides_nothing(backend: Backend) -> None:
    """Until its time has come; then it supersedes what is older as soon as something is pushed."""
    assert _newest(backend, 10, 5, 12, (6, 11)) == ([True] * 3, [(5, 5), (6, 11), (12, 12)])
    assert _newest(backend, 10, 4, 7) == ([False, True], [(7, 7), (12, 12)])
    assert _newest(backend, 10, (8, 11), (6, 11)) == ([True, False], [(7, 7), (8, 11), (12, 12)])
    assert _newest(backend, 11, 9, (8, 11)) == ([True, False], [(9, 9), (12, 12)])
    assert _newest(backend, 12, 10) == ([False], [(12, 12)])


def test_a_slot_that_is_known_earlier_than_told_supersedes(backend: Backend) -> None:
    """A row that waited for its knowledge time is known at once, and what is older goes."""
    there = [PushedRow(b"k", b"old", 5, 5, b"p"), PushedRow(b"k", b"s", 7, 12, b"p")]
    assert backend.push(VIEW, there, 10) == [True, True]
    assert list(backend.pushed(VIEW)) == there
    known = PushedRow(b"k", b"s", 7, 8, b"p")
    assert backend.push(VIEW, [known], 10) == [False]
    assert list(backend.pushed(VIEW)) == [known]


@pytest.mark.parametrize("way", ["replace", "update"])
def test_settled_rows_go(backend: Backend, way: str) -> None:
    """A settled slot's row goes, whatever its rank; another slot or entity stays; a slot without row is no error."""
    rows = [pushed_row(key, 5, slot=slot, known=5) for key in (b"a", b"b") for slot in (b"", b"1", b"2", b"3")]
    backend.push(VIEW, rows)
    backend.push(VIEW, [pushed_row(b"a", 4, slot=b"1")])
    gone = [
        Settled(b"a", b""),
        Settled(b"a", b"1"),
        Settled(b"a", b"2", False),
        Settled(b"a", b"9"),
        Settled(b"c", b""),
    ]
    assert getattr(backend, way)(VIEW, state_rows(b"new"), META, iter(gone)) == 3
    stays = [row for row in rows if row.key == b"b" or row.slot == b"3"]
    assert contents(backend) == (META, [b"a", b"b", *KEYS], [None, None] + [b"new"] * 3, 3, stays)
    assert list(backend.remembered(VIEW)) == [(key, slot, 10) for key, slot in [
        (b"a", b""), (b"a", b"1"), (b"a", b"9"), (b"c", b""),
    ]]  # fmt: skip


@pytest.mark.parametrize("newest_at_us", [None, 100])
def test_a_retry_of_a_remembered_slot_changes_nothing(backend: Backend, newest_at_us: int | None) -> None:
    """Whatever its rank, for as long as it is remembered; the same slot of another entity is another one."""
    row = pushed_row(b"k", 5, slot=b"s")
    backend.push(VIEW, [row], newest_at_us)
    backend.replace(VIEW, state_rows(b"v"), META, [settled(row), Settled(b"k", b"never pushed")])
    before = contents(backend)
    retries = [
        row,
        pushed_row(b"k", 1, slot=b"s"),
        pushed_row(b"k", 9, slot=b"s"),
        pushed_row(b"k", 9, slot=b"never pushed"),
    ]
    other = pushed_row(b"l", 5, slot=b"s")
    assert backend.push(VIEW, retries, newest_at_us) == [False] * 4
    assert contents(backend) == before
    assert backend.push(VIEW, [retries[0], other, retries[1]], newest_at_us) == [False, True, False]
    assert list(backend.pushed(VIEW)) == [other]
    backend.update(VIEW, [], META)
    backend.replace(VIEW, [], META)
    assert backend.push(VIEW, retries, newest_at_us) == [False] * 4


def test_a_slot_that_is_not_remembered_may_come_again(backend: Backend) -> None:
    """What was settled without being in the state, or before any instant, is new when it is pushed again."""
    rows = [pushed_row(b"k", 5, slot=b"a"), pushed_row(b"k", 5, slot=b"b")]
    backend.push(VIEW, rows)
    backend.update(VIEW, [], META, [Settled(b"k", b"a", is_remembered=False)])
    backend.update(VIEW, [], NO_META, [Settled(b"k", b"b")])
    assert list(backend.pushed(VIEW)) == list(backend.remembered(VIEW)) == []
    assert backend.push(VIEW, rows) == [True, True]


@pytest.mark.parametrize("way", ["replace", "update"])
def test_slots_are_remembered_for_a_while(backend: Backend, way: str) -> None:
    """As of the latest instant at which they were settled; those before another one are forgotten in the same step."""

    def settle(until: int, *slots: bytes, forget: int | None = None) -> list[tuple[bytes, int]]:
        gone = [Settled(b"k", slot) for slot in slots]
        getattr(backend, way)(VIEW, [], ViewMeta(until, {}), gone, forget)
        return [(slot, until) for _, slot, until in backend.remembered(VIEW)]

    assert settle(10, b"b", b"a", b"b") == [(b"a", 10), (b"b", 10)]
    assert settle(20, b"b", b"c") == [(b"a", 10), (b"b", 20), (b"c", 20)]
    assert settle(15, b"c", b"d") == [(b"a", 10), (b"b", 20), (b"c", 20), (b"d", 15)]
    assert settle(30, forget=10) == [(b"a", 10), (b"b", 20), (b"c", 20), (b"d", 15)]
    assert settle(30, b"a", forget=16) == [(b"a", 30), (b"b", 20), (b"c", 20)]
    backend.update(VIEW, [], META, [Settled(b"k", b"a", is_remembered=False)])
    assert settle(19, b"e", forget=21) == [(b"a", 30)]
    rows = [pushed_row(b"k", 5, slot=slot) for slot in (b"a", b"b", b"e")]
    assert backend.push(VIEW, rows) == [False, True, True]


def test_what_is_remembered_is_of_one_view(backend: Backend) -> None:
    """It is told by key and slot, and gone with its view; other views remember for themselves."""
    slots = [(key, slot) for key in ODD_KEYS for slot in ODD_SLOTS]
    assert list(backend.remembered(VIEW)) == []
    for view in (VIEW, OTHER):
        backend.update(view, [], META, [Settled(*pair) for pair in slots])
    backend.update(VIEW, [], ViewMeta(11, {}), (), 11)
    assert list(backend.remembered(VIEW)) == []
    assert list(backend.remembered(OTHER)) == sorted((*pair, 10) for pair in slots)
    backend.drop(OTHER)
    backend.create(OTHER)
    assert list(backend.remembered(OTHER)) == []
    assert backend.push(OTHER, [pushed_row(b"a", 1, slot=b"a")]) == [True]


def test_many_slots_are_remembered(backend: Backend) -> None:
    """Of any number of rows in one push, those that are remembered aren't new."""
    rows = [pushed_row(b"%d" % (number % 7), number, slot=b"%d" % number) for number in range(2500)]
    backend.update(VIEW, [], META, map(settled, rows[::3]))
    assert backend.push(VIEW, rows) == [number % 3 > 0 for number in range(2500)]
    assert len(list(backend.pushed(VIEW))) == 2500 - len(rows[::3])


def test_what_is_pushed_meanwhile_stays(backend: Backend) -> None:
    """What is pushed between the reading of the source and the replacement isn't lost."""
    first, second = pushed_row(b"k", 5, slot=b"1"), pushed_row(b"k", 6, slot=b"2")
    backend.push(VIEW, [first])
    listed = list(backend.pushed(VIEW))
    backend.push(VIEW, [second])
    backend.replace(VIEW, [], META, map(settled, listed))
    assert list(backend.pushed(VIEW)) == [second]
