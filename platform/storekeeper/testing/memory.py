"""Online state in a dictionary."""

from collections.abc import Iterable, Sequence

from storekeeper.online.backends import StateRow, ViewMeta


class MemoryBackend:
    """A backend that forgets everything at the end of the process."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[bytes, StateRow]] = {}
        self._metas: dict[str, ViewMeta] = {}

    def create(self, view: str) -> None:
        """Make room for a view; nothing happens where there is one."""
        self._rows.setdefault(view, {})
        self._metas.setdefault(view, ViewMeta(None, {}))

    def drop(self, view: str) -> None:
        """Forget a view and its state."""
        self._rows.pop(view, None)
        self._metas.pop(view, None)

    def read(self, view: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Blobs in the order of the keys; None where there is none."""
        rows = self._rows.get(view, {})
        return [rows[key].value if key in rows else None for key in keys]

    def replace(self, view: str, rows: Iterable[StateRow], meta: ViewMeta) -> int:
        """All of a view's state at once."""
        self._rows[view] = {row.key: row for row in rows}
        self._metas[view] = meta
        return len(self._rows[view])

    def upsert(self, view: str, rows: Iterable[StateRow]) -> int:
        """Write rows unless a newer one is there."""
        self.create(view)
        kept, offered = self._rows[view], list(rows)
        for row in offered:
            before = kept.get(row.key)
            if before is None or (before.event_us, before.known_us) <= (row.event_us, row.known_us):
                kept[row.key] = row
        return len(offered)

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view; None where there is no room for it."""
        return self._metas.get(view)

    def count(self, view: str) -> int:
        """How many entities of a view have state."""
        return len(self._rows.get(view, {}))

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view, ascending."""
        return sorted(self._rows.get(view, {}))

    def views(self) -> list[str]:
        """Names of all views that there is room for."""
        return sorted(self._metas)
