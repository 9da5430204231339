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
            entity = self._entities[row.key] = _Entity(self._there.get(row.key) or {}, self._now_us)
        return entity.add(row)

    def gone(self) -> list[PushedRow]:
        """Rows that were there at first, and whose slots are empty now."""
        return [
            row
            for key, entity in self._entities.items()
            if (there := self._there.get(key))
            for row in there.values()
            if row.slot not in entity.rows
        ]

    def come(self) -> list[PushedRow]:
        """Rows that weren't there at first; an entity's in the order in which their slots were filled."""
        come: list[PushedRow] = []
        for key, entity in self._entities.items():
            there = self._there.get(key)
            come += [row for row in entity.rows.values() if there is None or there.get(row.slot) is not row]
        return come

    def was_there(self, row: PushedRow) -> bool:
        """Whether a row's slot wasn't empty at first."""
        there = self._there.get(row.key)
        return there is not None and row.slot in there


class _Entity:
    """One entity's rows by slot, and the time of the newest that has happened and is known."""

    __slots__ = ("newest_us", "now_us", "rows")

    def __init__(self, there: dict[bytes, PushedRow], now_us: int) -> None:
        self.rows, self.now_us, self.newest_us = there, now_us, _NEVER
        if there:
            self._look_anew()

    def add(self, row: PushedRow) -> bool:
        there = self.rows.get(row.slot)
        if there is None:
            return self._take(row)
        if row.rank < there.rank:
            self.rows = {**self.rows, row.slot: row}
            self._look_anew()
        return False

    def _take(self, row: PushedRow) -> bool:
        """Put a row into an empty slot, unless a newer one is there."""
        event_us, now_us = row.event_us, self.now_us
        if event_us < self.newest_us:
            return False
        # Looking at every row each time would take long where many happened at once.
        if event_us > self.newest_us and event_us <= now_us and row.known_us <= now_us:
            self._supersede(event_us)
        self.rows[row.slot] = row
        return True

    def _look_anew(self) -> None:
        now_us = self.now_us
        seen = [row.event_us for row in self.rows.values() if row.event_us <= now_us and row.known_us <= now_us]
        self._supersede(max(seen, default=_NEVER))

    def _supersede(self, newest_us: int) -> None:
        """Leave what is no older than the newest row, in a dictionary of the entity's own."""
        self.newest_us = newest_us
        self.rows = {slot: row for slot, row in self.rows.items() if row.event_us >= newest_us}
