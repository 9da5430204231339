"""What every backend promises to one caller: the protocol's sentences, one by one."""

from collections.abc import Iterator
from typing import Any

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
    in_order,
    in_threads,
    look,
    pushed_row,
    settled,
    state_rows,
)
from storekeeper.errors import SourceError
from storekeeper.online.backends import Asked, Backend, Found, PushedRow, Settled, StateRow, ViewMeta

NAMES = [
    "a", "A", "a b", 'a"b', "a'b", "a/b", "a:b", "a{b}", "a%sb", "a\\b", "ä", "日本", "a" * 63, "a" * 64,
    "a" * 200 + "1", "a" * 200 + "2", "state:a", "pushed:a", "view_meta", ":", "*",
]  # fmt: skip


def test_nothing_is_there_at_first(backend: Backend) -> None:
    """A view without room has no state, no pushed rows, no meta; asking makes no room."""
    assert backend.read([Asked(VIEW, [b"a", b"b"]), Asked(OTHER, [])]) == [
        Found([None, None], [], []),
        Found([], [], []),
    ]
    assert backend.read([]) == []
    assert contents(backend) == (None, [], [], 0, [])
    assert backend.views() == []


def test_making_room(backend: Backend) -> None:
    """A view with room has meta that says it was never materialised; making room again loses nothing."""
    backend.create(VIEW)
    assert contents(backend) == (NO_META, [], [], 0, [])
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.push(VIEW, [pushed_row(b"k", 1)])
    before = contents(backend)
    backend.create(VIEW)
    assert contents(backend) == before


def test_views_are_told_ascending(backend: Backend) -> None:
    """Views of any name, however long or alike, are kept apart, told by name, in order, and dropped alone."""
    for name in NAMES:
        backend.replace(name, state_rows(name.encode()), ViewMeta(1, {}, name))
        backend.push(name, [pushed_row(b"p", 1, name.encode())])
    assert backend.views() == sorted(NAMES)
    backend.drop(NAMES[-1])
    for name in NAMES[:-1]:
        assert look(backend, [KEYS[1], b"p"], name) == Found([name.encode(), None], [1], [name.encode()])
        assert backend.meta(name) == ViewMeta(1, {}, name)
    assert backend.views() == sorted(NAMES[:-1])


def test_dropping_forgets_one_view(backend: Backend) -> None:
    """A dropped view is gone with state, pushed rows and meta; dropping again is no error; it may come again, empty."""
    for view in (VIEW, OTHER):
        backend.replace(view, state_rows(b"v"), META)
        backend.push(view, [pushed_row(b"k", 1)])
    neighbour = contents(backend, OTHER)
    backend.drop(VIEW)
    backend.drop(VIEW)
    assert contents(backend) == (None, [], [], 0, [])
    assert look(backend, [*KEYS, b"k"]) == Found([None] * 4, [], [])
    assert contents(backend, OTHER) == neighbour
    backend.create(VIEW)
    assert contents(backend) == (NO_META, [], [], 0, [])


@pytest.mark.parametrize(
    "meta", [NO_META, META, ViewMeta(-(2**62), {"ä": "string", 'b"': "float"}, "x" * 300), ViewMeta(2**62, {}, "ü")]
)
def test_meta_is_kept(backend: Backend, meta: ViewMeta) -> None:
    """Meta reads as written, by `replace` and by `update`."""
    backend.replace(VIEW, [], meta)
    assert backend.meta(VIEW) == meta
    backend.update(VIEW, [], META)
    assert backend.meta(VIEW) == META
    backend.update(VIEW, [], meta)
    assert backend.meta(VIEW) == meta


def test_replacing(backend: Backend) -> None:
    """`replace` returns the row count; an entity that isn't among the rows has no state any more."""
    assert backend.replace(VIEW, state_rows(b"old"), META) == 3
    assert backend.replace(VIEW, iter(state_rows(b"new", KEYS[1:])), ViewMeta(11, {})) == 2
    assert contents(backend) == (ViewMeta(11, {}), KEYS[1:], [b"new"] * 2, 2, [])
    assert backend.replace(VIEW, [], META) == 0
    assert contents(backend) == (META, [], [], 0, [])


