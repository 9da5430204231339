"""Online state in a dictionary."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from storekeeper.online.backends import Asked, Found, PushedRow, Settled, StateRow, ViewMeta


@dataclass(frozen=True)
class _View:
    """One view's layers; pushed rows by key and slot. A lock guards them."""

    meta: ViewMeta = field(default_factory=lambda: ViewMeta(None, {}))
    state: dict[bytes, bytes] = field(default_factory=dict)
    pushed: dict[bytes, dict[bytes, PushedRow]] = field(default_factory=dict)


class MemoryBackend:
    """A backend that forgets everything at the end of the process."""

    def __init__(self) -> None:
        self._views: dict[str, _View] = {}
        self._lock = threading.Lock()

    def create(self, view: str) -> None:
        """Make room for a view; nothing happens where there is one."""
        with self._lock:
            self._views.setdefault(view, _View())

    def drop(self, view: str) -> None:
        """Forget a view, its state and its pushed rows."""
        with self._lock:
            self._views.pop(view, None)

    def views(self) -> list[str]:
        """Names of all views that there is room for, ascending."""
        with self._lock:
            return sorted(self._views)

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view; None where there is no room for it."""
        with self._lock:
            return self._views[view].meta if view in self._views else None

    def count(self, view: str) -> int:
        """How many entities of a view have state."""
        with self._lock:
            return len(self._views.get(view, _View()).state)

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view that have state or pushed rows, ascending."""
        with self._lock:
            found = self._views.get(view, _View())
            return sorted(found.state.keys() | found.pushed.keys())

    def read(self, asked: Sequence[Asked]) -> list[Found]:
        """State and pushed rows of several views in one go; a view without room has none."""
        with self._lock:
            return [_found(self._views.get(one.view, _View()), one.keys) for one in asked]

    def replace(self, view: str, rows: Iterable[StateRow], meta: ViewMeta, settled: Iterable[Settled] = ()) -> int:
        """All of a view's state at once. Returns the row count."""
        return self._put(view, rows, meta, settled, keep=False)

    def update(self, view: str, rows: Iterable[StateRow], meta: ViewMeta, settled: Iterable[Settled] = ()) -> int:
        """As `replace`, but entities that aren't among the rows keep their state."""
        return self._put(view, rows, meta, settled, keep=True)

    def push(self, view: str, rows: Iterable[PushedRow]) -> list[bool]:
        """Write pushed rows, each unless its slot holds one of the same or a greater rank. Which were written."""
        offered = list(rows)
        with self._lock:
            pushed = self._views.setdefault(view, _View()).pushed
            return [_put_pushed(pushed, row) for row in offered]

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and slot."""
        with self._lock:
            slots = self._views.get(view, _View()).pushed
            rows = [row for key in sorted(slots) for row in _in_order(slots[key])]
        return iter(rows)

    def close(self) -> None:
        """Nothing is open; nothing is forgotten either."""

    def _put(
        self, view: str, rows: Iterable[StateRow], meta: ViewMeta, settled: Iterable[Settled], *, keep: bool
    ) -> int:
        # Both streams end before the lock is taken: whoever feeds them may read and push meanwhile.
        new, gone = {row.key: row.value for row in rows}, list(settled)
        with self._lock:
            before = self._views.get(view, _View())
            state = {**before.state, **new} if keep else new
            self._views[view] = replace(before, meta=meta, state=state)
            for one in gone:
                _settle(before.pushed, one)
        return len(new)


def _found(view: _View, keys: Sequence[bytes]) -> Found:
    rows = [(owner, row) for owner, key in enumerate(keys) for row in _in_order(view.pushed.get(key, {}))]
    return Found([view.state.get(key) for key in keys], [owner for owner, _ in rows], [row.value for _, row in rows])


def _in_order(slots: dict[bytes, PushedRow]) -> list[PushedRow]:
    return sorted(slots.values(), key=lambda row: (row.event_us, row.known_us, row.slot))


def _put_pushed(pushed: dict[bytes, dict[bytes, PushedRow]], row: PushedRow) -> bool:
    slots = pushed.setdefault(row.key, {})
    before = slots.get(row.slot)
    if before is not None and before.rank >= row.rank:
        return False
    slots[row.slot] = row
    return True


def _settle(pushed: dict[bytes, dict[bytes, PushedRow]], settled: Settled) -> None:
    slots = pushed.get(settled.key, {})
    row = slots.get(settled.slot)
    if row is None or (row.event_us, row.known_us) > (settled.event_us, settled.known_us):
        return
    del slots[settled.slot]
    if not slots:
        del pushed[settled.key]
