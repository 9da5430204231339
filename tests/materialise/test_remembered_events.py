"""An event that state holds is known again when it is pushed, for as long as the horizon says."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from materialise.materialised_log import ALWAYS, NOON, SCHEMA, WINDOWS, Event, Log
from storekeeper.definitions import ViewPlan
from storekeeper.definitions.views import TIMESTAMP
from storekeeper.materialise import Goal, write_state
from storekeeper.offline.memory import MemoryBudget
from storekeeper.offline.progress import listening
from storekeeper.online.backends import PushedRow
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.event_ids import event_ids
from storekeeper.online.latest_rows import encode_rows
from storekeeper.online.view_state import ViewState, to_us
from storekeeper.sources import DuckDBSource
from storekeeper.testing.memory import MemoryBackend

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUDGET = MemoryBudget.of_limit(0, Path())


def _waiting(log: Log) -> list[PushedRow]:
    return list(log.backend.pushed("small/view"))


def _remembered(log: Log) -> set[int]:
    """Instants as of which slots are remembered."""
    return {until_us for _, _, until_us in log.backend.remembered("small/view")}


@pytest.mark.parametrize("lookback", [None, timedelta(0)], ids=["full", "incremental"])
@pytest.mark.parametrize("windows", [WINDOWS, ALWAYS, ()], ids=["windows", "all history", "latest"])
def test_what_state_holds_is_known_for_a_day(tmp_path: Path, windows: Any, lookback: timedelta | None) -> None:
    """A retry isn't new and changes nothing, whenever its sender knew of it; after the horizon it is forgotten.

    Then it waits until a materialisation sees it in the source again.
    """
    log, event = Log(tmp_path, windows), Event(1, 1, HOUR)
    log.materialise()
    assert log.push(event)
    log.append(event)
    log.now = settled = NOON + HOUR
    log.materialise(lookback)
    answer = log.served()
    for known in (None, NOON - DAY, log.now, log.now + timedelta(seconds=3)):
        assert not log.push(event, known)
    assert (log.served(), _waiting(log)) == (answer, [])
    log.now = settled + DAY
    log.materialise(lookback)
    assert not log.push(event)
    assert _remembered(log) == {to_us(settled)}
    log.now += timedelta(microseconds=1)
    log.materialise(lookback)
    assert _remembered(log) == set()
    log.push(event)
    log.materialise(None if lookback is None else 9 * DAY)
    assert (log.served(), _waiting(log)) == (log.expected(), [])
    assert not log.push(event)


def test_what_state_does_not_hold_is_not_remembered(tmp_path: Path) -> None:
    """An event that no window reaches any more, or that was pushed for another definition, goes without a trace."""
    log, event = Log(tmp_path), Event(1, 1, HOUR)
    log.push(event)
    log.now += 40 * DAY
    log.materialise()
    assert (_waiting(log), _remembered(log)) == ([], set())
    assert log.push(event)
    other = Event(2, 1, -40 * DAY + HOUR)
    log.backend.push("small/view", [PushedRow(b"key", b"i" * 16, to_us(other.at), to_us(other.at), b"of old")])
    log.materialise()
    assert (_waiting(log), _remembered(log)) == ([], set())


def test_what_state_has_overtaken_is_remembered(tmp_path: Path) -> None:
    """Of a latest-value view, whether the state that is newer was made now or stood before."""
    for lookback in (None, timedelta(0)):
        log, old, new = Log(tmp_path, ()), Event(1, 1, 2 * DAY), Event(2, 1, HOUR)
        log.append(new)
        log.now = NOON + HOUR
        if lookback is not None:
            log.materialise()
        log.push(old)
        log.now += timedelta(seconds=1)
        log.materialise(lookback)
        assert (_waiting(log), _remembered(log)) == ([], {to_us(log.now)})
        assert not log.push(old)
        assert log.served() == log.expected()


@pytest.mark.parametrize("id_column", [False, True], ids=["content", "ids"])
@pytest.mark.parametrize("windows", [WINDOWS, ()], ids=["windows", "latest"])
def test_what_the_source_knows_later_is_not_held_yet(tmp_path: Path, windows: Any, id_column: bool) -> None:
    """State at an instant lacks it (rule 6), and the pushed row is all that shows it."""
    log, event = Log(tmp_path, windows, id_column), Event(1, 1, HOUR)
    log.source.append(event.row(NOON + HOUR))
    log.push(event)
    answer = log.served()
    for waiting in (1, 0):
        log.materialise()
        assert (log.served(), len(_waiting(log)), len(_remembered(log))) == (answer, waiting, 1 - waiting)
        log.now += HOUR


@pytest.mark.parametrize("id_column", [False, True], ids=["content", "ids"])
@pytest.mark.parametrize("windows", [WINDOWS, ()], ids=["windows", "latest"])
def test_an_event_that_comes_both_ways_meanwhile_counts_once(tmp_path: Path, windows: Any, id_column: bool) -> None:
    """Pushed after the first look at the pushed rows, and in the source by the time it is read."""
    log, first, second = Log(tmp_path, windows, id_column), Event(1, 1, 2 * HOUR), Event(2, 1, HOUR)
    log.append(first)
    log.now = NOON + HOUR
    log.materialise()
    log.now += HOUR
    log.append(second)
    pushed: list[bool] = []

    def push(*_: Any) -> None:
        if not pushed:
            pushed.append(log.push(second))

    for lookback in (timedelta(0), None):
        with listening(push):
            log.materialise(lookback)
        assert pushed == [True]
        assert (log.served(), _waiting(log)) == (log.expected(), [])
        assert not log.push(second)


def test_one_that_comes_late_both_ways_meanwhile_settles_the_next_time(tmp_path: Path) -> None:
    """Nobody watches for all that ever happened: what is older than state and horizon waits for the next run."""
    log, event = Log(tmp_path), Event(1, 1, 3 * DAY)
    log.append(event)
    log.now = NOON + HOUR
    with listening(lambda *_: None if _waiting(log) else log.push(event) and None):
        log.materialise()
    assert len(_waiting(log)) == 1
    log.materialise(timedelta(0))
    assert (log.served(), _waiting(log)) == (log.expected(), [])


@pytest.mark.parametrize("windows", [WINDOWS, ()], ids=["windows", "latest"])
@pytest.mark.parametrize("spills", [False, True], ids=["memory", "parts"])
def test_a_consumer_that_lags_behind_the_nightly_load(tmp_path: Path, windows: Any, spills: bool) -> None:
    """With a column of ids, events of the last day that nobody pushed are known when somebody does, not older ones."""
    log = Log(tmp_path, windows, id_column=True, spills=spills)
    events = [Event(number, 1 + number % 3, number * HOUR * 5) for number in range(12)]
    for event in events:
        log.append(event)
    log.now = NOON + timedelta(seconds=1)
    log.materialise()
    answer = log.served()
    is_known = [event.at >= log.now - DAY for event in events]
    assert (sum(is_known), len(list(log.backend.remembered("small/view")))) == (5, 5)
    for event, known in zip(events, is_known, strict=True):
        if known:
            assert not log.push(event)
    assert log.served() == answer
    log.now += HOUR
    log.append(Event(20, 1, timedelta(0)))
    log.materialise(timedelta(0))
    assert not log.push(Event(20, 1, timedelta(0)))
    assert not log.push(events[0])
    assert log.served() == log.expected()


def test_only_where_events_are_pushed_to(tmp_path: Path) -> None:
    """A view over a plain source remembers nothing of what nobody pushed, and isn't looked at a second time."""
    looks: list[str] = []

    class Counted(MemoryBackend):
        def pushed(self, view: str) -> Any:
            looks.append(view)
            return super().pushed(view)

    for pushed_to, count in ((False, 1), (True, 2)):
        log = Log(tmp_path, id_column=True, pushed_to=pushed_to, backend=Counted())
        log.append(Event(1, 1, HOUR))
        log.now = NOON + HOUR
        log.materialise()
        assert len(list(log.backend.remembered("small/view"))) == int(pushed_to)
        assert len(looks) == count
        looks.clear()


