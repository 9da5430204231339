"""One view's materialisation: full, or of what has changed."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan, view_hash
from storekeeper.definitions.event_id import event_id_column
from storekeeper.materialise.changes import changed_rows, has_rows, touched_entities
from storekeeper.materialise.encoding import column_kinds
from storekeeper.materialise.fingerprints import Fingerprints
from storekeeper.materialise.outcome import Outcome
from storekeeper.materialise.source_parts import Reader
from storekeeper.materialise.writing import Goal, write_state
from storekeeper.offline.memory import MemoryBudget, memory_budget
from storekeeper.offline.pushdown import keys_to_push
from storekeeper.online.backends import PushedRow, ViewMeta
from storekeeper.online.view_state import ViewState, from_us, to_us
from storekeeper.sources import OpenSource, OpenSources, ReadRequest, home_of

_EARLIEST_US = to_us(datetime(1, 1, 2))  # noqa: DTZ001 (naive means UTC)


@dataclass(frozen=True)
class Run:
    """How a view is materialised.

    Attributes
    ----------
    until
        The instant at which its state shall stand.
    lookback
        How far before the last materialisation an incremental one looks for rows that came late; None to build all
        state.
    only_changed
        Whether nothing is done where state stands at that instant and was made from the same definition and rows.
    horizon
        How long after an event was taken into state it is known again when it is pushed.
    """

    until: datetime
    lookback: timedelta | None = None
    only_changed: bool = False
    horizon: timedelta = timedelta(days=1)

    def goal(self, meta: ViewMeta | None, made_from: str, standing: ViewMeta | None = None) -> Goal:
        """What state is to be made where there is some that was made before, or none."""
        until_us = to_us(self.until)
        forgotten_us = max(until_us - self.horizon // timedelta(microseconds=1), _EARLIEST_US)
        stands_us = meta.until_us if meta is not None and meta.until_us is not None else forgotten_us
        return Goal(until_us, made_from, standing, min(stands_us, forgotten_us), forgotten_us)


def materialise(
    state: ViewState, config: RepoConfig, run: Run, fingerprints: Fingerprints, budget: MemoryBudget | None = None
) -> Outcome:
    """Bring a view's state to where the source stands at an instant, at once; an interrupted run leaves the old state.

    An incremental run does what a full one would, for entities that have rows which happened or became known since
    the last one, less the lookback. Where there is no state, or it was made for another definition or from columns of
    other kinds, it is a full one.
    """
    started = time.perf_counter()
    meta = state.backend.meta(state.name)
    budget = budget or _configured(config)
    outcome = None
    if run.lookback is not None and meta is not None and _can_go_on(meta, state.plan, run.until):
        since = _since(meta, run.lookback)
        goal = run.goal(meta, f"{view_hash(state.plan)}:", meta)
        outcome = _incremental(state, config, goal, since, budget)
    if outcome is None:
        made_from = f"{view_hash(state.plan)}:{fingerprints.of(state.plan, run.until)}"
        if run.only_changed and meta and (meta.until_us, meta.made_from) == (to_us(run.until), made_from):
            count = state.backend.count(state.name)
            outcome = Outcome(state.plan.name, "unchanged", None, run.until, 0, count, 0, 0)
        else:
            outcome = _full(state, config, run.goal(meta, made_from), budget)
    return replace(outcome, seconds=time.perf_counter() - started)


def _can_go_on(meta: ViewMeta, plan: ViewPlan, until: datetime) -> bool:
    definition = meta.made_from.partition(":")[0]
    return meta.until_us is not None and meta.until_us <= to_us(until) and definition == view_hash(plan)


def _since(meta: ViewMeta, lookback: timedelta) -> datetime:
    if meta.until_us is None:
        raise TypeError("State that was never made has nothing to go on from.")
    return from_us(max(meta.until_us - lookback // timedelta(microseconds=1), _EARLIEST_US))


def _full(state: ViewState, config: RepoConfig, goal: Goal, budget: MemoryBudget) -> Outcome:
    plan, until = state.plan, from_us(goal.until_us)
    pushed = list(state.backend.pushed(state.name))
    with OpenSources(config, budget.database_bytes) as sources:
        reader = Reader(sources.open(plan.source), plan)
        request = ReadRequest(_columns(plan, pushed), plan.source_timestamp, _reach(plan, until), until)
        with closing(reader.parts([request], budget)) as parts:
            entities, settled = write_state(state, parts, goal, budget, pushed)
    return Outcome(plan.name, "full", None, until, reader.rows, entities, settled, 0)


def _incremental(
    state: ViewState, config: RepoConfig, goal: Goal, since: datetime, budget: MemoryBudget
) -> Outcome | None:
    """None where the source's columns are of other kinds than those that state was made from."""
    plan, until = state.plan, from_us(goal.until_us)
    pushed = list(state.backend.pushed(state.name))
    with OpenSources(config, budget.database_bytes) as sources:
        source = sources.open(plan.source)
        reader = Reader(source, plan)
        if goal.standing is None or (plan.is_windowed and _kinds(source, plan) != goal.standing.kinds):
            return None
        with closing(_changed_parts(reader, source, plan, since, until, pushed, budget)) as parts:
            entities, settled = write_state(state, parts, goal, budget, pushed)
    return Outcome(plan.name, "incremental", since, until, reader.rows, entities, settled, 0)


def _changed_parts(
    reader: Reader,
    source: OpenSource,
    plan: ViewPlan,
    since: datetime,
    until: datetime,
    pushed: list[PushedRow],
    budget: MemoryBudget,
) -> Generator[pa.Table, None, None]:
    """Of a latest-value view the changed rows; of a windowed one all rows that count of the entities they are about."""
    columns = _columns(plan, pushed)
    if not plan.is_windowed:
        yield from reader.parts(changed_rows(plan, columns, since, until), budget)
        return
    whole = ReadRequest(columns, plan.source_timestamp, _reach(plan, until), until)
    if not plan.keys:
        if pushed or has_rows(reader, changed_rows(plan, (plan.event_time,), since, until)):
            yield from reader.parts([whole], budget)
        return
    touched = touched_entities(reader, changed_rows(plan, plan.keys, since, until), plan, pushed)
    if touched.count:
        wanted = replace(whole, keys=keys_to_push(source, touched))
        yield from reader.parts([wanted], budget, touched)


def _columns(plan: ViewPlan, pushed: list[PushedRow]) -> tuple[str, ...]:
    """What state is made of, and by what its events are told apart where some were pushed, or may be."""
    id_column = event_id_column(plan.source) if plan.is_pushed or pushed else None
    return tuple(dict.fromkeys([*plan.source_columns(list(plan.types)), *([id_column] if id_column else [])]))


def _kinds(source: OpenSource, plan: ViewPlan) -> dict[str, str]:
    columns = tuple(dict.fromkeys(window.column for window in plan.windows if window.column))
    return column_kinds(plan, source.read(ReadRequest(columns, limit=1)).schema) if columns else {}


def _reach(plan: ViewPlan, until: datetime) -> datetime | None:
    """From when on events can be seen; None for all history."""
    reach = plan.longest_window_us if plan.is_windowed else None
    return None if reach is None else from_us(max(to_us(until) - reach, _EARLIEST_US))


def _configured(config: RepoConfig) -> MemoryBudget:
    return memory_budget(getattr(config.offline_store, "memory_limit", None), home_of(config))
