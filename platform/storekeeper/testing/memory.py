"""Online state in a dictionary."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from storekeeper.online.backends import Asked, Found, PushedRow, Settled, StateRow, ViewMeta


@dataclass(frozen=True)
class _View:
    """One view's layers, and what it remembers; a lock guards them.

    Attributes
    ----------
    meta, state
        As of the last materialisation.
    pushed
        Pushed rows by key and slot; an entity's stand in the order of their arrival.
    remembered
        The instant by key and slot.
    """

    meta: ViewMeta = field(default_factory=lambda: ViewMeta(None, {}))
    state: dict[bytes, bytes] = field(default_factory=dict)
    pushed: dict[bytes, dict[bytes, PushedRow]] = field(default_factory=dict)
    remembered: dict[tuple[bytes, bytes], int] = field(default_factory=dict)


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

    def replace(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """All of a view's state at once. Returns the row count."""
        return self._put(view, rows, meta, settled, forget_before_us, keep=False)

    def update(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """As `replace`, but entities that aren't among the rows keep their state."""
        return self._put(view, rows, meta, settled, forget_before_us, keep=True)

    def push(self, view: str, rows: Iterable[PushedRow], newest_at_us: int | None = None) -> list[bool]:
        """Write pushed rows in their order. Which of them are new."""
        offered = list(rows)
        with self._lock:
            room = self._views.setdefault(view, _View())
            return [_push(room, row, newest_at_us) for row in offered]

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and arrival."""
        with self._lock:
            slots = self._views.get(view, _View()).pushed
            rows = [row for key in sorted(slots) for row in _in_order(slots[key])]
        return iter(rows)

    def remembered(self, view: str) -> Iterator[tuple[bytes, bytes, int]]:
        """Key and slot of all that is remembered of a view, and as of which instant; by key and slot."""
        with self._lock:
            slots = self._views.get(view, _View()).remembered
            return iter(sorted((key, slot, until_us) for (key, slot), until_us in slots.items()))

    def close(self) -> None:
        """Nothing is open; nothing is forgotten either."""

    def _put(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled],
        forget_before_us: int | None,
        *,
        keep: bool,
    ) -> int:
        # Both streams end before the lock is taken: whoever feeds them may read and push meanwhile.
        new, gone = {row.key: row.value for row in rows}, list(settled)
        with self._lock:
            before = self._views.get(view, _View())
            state = {**before.state, **new} if keep else new
            self._views[view] = after = replace(before, meta=meta, state=state)
            for one in gone:
                _settle(after, one)
            if forget_before_us is not None:
                _forget(after.remembered, forget_before_us)
        return len(new)


def _found(view: _View, keys: Sequence[bytes]) -> Found:
    rows = [(owner, row) for owner, key in enumerate(keys) for row in _in_order(view.pushed.get(key, {}))]
    return Found([view.state.get(key) for key in keys], [owner for owner, _ in rows], [row.value for _, row in rows])


def _in_order(slots: dict[bytes, PushedRow]) -> list[PushedRow]:
    return sorted(slots.values(), key=lambda row: (row.event_us, row.known_us))


def _push(view: _View, row: PushedRow, newest_at_us: int | None) -> bool:
    if (row.key, row.slot) in view.remembered:
        return False
    slots = view.pushed.setdefault(row.key, {})
    before = slots.get(row.slot)
    if before is None or row.rank < before.rank:
        slots[row.slot] = row
    if newest_at_us is not None:
        _prune(slots, newest_at_us)
    return before is None and row.slot in slots


def _prune(slots: dict[bytes, PushedRow], now_us: int) -> None:
    """Take away what a newer row supersedes."""
    seen = [row.event_us for row in slots.values() if row.event_us <= now_us and row.known_us <= now_us]
    for row in list(slots.values()):
        if seen and row.event_us < max(seen):
            del slots[row.slot]


def _settle(view: _View, settled: Settled) -> None:
    place, until_us = (settled.key, settled.slot), view.meta.until_us
    slots = view.pushed.get(settled.key, {})
    if slots.pop(settled.slot, None) and not slots:
        del view.pushed[settled.key]
    if settled.is_remembered and until_us is not None:
        view.remembered[place] = max(until_us, view.remembered.get(place, until_us))


def _forget(remembered: dict[tuple[bytes, bytes], int], before_us: int) -> None:
    for place in [place for place, until_us in remembered.items() if until_us < before_us]:
        del remembered[place]
