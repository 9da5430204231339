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
        self._there = {(row.key, row.slot): row for row in there}
        self._now_us = now_us
        self._entities: dict[bytes, _Entity] = {}
        for row in self._there.values():
            self._entity(row.key).rows[row.slot] = row

    def add(self, row: PushedRow) -> bool:
        """Whether a row is new: its slot was empty, and no newer row is there."""
        return self._entity(row.key).add(row, self._now_us)

    def gone(self) -> list[PushedRow]:
        """Rows that were there at first, and whose slots are empty now."""
        return [row for row in self._there.values() if row.slot not in self._entities[row.key].rows]

    def come(self) -> list[PushedRow]:
        """Rows that weren't there at first; an entity's in the order in which their slots were filled."""
        rows = [row for entity in self._entities.values() for row in entity.rows.values()]
        return [row for row in rows if self._there.get((row.key, row.slot)) is not row]

    def _entity(self, key: bytes) -> "_Entity":
        return self._entities.setdefault(key, _Entity())


class _Entity:
    """One entity's rows by slot, and the time of the newest that has happened and is known, once one was added."""

    __slots__ = ("newest_us", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, PushedRow] = {}
        self.newest_us: int | None = None

    def add(self, row: PushedRow, now_us: int) -> bool:
        there = self.rows.get(row.slot)
        is_changed = there is None or row.rank < there.rank
        if is_changed:
            self.rows[row.slot] = row
        if self.newest_us is None or (is_changed and there is not None):
            self._prune(_NEVER, list(self.rows.values()), now_us)
        elif is_changed:
            # Looking at every row each time would take long where many happened at once.
            self._prune(self.newest_us, [row], now_us)
        return there is None and row.slot in self.rows

    def _prune(self, before_us: int, changed: list[PushedRow], now_us: int) -> None:
        """Take away what is older than the newest row, which is among those that changed or as before."""
        seen = [row.event_us for row in changed if row.event_us <= now_us and row.known_us <= now_us]
        self.newest_us = max([before_us, *seen])
        looked_at = list(self.rows.values()) if self.newest_us > before_us else changed
        for row in looked_at:
            if row.event_us < self.newest_us:
                del self.rows[row.slot]
