"""Putting state in place: parts of a source become rows in key order, and pushed rows that they hold go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from storekeeper.history.state.layout import StateLayout
from storekeeper.materialise.encoding import column_kinds, encode_state
from storekeeper.materialise.key_order import KeyOrder
from storekeeper.materialise.seen_events import SeenEvents
from storekeeper.materialise.settling import NewState
from storekeeper.materialise.standing import Times, newer_than_standing, standing_times
from storekeeper.offline.memory import MemoryBudget
from storekeeper.online.backends import PushedRow, ViewMeta
from storekeeper.online.view_state import ViewState, layout_for


@dataclass(frozen=True)
class Goal:
    """What state is to be made.

    Attributes
    ----------
    until_us
        The instant at which it stands.
    made_from
        Kept in the view's meta, to tell later whether anything has changed.
    standing
        The meta of the state that stands, where only the entities that are read are to be put anew; None where all
        state is to be replaced.
    recent_us
        Events from then on may be pushed while the source is read.
    forget_before_us
        Slots that were remembered before are forgotten, for whoever pushes an event again has done so by now; None for
        none.
    """

    until_us: int
    made_from: str = ""
    standing: ViewMeta | None = None
    recent_us: int | None = None
    forget_before_us: int | None = None


def write_state(
    state: ViewState,
    parts: Iterable[pa.Table],
    goal: Goal,
    budget: MemoryBudget,
    pushed: Sequence[PushedRow] = (),
) -> tuple[int, int]:
    """Make state of parts of a source and put it in place at once; an interrupted run leaves the old state.

    A view over a push source settles what is pushed by the time its source has been read: whoever pushes to both writes
    online first, so that whatever the source showed is among it.

    Parameters
    ----------
    parts
        Rows of the source in its order, all rows that count of each entity in one part.
    pushed
        The view's pushed rows, as they were before the source was read.

    Returns
    -------
    entities : int
        How many rows of state were written.
    settled : int
        How many pushed rows went.
    """
    plan, recent_us = state.plan, goal.recent_us if state.plan.is_pushed else None
    seen = SeenEvents(plan, pushed, goal.until_us, recent_us, goal.forget_before_us if plan.is_pushed else None)
    kinds = goal.standing.kinds if goal.standing else {}
    merges = goal.standing is not None and not plan.is_windowed
    with KeyOrder(budget) as ordered:
        for events in parts:
            kinds = column_kinds(plan, events.schema)
            seen.watch(events)
            rows = encode_state(events, plan, goal.until_us)
            ordered.add(newer_than_standing(state, rows) if merges else rows)
        waiting = list(state.backend.pushed(state.name)) if plan.is_pushed else pushed
        times = {} if plan.is_windowed else _times(state, ordered, waiting, merges=merges)
        new = NewState(plan, goal.until_us, seen, _layout(state, kinds), times)
        gone = new.settled(waiting)
        put = state.backend.replace if goal.standing is None else state.backend.update
        meta, settled = ViewMeta(goal.until_us, kinds, goal.made_from), chain(gone, new.never_pushed(gone))
        return put(state.name, ordered.rows(), meta, settled, goal.forget_before_us), len(gone)


def _times(state: ViewState, ordered: KeyOrder, pushed: Sequence[PushedRow], *, merges: bool) -> Times:
    """Times of the rows that a latest-value view will have, of entities with pushed rows."""
    keys = list(dict.fromkeys(row.key for row in pushed))
    standing = zip(keys, standing_times(state, keys), strict=True) if merges else ()
    return {key: there for key, there in standing if there is not None} | ordered.times_of(set(keys))


def _layout(state: ViewState, kinds: dict[str, str]) -> StateLayout | None:
    return layout_for(state.plan.windows, tuple(sorted(kinds.items()))) if state.plan.is_windowed else None
