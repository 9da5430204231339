"""Where online state lives: per view a layer of state blobs, and one of what was pushed since."""

from storekeeper.online.backends.base import Asked, Backend, Found, PushedRow, Settled, StateRow, ViewMeta
from storekeeper.online.backends.sqlite import SQLiteBackend

__all__ = ["Asked", "Backend", "Found", "PushedRow", "SQLiteBackend", "Settled", "StateRow", "ViewMeta"]
