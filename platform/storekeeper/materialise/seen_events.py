"""Which events a source has: of those that wait among the pushed rows, and of those that may be pushed meanwhile."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.definitions.event_id import event_id_column
from storekeeper.history.columns import times_us
from storekeeper.online.backends import PushedRow, Settled
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.event_ids import content_of, event_ids
from storekeeper.online.event_words import is_null

_CONTENT = np.dtype("<u8")
_ID_BYTES = 16
_SLOT = pa.binary(_ID_BYTES)
_SLOTS = pa.schema([("key", pa.binary()), ("slot", _SLOT)])


class SeenEvents:
    """Watches a source as it is read for the state at `until_us`; keeps 8 bytes an event that may be asked about.

    Parameters
    ----------
    pushed
        All pushed rows that wait, as they were before the source was read.
    recent_us
        Events from then on may be pushed while the source is read. None for a view that nothing is pushed to.
    named_us
        Of events from then on that a declared id names the slots are kept too: whoever pushes them is late.
    """

    def __init__(
        self,
        plan: ViewPlan,
        pushed: Sequence[PushedRow],
        until_us: int,
        recent_us: int | None = None,
        named_us: int | None = None,
    ) -> None:
        self._plan, self._until_us, self._recent_us, self._named_us = plan, until_us, recent_us, named_us
        self._id_column = event_id_column(plan.source)
        self._times = np.unique(np.array([row.event_us for row in pushed], np.int64))
        self._waiting = np.unique(_contents([row.slot for row in pushed if _is_event(row)]))
        self._seen: list[np.ndarray] = []
        self._named: list[pa.Table] = []

    def watch(self, events: pa.Table) -> None:
        """See rows of the source."""
        if not len(self._times) and self._recent_us is None:
            return
        time = times_us(self._plan.event_time, events.column(self._plan.event_time))
        recent = np.zeros(len(time), bool) if self._recent_us is None else time >= self._recent_us
        wanted = (recent | self._may_wait(time)) & self._is_visible(events, time)
        if not wanted.any():
            return
        events, time, recent = events.filter(pa.array(wanted)), time[wanted], recent[wanted]
        ids = event_ids(_as_pushed(events, self._plan), self._plan, self._id_column)
        contents = _contents(ids)
        self._seen.append(contents[recent | np.isin(contents, self._waiting)])
        if self._id_column is not None and self._named_us is not None:
            self._keep_named(events, ids, time >= self._named_us)

    def among(self, pushed: Sequence[PushedRow]) -> Iterator[PushedRow]:
        """Pushed rows that were seen: of rows with equal content as many as there were events."""
        rows = [row for row in pushed if _is_event(row)]
        contents = _contents([row.slot for row in rows])
        seen = np.concatenate([np.zeros(0, _CONTENT), *self._seen])
        found, counts = np.unique(seen[np.isin(seen, contents)], return_counts=True)
        left = dict(zip(found.tolist(), counts.tolist(), strict=True))
        for row, content in zip(rows, contents.tolist(), strict=True):
            if left.get(content, 0) > 0:
                left[content] -= 1
                yield row

    def named(self) -> Iterator[Settled]:
        """Slots of the events that a declared id names, each once."""
        if not self._named:
            return
        for batch in pa.concat_tables(self._named).group_by(_SLOTS.names).aggregate([]).to_batches():
            yield from map(Settled, *(batch.column(name).to_pylist() for name in _SLOTS.names))

    def _may_wait(self, time: np.ndarray) -> np.ndarray:
        """Which events can be among the pushed ones; with an id an event is the same at another time too."""
        if self._id_column is not None and self._plan.is_windowed:
            return np.full(len(time), len(self._waiting) > 0)
        return np.isin(time, self._times)

    def _is_visible(self, events: pa.Table, time: np.ndarray) -> np.ndarray:
        """Which events are part of the state; the edge of windows is strict (rule 7)."""
        plan, until_us = self._plan, self._until_us
        visible = time < until_us if plan.is_windowed else time <= until_us
        if plan.known_time:
            visible &= times_us(plan.known_time, events.column(plan.known_time), fallback=time) <= until_us
        return visible

    def _keep_named(self, events: pa.Table, ids: Sequence[bytes], recent: np.ndarray) -> None:
        keys = key_bytes(events.select(list(self._plan.keys))) if self._plan.keys else [b""] * len(ids)
        rows = pa.table([pa.array(keys, pa.binary()), pa.array(ids, _SLOT)], schema=_SLOTS)
        named = recent & ~is_null(events.column(self._id_column)) & ~is_null(rows.column("key"))
        self._named.append(rows.filter(pa.array(named)))


def _as_pushed(events: pa.Table, plan: ViewPlan) -> pa.Table:
    """Values as a latest-value view keeps them, where that is less exact than its source's: ids are of those."""
    for name, declared in {} if plan.is_windowed else plan.types.items():
        column = events.column(name)
        if pa.types.is_float32(declared) and pa.types.is_float64(column.type):
            events = events.set_column(events.column_names.index(name), name, column.cast(declared, safe=False))
    return events


def _is_event(row: PushedRow) -> bool:
    return len(row.slot) == _ID_BYTES


def _contents(ids: Sequence[bytes]) -> np.ndarray:
    """(n,) of the part of each id by which a source's events are known (`content_of`)."""
    return np.frombuffer(b"".join(map(content_of, ids)), _CONTENT)