def _plan(tags: dict[str, str] | None = None) -> ViewPlan:
    source = DuckDBSource(name="log", database="x", table="log", timestamp_field="at", tags=tags or {})
    types = {"amount": pa.float32(), "word": pa.string()}
    return ViewPlan("view", source, ("user_id",), {"user_id": pa.int64()}, "at", "known", 0, types, (), is_pushed=True)


def _written(plan: ViewPlan, history: pa.Table, pushed: pa.Table, slots: list[bytes] | None = None) -> MemoryBackend:
    """What is left after materialising a history, while rows were pushed."""
    backend, until_us = MemoryBackend(), to_us(NOON)
    kept = pushed.set_column(pushed.column_names.index("amount"), "amount", pushed["amount"].cast(pa.float32()))
    ids = slots or event_ids(kept, plan, None)
    encoded = encode_rows(pushed, plan)
    times = encoded.event_us.tolist(), encoded.known_us.tolist()
    backend.push("view", map(PushedRow, key_bytes(pushed.select(["user_id"])), ids, *times, encoded.blobs))
    goal = Goal(until_us, "", None, until_us - to_us(NOON), until_us - 1)
    write_state(ViewState(plan, "view", backend), [history], goal, BUDGET)
    return backend


def _row(word: str, amount: float = 0.1) -> dict[str, Any]:
    return Event(1, 1, HOUR).row(NOON - HOUR) | {"word": word, "amount": amount}