def test_updating(backend: Backend) -> None:
    """`update` leaves the state of entities that aren't among the rows, makes room, and knows no older or newer."""
    assert backend.update(VIEW, state_rows(b"old", KEYS[:2]), META) == 2
    assert backend.update(VIEW, [StateRow(KEYS[1], 1, 1, b"new"), StateRow(KEYS[2], 1, 1, b"new")], META) == 2
    assert contents(backend) == (META, KEYS, [b"old", b"new", b"new"], 3, [])
    assert backend.update(VIEW, iter([]), ViewMeta(11, {})) == 0
    assert contents(backend) == (ViewMeta(11, {}), KEYS, [b"old", b"new", b"new"], 3, [])


def test_several_views_are_read_in_one_go(backend: Backend) -> None:
    """What is found comes in the order of what was asked; keys, and views too, may be missing or repeated."""
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.replace(OTHER, state_rows(b"other", [b"key 1", b"z"]), META)
    backend.push(OTHER, [pushed_row(b"z", 2, b"second"), pushed_row(b"z", 1, b"first", slot=b"s"), pushed_row(b"y", 3)])
    found = backend.read(
        [
            Asked(OTHER, (b"z", b"?", b"z", b"key 1")),
            Asked("nowhere", [b"z"]),
            Asked(VIEW, [b"key 2", b"?", b"key 0", b"key 2"]),
            Asked(OTHER, [b"y", b"key 2"]),
            Asked(VIEW, []),
        ]
    )
    assert found == [
        Found([b"other", None, b"other", b"other"], [0, 0, 2, 2], [b"first", b"second"] * 2),
        Found([None], [], []),
        Found([b"v", None, b"v", b"v"], [], []),
        Found([None, None], [0], [b"p"]),
        Found([], [], []),
    ]


def test_pushed_rows_come_in_order(backend: Backend) -> None:
    """By owner, event time, knowledge time, arrival when read, by key and so on when listed, however they came."""
    rows = [
        PushedRow(key, slot, event, known, b"%d %d %s" % (event, known, slot.hex().encode()))
        for key in (b"b", b"a")
        for slot, event, known in [
            (b"\xff", 2, 3), (b"\x00", 2, 3), (b"z", -5, 9), (b"\x01\x02", 2, 2), (b"\x01", 2, 2), (b"y", -5, 2**60),
            (b"a", 2**60 + 1, 0), (b"b", 2**60, 1), (b"x", -(2**60), 0), (b"w", -(2**60) - 1, 0),
        ]
    ]  # fmt: skip
    assert backend.push(VIEW, rows[:7]) + backend.push(VIEW, rows[7:]) == [True] * len(rows)
    ordered = in_order(rows)
    assert list(backend.pushed(VIEW)) == ordered
    values = {key: [row.value for row in ordered if row.key == key] for key in (b"a", b"b")}
    assert look(backend, [b"b", b"c", b"a", b"b"]) == Found(
        [None] * 4, [0] * 10 + [2] * 10 + [3] * 10, values[b"b"] + values[b"a"] + values[b"b"]
    )
    assert contents(backend).keys == [b"a", b"b"]


@pytest.mark.parametrize("count", [1, 2, 499, 500, 501, 1203])
def test_any_number_of_keys(backend: Backend, count: int) -> None:
    """However many keys are asked for, each has its place, and so have their pushed rows."""
    keys = [b"%05d" % i for i in range(count)]
    backend.replace(VIEW, [StateRow(key, 0, 0, key) for key in keys[::2]], META)
    backend.push(VIEW, [pushed_row(key, 1, key) for key in keys[::3]])
    asked = keys[::-1]
    wanted = [i for i, key in enumerate(asked) if key in set(keys[::3])]
    assert look(backend, asked) == Found(
        [key if key in set(keys[::2]) else None for key in asked], wanted, [asked[i] for i in wanted]
    )
    assert backend.count(VIEW) == len(keys[::2])
    assert backend.keys(VIEW) == sorted({*keys[::2], *keys[::3]})


