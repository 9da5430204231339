"""Every backend does what a few dictionaries would, whatever is asked of it and in whatever order."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from online.backends.two_layers import Contents, contents, in_order
from oracle.shops import examples
from storekeeper.online.backends import Asked, Backend, Found, PushedRow, Settled, StateRow, ViewMeta

VIEWS = ["shop/a", 'shop/"b"']
#: Of this one newest rows alone stay.
NEWEST = VIEWS[1]
KEYS = st.sampled_from([b"", b"\x00", b"a", b"a\x00", b"\xff"])
SLOTS = st.sampled_from([b"", b"s", b"\x00\xff"])
TIMES = st.sampled_from([-(2**60), -1, 0, 1, 2, 2**60, 2**60 + 1])
#: A view is materialised in this millennium.
INSTANTS = st.sampled_from([-7, 0, 5, 2**51])
VALUES = st.sampled_from([b"", b"v", b"v\x00", b"\xff"])


def _of_one_event(row: PushedRow) -> PushedRow:
    """As it is where slots are ids: all rows of a slot happened at one time."""
    return row._replace(slot=row.slot + b"%d" % row.event_us)


ROW = st.builds(PushedRow, KEYS, SLOTS, TIMES, TIMES, VALUES)
STATE = st.dictionaries(KEYS, st.tuples(TIMES, TIMES, VALUES), max_size=4).map(
    lambda rows: [StateRow(key, *rows[key]) for key in sorted(rows)]
)
METAS = st.builds(ViewMeta, st.none() | INSTANTS, st.dictionaries(st.sampled_from("ab"), st.just("int")), st.text("xä"))
PUSHES = {
    VIEWS[0]: st.tuples(st.just("push"), st.lists(ROW, min_size=1, max_size=5)),
    NEWEST: st.tuples(st.just("push"), st.lists(ROW.map(_of_one_event), min_size=1, max_size=5), TIMES),
}
SETTLED = {
    VIEWS[0]: st.builds(Settled, KEYS, SLOTS, st.booleans()),
    NEWEST: st.builds(lambda row, held: Settled(row.key, row.slot, held), ROW.map(_of_one_event), st.booleans()),
}


def _steps(view: str) -> st.SearchStrategy[Any]:
    gone = st.lists(SETTLED[view], max_size=4)
    writes = st.tuples(st.sampled_from(["replace", "update"]), STATE, METAS, gone, st.none() | INSTANTS)
    others = st.tuples(st.sampled_from(["create", "drop"]))
    return st.tuples(st.just(view), st.one_of(PUSHES[view], PUSHES[view], writes, others))


STEPS = st.lists(st.one_of([_steps(view) for view in VIEWS]), max_size=12)


@dataclass
class Model:
    """One view, as plainly as it can be said; a dictionary's items stand as they came."""

    meta: ViewMeta | None = None
    state: dict[bytes, bytes] = field(default_factory=dict)
    slots: dict[tuple[bytes, bytes], PushedRow] = field(default_factory=dict)
    settled: dict[tuple[bytes, bytes], int] = field(default_factory=dict)

    def create(self) -> None:
        self.meta = self.meta or ViewMeta(None, {})

    def drop(self) -> None:
        self.meta, self.state, self.slots, self.settled = None, {}, {}, {}

    def push(self, rows: list[PushedRow], newest_at_us: int | None = None) -> list[bool]:
        self.create()
        return [self._is_new(row, newest_at_us) for row in rows]

    def _is_new(self, row: PushedRow, newest_at_us: int | None) -> bool:
        place = row.key, row.slot
        if place in self.settled:
            return False
        there = self.slots.get(place)
        self.slots[place] = min(there or row, row, key=lambda one: one.rank)
        if newest_at_us is not None:
            self._prune(row.key, newest_at_us)
        return there is None and place in self.slots

    def _prune(self, key: bytes, now: int) -> None:
        rows = [row for row in self.slots.values() if row.key == key]
        seen = [row.event_us for row in rows if max(row.event_us, row.known_us) <= now]
        for row in rows:
            if seen and row.event_us < max(seen):
                del self.slots[key, row.slot]

    def replace(self, rows: list[StateRow], *how: Any) -> int:
        self.state = {}
        return self.update(rows, *how)

    def update(self, rows: list[StateRow], meta: ViewMeta, gone: list[Settled], forget_before_us: int | None) -> int:
        self.meta = meta
        self.state |= {row.key: row.value for row in rows}
        for one in gone:
            place = one.key, one.slot
            self.slots.pop(place, None)
            if one.is_remembered and meta.until_us is not None:
                self.settled[place] = max(meta.until_us, self.settled.get(place, meta.until_us))
        if forget_before_us is not None:
            self.settled = {place: until for place, until in self.settled.items() if until >= forget_before_us}
        return len(rows)

    def contents(self) -> Contents:
        keys = sorted({*self.state, *(key for key, _ in self.slots)})
        state = [self.state.get(key) for key in keys]
        return Contents(self.meta, keys, state, len(self.state), in_order(self.slots.values()))

    def remembered(self) -> list[tuple[bytes, bytes, int]]:
        return sorted((*place, until) for place, until in self.settled.items())

    def read(self, keys: list[bytes]) -> Found:
        rows = [(owner, row) for owner, key in enumerate(keys) for row in self.contents().pushed if row.key == key]
        return Found(
            [self.state.get(key) for key in keys], [owner for owner, _ in rows], [row.value for _, row in rows]
        )


def test_backends_do_as_the_model(backend: Backend) -> None:
    """After every step, what it returned and all that can be known is as in the model."""

    @examples()
    @given(STEPS, st.lists(st.tuples(st.sampled_from(VIEWS), st.lists(KEYS, max_size=6)), max_size=4))
    def check(steps: Any, asked: list[tuple[str, list[bytes]]]) -> None:
        for view in VIEWS:
            backend.drop(view)
        models = {view: Model() for view in VIEWS}
        for view, (name, *arguments) in steps:
            assert getattr(backend, name)(view, *arguments) == getattr(models[view], name)(*arguments)
            assert contents(backend, view) == models[view].contents()
            assert list(backend.remembered(view)) == models[view].remembered()
        found = backend.read([Asked(view, keys) for view, keys in asked])
        assert found == [models[view].read(keys) for view, keys in asked]
        assert backend.views() == sorted(view for view in VIEWS if models[view].meta)

    check()
