"""Telling somebody how far a retrieval has come, without a word to those in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Called with a view's name, how many rows of its history were read, and how many there are, where that is known.
Listener = Callable[[str, int, int | None], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Retrievals within this context tell `listener` of each batch of rows that they read."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(view: str, rows: int, total: int | None) -> None:
    """Tell whoever listens."""
    if (listener := _listener.get()) is not None:
        listener(view, rows, total)