def test_a_row_that_ties_with_state_stays_unless_the_source_has_it() -> None:
    """Rule 4: it came later, and is the one to show; what the source has goes, rounded as the view rounds it."""
    history = pa.Table.from_pylist([_row("first"), _row("second")], SCHEMA)
    pushed = pa.Table.from_pylist([_row("first"), _row("second"), _row("third")], SCHEMA)
    backend = _written(_plan(), history, pushed)
    (left,) = backend.pushed("view")
    assert left.slot == event_ids(pushed.set_column(4, "amount", pushed["amount"].cast(pa.float32())), _plan(), None)[2]
    assert len(list(backend.remembered("view"))) == 2


def test_a_row_that_came_before_one_of_the_source_goes_with_it() -> None:
    """Rule 4: the last of three that tie is what the source has; neither of the others shows, now or when retried."""
    pushed = pa.Table.from_pylist([_row("b"), _row("c"), _row("a")], SCHEMA)
    backend = _written(_plan(), pa.Table.from_pylist([_row("a")], SCHEMA), pushed)
    assert list(backend.pushed("view")) == []
    assert len(list(backend.remembered("view"))) == 3


def test_rows_of_older_stores_settle_by_their_times() -> None:
    """They have no slot, and so none that could be remembered."""
    history = pa.Table.from_pylist([_row("first")], SCHEMA)
    backend = _written(_plan(), history, pa.Table.from_pylist([_row("other")], SCHEMA), [b""])
    assert (list(backend.pushed("view")), list(backend.remembered("view"))) == ([], [])


def test_events_without_an_id_or_a_key_are_not_remembered() -> None:
    """Nor twice what stands twice in the source."""
    rows = [_row("a") | {"number": number, "user_id": user} for number, user in [(1, 1), (1, 1), (None, 1), (2, None)]]
    history = pa.Table.from_pylist(rows, SCHEMA)
    plan, backend = _plan({"event_id": "number"}), MemoryBackend()
    until_us = to_us(NOON)
    goal = Goal(until_us, "", None, until_us - 10**11, until_us - 10**11)
    write_state(ViewState(plan, "view", backend), [history], goal, BUDGET)
    ((key, slot, at_us),) = backend.remembered("view")
    assert key == key_bytes(history.select(["user_id"]))[0]
    assert (slot, at_us) == (event_ids(history, plan, "number")[0], until_us)
    assert history.schema.field("known").type == TIMESTAMP
