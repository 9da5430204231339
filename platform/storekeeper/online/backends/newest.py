"""Which of some entities' pushed rows stay where an entity's newest ones alone are shown."""

from collections.abc import Iterable

from storekeeper.online.backends.base import PushedRow

_NEVER = -(1 << 63)


class NewestRows:
    """Rows of entities, to which others come one by one; what a newer row supersedes goes.

    Parameters
    ----------
    there
        The rows at first: all that the entities have.
    now_us
        A row supersedes those that happened before it as soon as it has happened and is known.
    """

    def __init__(self, there: Iterable[PushedRow], now_us: int) -> None:
        self._there: dict[bytes, dict[bytes, PushedRow]] = {}
        self._now_us = now_us
        self._entities: dict[bytes, _Entity] = {}
        for row in there:
            self._there.setdefault(row.key, {})[row.slot] = row

    def add(self, row: PushedRow) -> bool:
        """Whether a row is new: its slot was empty, and no newer row is there."""
        entity = self._entities.get(row.key)
        if entity is None:
            entity = self._entities[row.key] = _Entity(self._there.get(row.key, {}), self._now_us)
        return entity.add(row)

    def gone(self) -> list[PushedRow]:
        """Rows that were there at first, and whose slots are empty now."""
        return [
            row
            for key, entity in self._entities.items()
            for row in self._there.get(key, {}).values()
            if row.slot not in entity.rows
        ]

    def come(self) -> list[PushedRow]:
        """Rows that weren't there at first; an entity's in the order in which their slots were filled."""
        return [
            row
            for key, entity in self._entities.items()
            for row in entity.rows.values()
            if self._there.get(key, {}).get(row.slot) is not row
        ]


class _Entity:
    """One entity's rows by slot, and the time of the newest that has happened and is known."""

    __slots__ = ("newest_us", "now_us", "rows")

    def __init__(self, there: dict[bytes, PushedRow], now_us: int) -> None:
        self.rows, self.now_us = dict(there), now_us
        self._look_anew()

    def add(self, row: PushedRow) -> bool:
        there = self.rows.get(row.slot)
        if there is None:
            return self._take(row)
        if row.rank < there.rank:
            self.rows[row.slot] = row
            self._look_anew()
        return False

    def _take(self, row: PushedRow) -> bool:
        """Put a row into an empty slot, unless a newer one is there."""
        event_us = row.event_us
        if event_us < self.newest_us:
            return False
        self.rows[row.slot] = row
        # Looking at every row each time would take long where many happened at once.
        if event_us > self.newest_us and event_us <= self.now_us and row.known_us <= self.now_us:
            self._supersede(event_us)
        return True

    def _look_anew(self) -> None:
        now_us = self.now_us
        seen = [row.event_us for row in self.rows.values() if row.event_us <= now_us and row.known_us <= now_us]
        self._supersede(max(seen, default=_NEVER))

    def _supersede(self, newest_us: int) -> None:
        self.newest_us = newest_us
        if any(row.event_us < newest_us for row in self.rows.values()):
            self.rows = {slot: row for slot, row in self.rows.items() if row.event_us >= newest_us}
