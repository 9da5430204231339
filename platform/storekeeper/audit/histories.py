"""Events behind some served vectors, as much of them as a state could have held."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.audit.log import ViewSeen
from storekeeper.definitions import ViewPlan
from storekeeper.history.columns import times_us
from storekeeper.history.keys import EntityIndex
from storekeeper.offline.pushdown import keys_to_push
from storekeeper.offline.retrieve import time_bounds
from storekeeper.online.view_state import from_us
from storekeeper.sources import OpenSources, ReadRequest
from storekeeper.sources.fingerprint import rows_at

_FINGERPRINT_DIGITS = 64


def events_of(plans: Sequence[ViewPlan], entities: EntityIndex, at_us: np.ndarray, config: RepoConfig) -> pa.Table:
    """Events of some entities that any of a view's plans may need at some instants, in the source's order.

    Rows of latest-value views come whatever their age: whether the ttl was kept is what may be asked.
    """
    plan, end = plans[0], time_bounds(plans[0], at_us)[1]
    starts = [time_bounds(one, at_us)[0] if one.is_windowed else None for one in plans]
    start = None if None in starts else min(filter(None, starts))
    with OpenSources(config) as sources:
        source = sources.open(plan.source)
        asked = ReadRequest(_columns(plans), plan.source_timestamp, start, end, keys_to_push(source, entities))
        with closing(source.batches(asked)) as batches:
            return pa.Table.from_batches([_about(batch, entities) for batch in batches])


def first_events(
    plans: Sequence[ViewPlan], entities: EntityIndex, until_us: int, rows: int, config: RepoConfig
) -> pa.Table:
    """Events of some entities among the first rows that a source has up to an instant."""
    plan, found, before = plans[0], [], 0
    with OpenSources(config) as sources:
        asked = ReadRequest(_columns(plans), plan.source_timestamp, None, from_us(until_us))
        with closing(sources.open(plan.source).batches(asked)) as batches:
            for batch in batches:
                found.append(_about(batch.slice(0, max(rows - before, 0)), entities))
                before += batch.num_rows
    return pa.Table.from_batches(found)


def held_by(plan: ViewPlan, events: pa.Table, until_us: int | None) -> pa.Table:
    """Those events that state made at an instant could hold; none where it was never made."""
    if until_us is None:
        return events.slice(0, 0)
    time = times_us(plan.event_time, events.column(plan.event_time))
    held = time < until_us if plan.is_windowed else time <= until_us
    if plan.known_time:
        held &= times_us(plan.known_time, events.column(plan.known_time), fallback=time) <= until_us
    return events.filter(pa.array(held))


@dataclass(frozen=True)
class SourceThen:
    """A source as it was when state was made of it.

    Attributes
    ----------
    rows
        How many rows it had up to the state's instant; None where that can't be proven.
    change
        What happened to those rows since: `same`, `appended`, `rewritten`, or `unknown`.
    """

    rows: int | None
    change: str


class SourceRecords:
    """Finds out what became of sources since state was made of them; each question is answered once."""

    def __init__(self, config: RepoConfig) -> None:
        self._config = config
        self._plans: dict[str, ViewPlan] = {}
        self._answer = lru_cache(maxsize=1024)(self._find)

    def then(self, plan: ViewPlan, seen: ViewSeen | None) -> SourceThen:
        """The source of a view as it was when the view's state was made."""
        self._plans[plan.name] = plan
        return self._answer(plan.name, seen)

    def _find(self, view: str, seen: ViewSeen | None) -> SourceThen:
        """What the first rows of the source hash to, against the fingerprint that the state was made from."""
        fingerprint = seen.made_from.rpartition(":")[2] if seen else ""
        if seen is None or seen.until_us is None or len(fingerprint) != _FINGERPRINT_DIGITS:
            return SourceThen(None, "unknown")
        plan = self._plans[view]
        rows, now = rows_at(plan.source, self._config, from_us(seen.until_us), plan.ties, fingerprint)
        if rows is None:
            return SourceThen(None, "rewritten")
        return SourceThen(rows, "same" if rows == now else "appended")


def _columns(plans: Sequence[ViewPlan]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for plan in plans for column in plan.source_columns(tuple(plan.types))))


def _about(batch: pa.RecordBatch, entities: EntityIndex) -> pa.RecordBatch:
    mine = entities.codes_of(pa.Table.from_batches([batch])) >= 0
    return batch.filter(pa.array(mine))
