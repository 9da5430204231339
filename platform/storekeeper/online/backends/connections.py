"""A connection of its own for every thread, which a forked process leaves alone."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Connection = TypeVar("Connection")

#: Connections of a parent process: ending one here would end it there, so that not even a destructor may see it.
_ABANDONED: list[object] = []

_ALL: "weakref.WeakSet[OwnConnections[Any]]" = weakref.WeakSet()


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
    is_idle
        Whether a connection may be closed before its thread forks the process, because what it is to lies in the
        process's memory, where the child would find it; by default none needs to be.
    """

    def __init__(
        self, end: Callable[[Connection], None], is_idle: Callable[[Connection], bool] = lambda _: False
    ) -> None:
        self._end, self._is_idle = end, is_idle
        self._local, self._epoch = threading.local(), 0
        _ALL.add(self)

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

    def before_fork(self) -> None:
        """Close the thread's connection if it may be."""
        connection = self.current()
        if connection is not None and self._is_idle(connection):
            self.forget()

    def close(self) -> None:
        """Close all connections: this thread's now, those of others when they next ask or end."""
        self._epoch += 1
        self.forget()


def _end(connection: Connection, process: int, end: Callable[[Connection], None]) -> None:
    if process == os.getpid():
        end(connection)
    else:
        _ABANDONED.append(connection)


def _before_fork() -> None:
    for connections in list(_ALL):
        connections.before_fork()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