def test_keys_slots_and_values_are_bytes(backend: Backend) -> None:
    """Empty ones, zero bytes, what is no UTF-8, long slots: all are kept apart and come back as they went."""
    backend.replace(VIEW, [StateRow(key, 1, 1, key) for key in sorted(ODD_KEYS)], META)
    rows = [pushed_row(key, 7, slot, slot=slot) for key in ODD_KEYS for slot in ODD_SLOTS]
    assert all(backend.push(VIEW, rows))
    assert backend.keys(VIEW) == sorted(ODD_KEYS)
    assert list(backend.pushed(VIEW)) == in_order(rows)
    found = look(backend, ODD_KEYS)
    assert found.state == ODD_KEYS
    assert found.pushed == ODD_SLOTS * len(ODD_KEYS)
    gone = [row for row in rows if row.slot in {b"a\x00", bytes(255)}]
    backend.replace(VIEW, [], META, map(settled, gone))
    assert list(backend.pushed(VIEW)) == in_order(row for row in rows if row not in gone)
    assert list(backend.remembered(VIEW)) == sorted((row.key, row.slot, 10) for row in gone)


def test_views_about_everyone(backend: Backend) -> None:
    """The empty key is an entity like any other."""
    backend.replace(VIEW, state_rows(b"all", [b""]), META)
    backend.push(VIEW, [pushed_row(b"", 1)])
    assert look(backend, [b"", b""]) == Found([b"all", b"all"], [0, 1], [b"p", b"p"])
    assert contents(backend) == (META, [b""], [b"all"], 1, [pushed_row(b"", 1)])


def test_large_and_empty_values(backend: Backend) -> None:
    """A value may have megabytes, or no byte at all, which is not the same as no value."""
    large = bytes(range(256)) * 12_000
    backend.replace(VIEW, [StateRow(b"a", 1, 1, large), StateRow(b"b", 1, 1, b"")], META)
    backend.push(VIEW, [pushed_row(b"a", 1, b""), pushed_row(b"b", 1, large)])
    assert look(backend, [b"a", b"b", b"c"]) == Found([large, b"", None], [0, 1], [b"", large])


def test_pushing_leaves_state_alone(backend: Backend) -> None:
    """State, its count and meta are as before; a replacement leaves pushed rows that nobody settles."""
    backend.replace(VIEW, state_rows(b"old"), META)
    rows = [pushed_row(KEYS[0], 99), pushed_row(b"new", 1)]
    backend.push(VIEW, rows)
    assert contents(backend) == (META, [*KEYS, b"new"], [b"old"] * 3 + [None], 3, rows)
    backend.replace(VIEW, state_rows(b"new", KEYS[1:]), META)
    assert contents(backend) == (META, [*KEYS, b"new"], [None, b"new", b"new", None], 2, rows)
    backend.update(VIEW, state_rows(b"x", KEYS[:1]), META)
    assert contents(backend) == (META, [*KEYS, b"new"], [b"x", b"new", b"new", None], 3, rows)


def _broken_off(rows: list[Any], error: BaseException) -> Iterator[Any]:
    yield from rows
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()], ids=["interrupt", "error"])
@pytest.mark.parametrize("way", ["replace", "update"])
def test_an_interrupted_replacement_leaves_the_old(backend: Backend, way: str, error: BaseException) -> None:
    """When rows or settled rows break off, both layers and what is remembered are as before; the next write works."""
    backend.replace(VIEW, state_rows(b"old"), META, [Settled(b"k", b"before")])
    rows = [pushed_row(key, 1) for key in KEYS]
    backend.push(VIEW, rows)
    before, write = contents(backend), getattr(backend, way)
    for new, gone in [
        (_broken_off(state_rows(b"new", KEYS[:2]), error), map(settled, rows)),
        (state_rows(b"new"), _broken_off([settled(rows[0])], error)),
    ]:
        with pytest.raises(type(error)):
            write(VIEW, new, ViewMeta(99, {}), gone, 98)
        assert contents(backend) == before
        assert list(backend.remembered(VIEW)) == [(b"k", b"before", 10)]
    assert write(VIEW, state_rows(b"new"), ViewMeta(99, {}), map(settled, rows)) == 3
    assert contents(backend) == (ViewMeta(99, {}), KEYS, [b"new"] * 3, 3, [])


