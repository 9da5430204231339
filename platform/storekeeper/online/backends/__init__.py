"""Where state blobs live: one ordered key-value table a view."""

from storekeeper.online.backends.base import Backend, StateRow, ViewMeta
from storekeeper.online.backends.sqlite import SQLiteBackend

__all__ = ["Backend", "SQLiteBackend", "StateRow", "ViewMeta"]
