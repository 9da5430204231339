"""A connection of its own for every thread, which a forked process leaves alone."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

Connection = TypeVar("Connection")

#: Connections of a parent process: ending one here would end it there, so that not even a destructor may see it.
_ABANDONED: list[object] = []


class _Held(Generic[Connection]):
    __slots__ = ("__weakref__", "connection", "epoch", "process")

    def __init__(self, connection: Connection, epoch: int) -> None:
        self.connection, self.epoch, self.process = connection, epoch, os.getpid()


class OwnConnections(Generic[Connection]):
    """Connections by thread; each is closed when its thread ends, is told to, or first asks after `close`.

    Parameters
    ----------
    end
        Closes one connection.
    """

    def __init__(self, end: Callable[[Connection], None]) -> None:
        self._end, self._local, self._epoch = end, threading.local(), 0

    def current(self) -> Connection | None:
        """The thread's connection; None before it has one, after `close`, and in a process forked since."""
        held: _Held[Connection] | None = getattr(self._local, "held", None)
        if held is None:
            return None
        if held.epoch == self._epoch and held.process == os.getpid():
            return held.connection
        self.forget()
        return None

    def keep(self, connection: Connection) -> Connection:
        """Make a connection this thread's own."""
        held = _Held(connection, self._epoch)
        weakref.finalize(held, _end, connection, held.process, self._end)
        self._local.held = held
        return connection

    def forget(self) -> None:
        """Close the thread's connection, if it has one."""
        self._local.held = None

    def close(self) -> None:
        """Close all connections: this thread's now, those of others when they next ask or end."""
        self._epoch += 1
        self.forget()


def _end(connection: Connection, process: int, end: Callable[[Connection], None]) -> None:
    if process == os.getpid():
        end(connection)
    else:
        _ABANDONED.append(connection)
