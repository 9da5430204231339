"""A materialisation that was killed, at whatever moment, leaves the old state; the next one ends as if nothing was."""

import multiprocessing
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from materialise.materialised_log import NOON, WINDOWS, Event, Log, layers
from materialise.telling import materialise_and_tell, open_backend

pytestmark = pytest.mark.slow

KILLS, STEPS = 13, 80
HOUR = timedelta(hours=1)


def _dumped_file(place: str) -> Any:
    """All rows of all tables."""
    with sqlite3.connect(place) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        dumped = {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2').fetchall() for (name,) in tables}
    connection.close()
    return dumped


@dataclass(frozen=True)
class Place:
    """Where state lies; how to see all of it, and how to have it as it was before."""

    name: str
    dump: Callable[[], Any]
    restore: Callable[[], None]


def _file(request: pytest.FixtureRequest, folder: Path, fill: Callable[[str], None]) -> Iterator[Place]:
    path, before = folder / "online.db", folder / "before.db"
    fill(str(before))

    def restore() -> None:
        for left in folder.glob("online.db*"):
            left.unlink()
        shutil.copy(before, path)

    yield Place(str(path), lambda: _dumped_file(str(path)), restore)


def _server(request: pytest.FixtureRequest, folder: Path, fill: Callable[[str], None]) -> Iterator[Place]:
    server = request.getfixturevalue("redis_server")
    client = server.client()

    def dump() -> Any:
        kinds = {name: client.type(name) for name in sorted(client.keys("*"))}
        return {name: client.hgetall(name) if kind == b"hash" else client.dump(name) for name, kind in kinds.items()}

    def restore() -> None:
        client.flushall()
        fill(server.url())

    yield Place(server.url(), dump, restore)
    client.close()


@pytest.fixture(params=[_file, _server], ids=["sqlite", "redis"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Log, Place]]:
    """A log with old state and pushed events, of which a materialisation now settles some, and remembers all."""
    log = Log(tmp_path, WINDOWS, id_column=True, spills=True)
    events = [Event(number, number % 100, timedelta(minutes=number)) for number in range(300)]
    log.now = NOON + HOUR
    for event in events[100:]:
        log.append(event)
    first = replace(log, source=list(log.source))
    for event in events[:60]:
        log.now += timedelta(seconds=1)
        log.append(event)
    log.now += HOUR

    def fill(place: str) -> None:
        filled = replace(first, backend=open_backend(place))
        filled.materialise()
        for event in events[40:80]:
            filled.push(event)
        filled.backend.close()

    for place in request.param(request, tmp_path, fill):
        yield log, place


def _killed(context: Any, log: Log, place: str, lookback: timedelta | None, step: int) -> bool:
    """Whether a materialisation was killed at a step, rather than done before."""
    mine, its = context.Pipe(duplex=False)
    process = context.Process(target=materialise_and_tell, args=(log, place, lookback, its))
    process.start()
    its.close()
    told = b""
    try:
        for _ in range(step):
            told = mine.recv_bytes()
            if told == b"done":
                break
    except EOFError:
        pytest.fail("The materialisation ended by itself before it was done.")
    process.kill()
    process.join()
    mine.close()
    return told != b"done"


@pytest.mark.parametrize("lookback", [None, HOUR], ids=["full", "incremental"])
def test_killed_at_any_moment(story: tuple[Log, Place], lookback: timedelta | None) -> None:
    """Killed while it reads, writes or settles: old state or new, never a mixture; and run again, the same bytes."""
    log, place = story

    def run() -> Any:
        again = replace(log, backend=open_backend(place.name))
        again.materialise(lookback)
        again.backend.close()
        return place.dump()

    def seen() -> Any:
        backend = open_backend(place.name)
        found = layers(backend)
        backend.close()
        return found

    place.restore()
    before = seen()
    wanted, after = run(), seen()
    assert before != after
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["storekeeper.provider", "storekeeper.online.backends.redis"])
    draw, killed = random.Random(11), 0  # noqa: S311 (nothing is secret)
    for _ in range(KILLS):
        place.restore()
        killed += _killed(context, replace(log, backend=None), place.name, lookback, draw.randint(1, STEPS))
        assert seen() in (before, after)
        assert run() == wanted
    assert killed > KILLS // 2
