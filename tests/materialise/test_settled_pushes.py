"""What was pushed counts once, whether or not the source has it by the time of a materialisation."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from materialise.materialised_log import ALWAYS, NOON, USERS, WINDOWS, Event, Log
from oracle.shops import examples
from storekeeper.testing.memory import MemoryBackend

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGES = [timedelta(0), HOUR, DAY, 6 * DAY, 7 * DAY, 27 * DAY, 29 * DAY, 60 * DAY]
PAUSES = [timedelta(0), HOUR, DAY, 8 * DAY, 30 * DAY]
LOOKBACKS = [timedelta(0), DAY, 90 * DAY]
KNOWN = [timedelta(0), timedelta(0), -HOUR, timedelta(seconds=3)]
HORIZON = DAY


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Events that are pushed, appended, or both, in any order, some again; and materialisations in between."""
    events = [
        Event(n, draw(st.sampled_from(USERS)), draw(st.sampled_from(AGES))) for n in range(draw(st.integers(1, 8)))
    ]
    ways = st.sampled_from([["push"], ["append"], ["push", "append"], ["push", "push", "push", "append"]])
    steps: list[tuple[str, Any]] = [
        (way, (event, draw(st.sampled_from(KNOWN))) if way == "push" else event)
        for event in events
        for way in draw(ways)
    ]
    steps += [("wait", draw(st.sampled_from(PAUSES))) for _ in range(3)]
    steps += [("full", None), ("since", draw(st.sampled_from(LOOKBACKS))), ("since", draw(st.sampled_from(LOOKBACKS)))]
    return [*draw(st.permutations(steps)), ("since", draw(st.sampled_from(LOOKBACKS)))]


@dataclass
class Memory:
    """Which events a view of windows must know again when they are pushed, and whether it was pushed one that it can't.

    Attributes
    ----------
    waits
        Numbers of events that were pushed and weren't in the source since.
    since
        The instant of the last materialisation that is sure to have remembered an event.
    is_doubtful
        Whether an event may count twice until the next materialisation.
    """

    log: Log
    waits: set[int] = field(default_factory=set)
    since: dict[int, datetime] = field(default_factory=dict)
    is_doubtful: bool = False

    def pushed(self, event: Event) -> None:
        """Before an event is pushed."""
        is_known = not self.log.windows or event.number in self.since
        if event.number in self.log.held and not is_known:
            self.is_doubtful = True
        if event.number not in self.since:
            self.waits.add(event.number)

    def materialised(self, held_before: dict[int, Any], *, is_full: bool) -> None:
        """After a materialisation."""
        now, held = self.log.now, self.log.held
        told = self.waits & set(held)
        named = {n for n, row in held.items() if self.log.id_column and row["at"] >= now - HORIZON}
        read = set(held) if is_full else set(held) - set(held_before)
        self.since |= dict.fromkeys(told | (named & read), now)
        self.since = {n: at for n, at in self.since.items() if at >= now - HORIZON}
        self.waits -= set(held)
        self.is_doubtful = False


def play(log: Log, story: list[tuple[str, Any]]) -> None:
    """Carry a story out; online is offline after each step."""
    memory = Memory(log)
    for step, what in story:
        log.now += timedelta(seconds=1)
        if step == "wait":
            log.now += what
        elif step == "push":
            event, ahead = what
            memory.pushed(event)
            log.push(event, log.now + ahead)
        elif step == "append":
            log.append(what)
        else:
            before = log.held
            log.materialise(what)
            memory.materialised(before, is_full=what is None)
            assert log.served() == log.expected()
        if not memory.is_doubtful:
            assert log.served() == log.expected_meanwhile(), (step, what)


@given(stories(), st.sampled_from([WINDOWS, ALWAYS, ()]), st.booleans(), st.booleans())
@examples(1)
def test_online_is_offline_after_every_step(
    story: list[tuple[str, Any]], windows: Any, id_column: bool, spills: bool
) -> None:
    """Full or incremental, in memory or in parts: the kernel over source and pushed events says the same."""
    with TemporaryDirectory() as folder:
        log = Log(Path(folder), windows, id_column, spills)
        play(log, story)
        incremental, later = log.served(), MemoryBackend()
        log.materialise()
        assert log.served() == incremental
        later.push("small/view", log.backend.pushed("small/view"))
        log.materialise(backend=later)
        assert log.written(later)[:-1] == log.written()[:-1]


def test_what_no_window_reaches_settles(tmp_path: Path) -> None:
    """A pushed event that the source never has goes when the last window has passed it; all history keeps it."""
    for windows, waiting in [(WINDOWS, 0), (ALWAYS, 1)]:
        log = Log(tmp_path, windows)
        log.now = NOON + HOUR
        log.push(Event(1, 1, timedelta(0)))
        log.materialise()
        assert len(list(log.backend.pushed("small/view"))) == 1
        log.now += 40 * DAY
        log.materialise()
        assert len(list(log.backend.pushed("small/view"))) == waiting


@pytest.mark.parametrize("windows", [WINDOWS, ()])
def test_a_push_meanwhile_is_kept(tmp_path: Path, windows: Any) -> None:
    """An event pushed while a materialisation reads the source is neither lost nor counted twice."""
    log = Log(tmp_path, windows)
    first, second = Event(1, 1, 2 * HOUR), Event(2, 1, HOUR)
    log.now = NOON + HOUR
    log.push(first)
    log.append(first)

    class Interrupted(MemoryBackend):
        def replace(self, *arguments: Any) -> int:
            log.push(second)
            return super().replace(*arguments)

    backend = Interrupted()
    backend.push("small/view", log.backend.pushed("small/view"))
    log.backend = backend
    log.materialise()
    assert log.served() == log.expected()
    assert len(list(backend.pushed("small/view"))) == 1
