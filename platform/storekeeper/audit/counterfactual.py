"""Served vectors computed again offline, as they would have come out if something had been otherwise."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.repo_config import RepoConfig

from storekeeper.audit.assumption import Assumption
from storekeeper.audit.histories import SourceRecords, events_of, first_events, held_by
from storekeeper.audit.log import ViewSeen
from storekeeper.audit.served_rows import ServedRows
from storekeeper.audit.service_plan import ServicePlan, ViewPart
from storekeeper.definitions import ViewPlan, as_declared
from storekeeper.history import as_of
from storekeeper.history.columns import times_us
from storekeeper.history.keys import EntityIndex
from storekeeper.offline.compute import values_at
from storekeeper.offline.job import HistoryRetrievalJob

_TIME, _EVENT_TIME = "__served_at__", "__event_time__"
_TIMESTAMP = pa.timestamp("us", tz="UTC")


class Counterfactuals:
    """The features of some served vectors under any assumption; their history is read once.

    Parameters
    ----------
    plan
        The feature service.
    former
        Views as they were defined when the vectors were served, where that differs and can be computed.
    rows
        The vectors.
    records
        What is known of sources as they were.
    """

    def __init__(
        self,
        plan: ServicePlan,
        former: Mapping[str, ViewPlan],
        rows: ServedRows,
        config: RepoConfig,
        records: SourceRecords,
    ) -> None:
        self._plan, self._former, self.rows, self._config, self._records = plan, former, rows, config, records
        self._events: dict[tuple[str, int | None, int | None], pa.Table] = {}
        self._unseen: dict[tuple[str, int], int] = {}

    def features(self, assumption: Assumption) -> pa.Table:
        """All features of the service, one row a vector."""
        given = [name for name in self._plan.given if name in self.rows.table.column_names]
        columns = {name: self.rows.table.column(name) for name in given}
        for part in self._plan.views:
            found = self._view(part, assumption)
            columns |= {name: found.column(name) for name in found.column_names}
        # Transformations are applied as every retrieval applies them.
        views = [part.view for part in self._plan.on_demand]
        made = HistoryRetrievalJob(lambda: iter([pa.table(columns)]), on_demand=views).to_arrow()
        return made.select(list(self._plan.types))

    def types(self, assumption: Assumption) -> dict[str, pa.DataType]:
        """The declared type of each of the service's features."""
        former = self._former.values() if assumption.definition else ()
        told = {name: type_ for plan in former for name, type_ in plan.types.items()}
        return {name: told.get(name, type_) for name, type_ in self._plan.types.items()}

    def unseen(self, part: ViewPart, row: int) -> int:
        """How many events of a vector's entity, of all that it should have seen, came after its view's state."""
        if (part.plan.name, row) not in self._unseen:
            self._unseen[part.plan.name, row] = self._count_unseen(part, self.rows.take(np.array([row])))
        return self._unseen[part.plan.name, row]

    def _count_unseen(self, part: ViewPart, one: ServedRows) -> int:
        evidence = one.evidence(0)
        seen = evidence.seen(part.plan.name) if evidence else None
        if seen is None:
            return 0
        events = events_of([part.plan], _entities(part, one), one.at_us, self._config)
        due = held_by(part.plan, events, int(one.at_us[0]))
        return int(due.num_rows - held_by(part.plan, events, seen.until_us).num_rows)

    def _view(self, part: ViewPart, assumption: Assumption) -> pa.Table:
        plan = self._former.get(part.plan.name, part.plan) if assumption.definition else part.plan
        known = [name for name in part.features if name in plan.types]
        tables, order = [], []
        for seen, where in self._cuts(part, assumption):
            events, rows = self._seen_events(part, seen, assumption), self.rows.take(where)
            asking = _asking(part, rows)
            if plan.is_windowed:
                tables.append(values_at(plan, known, events, asking, time=_TIME, cutoff=True))
            else:
                tables.append(_latest(plan, known, events, asking, rows, assumption))
            order.append(where)
        found = pa.concat_tables(tables).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))
        for name in set(part.features) - set(known):
            found = found.append_column(name, pa.nulls(len(self.rows), part.plan.types[name]))
        return found.select(list(part.features))

    def _cuts(self, part: ViewPart, assumption: Assumption) -> Iterator[tuple[ViewSeen | None, np.ndarray]]:
        """Vectors by what their view's state held; None where all is to be seen."""
        if not assumption.late:
            yield None, np.arange(len(self.rows))
            return
        groups: dict[ViewSeen | None, list[int]] = {}
        for place, evidence in enumerate(self.rows.circumstances):
            groups.setdefault(evidence.seen(part.plan.name) if evidence else None, []).append(place)
        for seen, places in groups.items():
            yield seen, np.flatnonzero(np.isin(self.rows.circumstance_of, places))

    def _seen_events(self, part: ViewPart, seen: ViewSeen | None, assumption: Assumption) -> pa.Table:
        plan = part.plan
        if seen is None:
            return self._read(part, None, None)
        if assumption.late == "appended" and seen.until_us is not None:
            then = self._records.then(plan, seen)
            if then.change == "appended":
                return held_by(plan, self._read(part, seen.until_us, then.rows), seen.until_us)
        return held_by(plan, self._read(part, None, None), seen.until_us)

    def _read(self, part: ViewPart, until_us: int | None, first: int | None) -> pa.Table:
        place = (f"{part.plan.name}/{'/'.join(part.keys.values())}", until_us, first)
        if place not in self._events:
            plans = [part.plan, *filter(None, [self._former.get(part.plan.name)])]
            entities = _entities(part, self.rows)
            if until_us is None or first is None:
                self._events[place] = events_of(plans, entities, self.rows.at_us, self._config)
            else:
                self._events[place] = first_events(plans, entities, until_us, first, self._config)
        return self._events[place]


def _keys(part: ViewPart, rows: ServedRows) -> pa.Table:
    return rows.table.select(list(part.keys.values())).rename_columns(list(part.keys))


def _entities(part: ViewPart, rows: ServedRows) -> EntityIndex:
    return EntityIndex.of(_keys(part, rows), part.plan.keys)


def _asking(part: ViewPart, rows: ServedRows) -> pa.Table:
    times = pa.array(rows.at_us, pa.int64()).cast(_TIMESTAMP)
    return pa.table([*_keys(part, rows).columns, times], names=[*part.keys, _TIME])


def _latest(
    plan: ViewPlan,
    features: Sequence[str],
    events: pa.Table,
    asking: pa.Table,
    rows: ServedRows,
    assumption: Assumption,
) -> pa.Table:
    """Latest values, with ages judged as is assumed."""
    found = as_of(
        events.append_column(_EVENT_TIME, events.column(plan.event_time)),
        asking,
        keys=plan.keys,
        event_time=plan.event_time,
        spine_time=_TIME,
        columns=[*features, _EVENT_TIME],
        known_time=plan.known_time,
        cutoff=True,
    )
    values = as_declared(found.select(list(features)), plan)
    if not plan.ttl_us or assumption.ttl == "ignored":
        return values
    judge = rows.recorded_us if assumption.ttl == "wall" else rows.at_us
    age = judge - times_us(_EVENT_TIME, found.column(_EVENT_TIME), fallback=judge)
    alive = pa.array(age < plan.ttl_us if assumption.ttl == "edge" else age <= plan.ttl_us)
    columns = [pc.if_else(alive, column, pa.scalar(None, column.type)) for column in values.columns]
    return pa.table(columns, names=values.column_names)
