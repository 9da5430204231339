"""Connections by thread: each thread has its own, and all end."""

import gc
import threading

from storekeeper.online.backends.connections import OwnConnections


class Line:
    """Something that is opened and closed."""

    def __init__(self) -> None:
        self.ended = 0

    def end(self) -> None:
        self.ended += 1


def test_each_thread_has_its_own() -> None:
    """A connection is seen by the thread that keeps it, and closed when the thread ends."""
    connections, mine, other = OwnConnections(Line.end), Line(), Line()
    connections.keep(mine)
    seen: list[Line | None] = []

    def work() -> None:
        seen.append(connections.current())
        connections.keep(other)
        seen.append(connections.current())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert seen == [None, other]
    assert (connections.current(), mine.ended, other.ended) == (mine, 0, 1)


def test_closing_ends_all() -> None:
    """The caller's connection ends at once, another thread's when it next asks; each once."""
    connections, mine, other = OwnConnections(Line.end), Line(), Line()
    connections.keep(mine)
    kept, closed, seen = threading.Event(), threading.Event(), list[Line | None]()

    def work() -> None:
        connections.keep(other)
        kept.set()
        closed.wait()
        seen.append(connections.current())

    thread = threading.Thread(target=work)
    thread.start()
    kept.wait()
    connections.close()
    assert (connections.current(), mine.ended, other.ended) == (None, 1, 0)
    closed.set()
    thread.join()
    assert (seen, mine.ended, other.ended) == ([None], 1, 1)


def test_another_takes_its_place() -> None:
    """A thread that keeps a new connection gives up the old one."""
    connections, old, new = OwnConnections(Line.end), Line(), Line()
    connections.keep(old)
    connections.keep(new)
    assert (connections.current(), old.ended, new.ended) == (new, 1, 0)
    connections.forget()
    connections.forget()
    assert (connections.current(), new.ended) == (None, 1)


def test_idle_ones_are_not_forked() -> None:
    """Before a fork those that may be closed are; one in the middle of something, or that needn't be, stays."""
    idle, busy, other = (
        OwnConnections(Line.end, bool),
        OwnConnections(Line.end, lambda _: False),
        OwnConnections(Line.end),
    )
    lines = [connections.keep(Line()) for connections in (idle, busy, other)]
    for connections in (idle, busy, other, OwnConnections(Line.end, bool)):
        connections.before_fork()
    assert [line.ended for line in lines] == [1, 0, 0]
    assert idle.current() is None
    assert busy.current() is lines[1]
