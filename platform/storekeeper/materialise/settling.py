"""Which pushed rows new state makes needless: those that it holds, and those that nobody can see any more."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from storekeeper.definitions import ViewPlan
from storekeeper.history.columns import times_us
from storekeeper.history.state import plan_latest
from storekeeper.history.state.layout import StateLayout
from storekeeper.online.backends import PushedRow
from storekeeper.online.event_ids import content_of, event_id_column, event_ids
from storekeeper.online.layers import EncodedRows, unreadable


class Settling:
    """Watches a materialisation at `until_us`, and tells which of the pushed rows it has settled.

    Parameters
    ----------
    pushed
        All that wait, as they were before the source was read: what is pushed later isn't taken for settled.
    """

    def __init__(self, plan: ViewPlan, pushed: Sequence[PushedRow], until_us: int) -> None:
        self.pushed = pushed
        self._plan, self._until_us = plan, until_us
        self._waiting = {content_of(row.slot) for row in pushed}
        self._times = np.unique(np.array([row.event_us for row in pushed], np.int64))
        self._seen: Counter[bytes] = Counter()
        self._overtaken: dict[tuple[bytes, bytes], PushedRow] = {}

    def watch(self, events: pa.Table, rows: EncodedRows) -> None:
        """See what was read, and the state that was made of it."""
        if not self.pushed:
            return
        if self._plan.is_windowed:
            self._seen.update(filter(self._waiting.__contains__, map(content_of, self._ids(events))))
        else:
            self.overtaken(rows.no_newer(self.pushed))

    def overtaken(self, pushed: Iterable[PushedRow]) -> None:
        """Settle rows of a latest-value view that its state has overtaken."""
        self._overtaken |= {(row.key, row.slot): row for row in pushed}

    def settled(self, layout: StateLayout | None) -> list[PushedRow]:
        """The rows that go; `layout` is that of a windowed view's new state."""
        if not self.pushed:
            return []
        read_as = plan_latest(self._plan.types if layout is None else layout.types)
        gone = {(row.key, row.slot): row for row in unreadable(self.pushed, read_as)} | self._overtaken
        if layout is not None:
            gone |= {(row.key, row.slot): row for row in [*self._held(), *filter(self._is_past, self.pushed)]}
        return list(gone.values())

    def _held(self) -> Iterator[PushedRow]:
        """As many of equal events as the state holds."""
        left = self._seen.copy()
        for row in self.pushed:
            if left[content_of(row.slot)] > 0:
                left[content_of(row.slot)] -= 1
                yield row

    def _is_past(self, row: PushedRow) -> bool:
        """Whether no window reaches it, now or later."""
        reach = self._plan.longest_window_us
        return reach is not None and row.event_us < self._until_us - reach

    def _ids(self, events: pa.Table) -> list[bytes]:
        """Ids of the events that the state holds, at least of all that may be among the pushed."""
        plan, id_column = self._plan, event_id_column(self._plan.source)
        time = times_us(plan.event_time, events.column(plan.event_time))
        held = time < self._until_us
        if plan.known_time:
            held &= times_us(plan.known_time, events.column(plan.known_time), fallback=time) <= self._until_us
        if id_column is None:
            # An event's time is part of what it is.
            held &= np.isin(time, self._times)
        return event_ids(events.filter(pa.array(held)), plan, id_column) if held.any() else []