def test_an_interrupted_first_write_leaves_nothing(backend: Backend) -> None:
    """A view whose first rows broke off has no entity, state or pushed row."""
    with pytest.raises(ZeroDivisionError):
        backend.replace(VIEW, _broken_off(state_rows(b"v"), ZeroDivisionError()), META)
    with pytest.raises(ZeroDivisionError):
        backend.push(VIEW, _broken_off([pushed_row(b"k", 1)], ZeroDivisionError()))
    assert contents(backend)[1:] == ([], [], 0, [])
    assert look(backend, [*KEYS, b"k"]) == Found([None] * 4, [], [])


def test_an_interrupted_push_writes_nothing(backend: Backend) -> None:
    """All rows of a push are written, or none."""
    backend.push(VIEW, [pushed_row(b"a", 1, b"old")])
    before = contents(backend)
    with pytest.raises(ZeroDivisionError):
        backend.push(VIEW, _broken_off([pushed_row(b"a", 2), pushed_row(b"b", 2)], ZeroDivisionError()))
    assert contents(backend) == before
    assert backend.push(VIEW, [pushed_row(b"a", 2), pushed_row(b"b", 2)]) == [False, True]


@pytest.mark.parametrize("way", ["replace", "update"])
def test_readers_see_all_of_the_old_while_the_new_comes(backend: Backend, place: Any, way: str) -> None:
    """In the middle of either stream, whoever reads finds the old state together with the pushed rows that it lacks."""
    backend.replace(VIEW, state_rows(b"old"), META)
    rows = [pushed_row(KEYS[0], 1), pushed_row(KEYS[2], 1)]
    backend.push(VIEW, rows)
    before, seen = contents(backend), []

    def watched(stream: list[Any]) -> Iterator[Any]:
        for item in stream:
            yield item
            seen.append(contents(backend))
            seen.extend(in_threads(lambda: contents(backend), lambda: contents(place.open())))

    getattr(backend, way)(VIEW, watched(state_rows(b"new")), ViewMeta(99, {}), watched([settled(row) for row in rows]))
    assert seen == [before] * len(seen)
    assert seen
    after = (ViewMeta(99, {}), KEYS, [b"new"] * 3, 3, [])
    assert in_threads(lambda: contents(backend), lambda: contents(place.open())) == [after, after]


def test_closed_backends_open_again(backend: Backend) -> None:
    """After `close`, and `close` again, everything is there."""
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.push(VIEW, [pushed_row(b"k", 1)])
    before = contents(backend)
    backend.close()
    backend.close()
    assert contents(backend) == before
    backend.close()
    assert backend.push(VIEW, [pushed_row(b"k", 2, slot=b"2")]) == [True]


@pytest.mark.parametrize(
    "work",
    [
        lambda broken: broken.create(VIEW),
        lambda broken: broken.drop(VIEW),
        lambda broken: broken.views(),
        lambda broken: broken.meta(VIEW),
        lambda broken: broken.count(VIEW),
        lambda broken: broken.keys(VIEW),
        lambda broken: broken.read([Asked(VIEW, KEYS)]),
        lambda broken: broken.replace(VIEW, state_rows(b"v"), META),
        lambda broken: broken.update(VIEW, state_rows(b"v"), META),
        lambda broken: broken.push(VIEW, [pushed_row(b"k", 1)]),
        lambda broken: list(broken.pushed(VIEW)),
        lambda broken: list(broken.remembered(VIEW)),
    ],
    ids=[
        "create", "drop", "views", "meta", "count", "keys", "read", "replace", "update", "push", "pushed", "remembered",
    ],
)  # fmt: skip
def test_a_broken_place_is_an_error(outside_place: Any, work: Any) -> None:
    """Whatever is asked of it, a place that can't be used is named, without its password, twice in a row."""
    broken = outside_place.broken()
    for _ in range(2):
        with pytest.raises(SourceError, match=outside_place.named) as caught:
            work(broken)
        shown = f"{caught.value} {caught.value.__cause__} {caught.value.__context__} {broken!r}"
        assert outside_place.secret not in shown
    broken.close()
