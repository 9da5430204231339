"""Words that the tests of backends share: rows, what a reader finds, and what is there at all."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from storekeeper.online.backends import Asked, Backend, Found, PushedRow, Settled, StateRow, ViewMeta

VIEW = 'shop/a "quoted" %s; DROP TABLE view'
META = ViewMeta(10, {"cents": "int"}, "made from this")
NO_META = ViewMeta(None, {})
OTHER = "shop/other"
ODD_KEYS = [
    b"",
    b"\x00",
    b"\x00\x00",
    b"a",
    b"a\x00",
    b"a\x00b",
    b"a%b",
    b"a'\"\\b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\x00",
]
ODD_SLOTS = [*ODD_KEYS[::-1], bytes(255)]
KEYS = [b"key 0", b"key 1", b"key 2"]


def state_rows(value: bytes, keys: Sequence[bytes] = KEYS) -> list[StateRow]:
    """State of some entities, all of one value."""
    return [StateRow(key, 5, 5, value) for key in keys]


def pushed_row(key: bytes, time: int, value: bytes = b"p", *, slot: bytes = b"", known: int | None = None) -> PushedRow:
    """A pushed row; known when it happened, if nothing else is said."""
    return PushedRow(key, slot, time, time if known is None else known, value)


def settled(row: PushedRow) -> Settled:
    """What a materialisation says that saw a pushed row in its source."""
    return Settled(row.key, row.slot)


def in_order(rows: Iterable[PushedRow]) -> list[PushedRow]:
    """Rows as a backend tells them: those that agree in both times stand as they came."""
    return sorted(rows, key=lambda row: (row.key, row.event_us, row.known_us))


def look(backend: Backend, keys: Sequence[bytes], view: str = VIEW) -> Found:
    """What one view has of keys."""
    (found,) = backend.read([Asked(view, keys)])
    return found


class Contents(NamedTuple):
    """All that can be known of a view."""

    meta: ViewMeta | None
    keys: list[bytes]
    state: list[bytes | None]
    count: int
    pushed: list[PushedRow]


def contents(backend: Backend, view: str = VIEW) -> Contents:
    """All that can be known of a view; what `read` and `pushed` tell of its pushed rows must agree."""
    keys, pushed = backend.keys(view), list(backend.pushed(view))
    found = look(backend, keys, view)
    assert [(keys[owner], value) for owner, value in zip(found.owners, found.pushed, strict=True)] == [
        (row.key, row.value) for row in pushed
    ]
    return Contents(backend.meta(view), keys, found.state, backend.count(view), pushed)


def in_threads(*works: Any) -> list[Any]:
    """Run functions side by side, and what each returned; an error in one is an error here."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(works)) as threads:
        return [done.result() for done in [threads.submit(work) for work in works]]
