"""Which backends must conform, and where each keeps what a test writes.

A backend joins by a function from a test's request and folder to a `Place`, and a line in `PLACES`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from storekeeper.online.backends import Backend, SQLiteBackend
from storekeeper.testing.memory import MemoryBackend


@dataclass(frozen=True)
class Place:
    """Empty room for one test.

    Attributes
    ----------
    open
        A backend over it; a second one sees what the first one wrote.
    broken
        A backend that can't be used: nobody listens, or the file is damaged. If it takes credentials, `secret` is its
        password. None where nothing can break.
    named
        What the errors of the broken one say, as a regular expression: its file, or its host and port.
    """

    open: Callable[[], Backend]
    broken: Callable[[], Backend] | None = None
    named: str = ""
    secret: str = "geheim"  # noqa: S105


def _memory(request: pytest.FixtureRequest, folder: Path) -> Place:
    backend = MemoryBackend()
    return Place(lambda: backend)


def _sqlite(request: pytest.FixtureRequest, folder: Path) -> Place:
    damaged = folder / "damaged.db"
    damaged.write_bytes(b"this is no database" * 100)
    return Place(lambda: SQLiteBackend(folder / "online.db"), lambda: SQLiteBackend(damaged), r"damaged\.db")


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], Place]] = {"memory": _memory, "sqlite": _sqlite}
#: Those whose data other processes see.
OUTSIDE = [name for name in PLACES if name != "memory"]


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each backend's place in turn."""
    yield from _made(request, tmp_path)


@pytest.fixture(params=OUTSIDE)
def outside_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """As `place`, of backends whose data other processes see."""
    yield from _made(request, tmp_path)


@pytest.fixture
def backend(place: Place) -> Any:
    """Each backend in turn, empty."""
    return place.open()


def _made(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """A place; whatever was opened in it is closed when the test is done."""
    made, opened = PLACES[request.param](request, folder), []

    def remember() -> Backend:
        opened.append(made.open())
        return opened[-1]

    yield replace(made, open=remember)
    for backend in opened:
        backend.close()
