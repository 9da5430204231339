"""A process that materialises and tells of each step, so that it can be killed at one."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from materialise.materialised_log import Log
from storekeeper.offline.progress import listening
from storekeeper.online.backends import Backend, Settled, SQLiteBackend, StateRow, ViewMeta
from storekeeper.online.backends.redis import RedisBackend


def open_backend(place: str) -> Backend:
    """The backend at a path, or a URL."""
    return RedisBackend(place) if "://" in place else SQLiteBackend(Path(place))


class Telling:
    """A backend that tells of every few rows that it is given."""

    def __init__(self, backend: Backend, told: Connection) -> None:
        self._backend, self._told = backend, told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def replace(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        return self._backend.replace(view, self._rows(rows), meta, self._rows(settled), forget_before_us)

    def update(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        return self._backend.update(view, self._rows(rows), meta, self._rows(settled), forget_before_us)

    def _rows(self, rows: Iterable[Any]) -> Iterator[Any]:
        self._told.send_bytes(b"begins")
        for number, row in enumerate(rows):
            if number % 8 == 0:
                self._told.send_bytes(b"row")
            yield row
        self._told.send_bytes(b"ends")


def materialise_and_tell(log: Log, place: str, lookback: timedelta | None, told: Connection) -> None:
    """Materialise the log into the backend at a place."""
    # A process that is about to be killed must not be asked to say why.
    backend: Any = Telling(open_backend(place), told)
    with listening(lambda *_: told.send_bytes(b"read")):
        replace(log, backend=backend).materialise(lookback)
    told.send_bytes(b"done")
