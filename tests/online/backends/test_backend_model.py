"""Every backend does what a few dictionaries would, whatever is asked of it and in whatever order."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from online.backends.two_layers import Contents, contents
from oracle.shops import examples
from storekeeper.online.backends import Asked, Backend, Found, PushedRow, Settled, StateRow, ViewMeta

VIEWS = ["shop/a", 'shop/"b']
KEYS = st.sampled_from([b"", b"\x00", b"a", b"a\x00", b"\xff"])
SLOTS = st.sampled_from([b"", b"s", b"\x00\xff"])
TIMES = st.sampled_from([-(2**60), -1, 0, 1, 2, 2**60, 2**60 + 1])
VALUES = st.sampled_from([b"", b"v", b"v\x00", b"\xff"])

PUSHED = st.lists(st.builds(PushedRow, KEYS, SLOTS, TIMES, TIMES, VALUES), min_size=1, max_size=5)
STATE = st.dictionaries(KEYS, st.tuples(TIMES, TIMES, VALUES), max_size=4).map(
    lambda rows: [StateRow(key, *rows[key]) for key in sorted(rows)]
)
METAS = st.builds(ViewMeta, st.none() | TIMES, st.dictionaries(st.sampled_from("ab"), st.just("int")), st.text("xä"))
SETTLED = st.lists(st.builds(Settled, KEYS, SLOTS, TIMES, TIMES), max_size=4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(VIEWS),
        st.one_of(
            st.tuples(st.just("push"), PUSHED),
            st.tuples(st.sampled_from(["replace", "update"]), STATE, METAS, SETTLED),
            st.tuples(st.sampled_from(["create", "drop"])),
        ),
    ),
    max_size=12,
)


@dataclass
class Model:
    """One view, as plainly as it can be said."""

    meta: ViewMeta | None = None
    state: dict[bytes, bytes] = field(default_factory=dict)
    slots: dict[tuple[bytes, bytes], PushedRow] = field(default_factory=dict)

    def create(self) -> None:
        self.meta = self.meta or ViewMeta(None, {})

    def drop(self) -> None:
        self.meta, self.state, self.slots = None, {}, {}

    def push(self, rows: list[PushedRow]) -> list[bool]:
        self.create()
        written = []
        for row in rows:
            there = self.slots.get((row.key, row.slot))
            written.append(there is None or there.rank < row.rank)
            if written[-1]:
                self.slots[row.key, row.slot] = row
        return written

    def replace(self, rows: list[StateRow], meta: ViewMeta, gone: list[Settled]) -> int:
        self.state = {}
        return self.update(rows, meta, gone)

    def update(self, rows: list[StateRow], meta: ViewMeta, gone: list[Settled]) -> int:
        self.meta = meta
        self.state |= {row.key: row.value for row in rows}
        for one in gone:
            there = self.slots.get((one.key, one.slot))
            if there and (there.event_us, there.known_us) <= (one.event_us, one.known_us):
                del self.slots[one.key, one.slot]
        return len(rows)

    def contents(self) -> Contents:
        keys = sorted({*self.state, *(key for key, _ in self.slots)})
        pushed = sorted(self.slots.values(), key=lambda row: (row.key, row.event_us, row.known_us, row.slot))
        return Contents(self.meta, keys, [self.state.get(key) for key in keys], len(self.state), pushed)

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
        found = backend.read([Asked(view, keys) for view, keys in asked])
        assert found == [models[view].read(keys) for view, keys in asked]
        assert backend.views() == sorted(view for view in VIEWS if models[view].meta)

    check()
