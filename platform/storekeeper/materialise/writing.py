"""Putting state in place: parts of a source become rows in key order, and pushed rows that they hold go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from storekeeper.history.state.layout import StateLayout
from storekeeper.materialise.encoding import column_kinds, encode_state
from storekeeper.materialise.key_order import KeyOrder
from storekeeper.materialise.settling import Settling
from storekeeper.materialise.standing import newer_than_standing, overtaken_by_standing
from storekeeper.offline.memory import MemoryBudget
from storekeeper.online.backends import PushedRow, ViewMeta
from storekeeper.online.layers import settle
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
    """

    until_us: int
    made_from: str = ""
    standing: ViewMeta | None = field(default=None)


def write_state(
    state: ViewState,
    parts: Iterable[pa.Table],
    goal: Goal,
    budget: MemoryBudget,
    pushed: Sequence[PushedRow] = (),
) -> tuple[int, int]:
    """Make state of parts of a source and put it in place at once; an interrupted run leaves the old state.

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
    plan, settling = state.plan, Settling(state.plan, pushed, goal.until_us)
    kinds = goal.standing.kinds if goal.standing else {}
    merges = goal.standing is not None and not plan.is_windowed
    with KeyOrder(budget) as ordered:
        for events in parts:
            kinds = column_kinds(plan, events.schema)
            rows = encode_state(events, plan, goal.until_us)
            settling.watch(events, rows)
            ordered.add(newer_than_standing(state, rows) if merges else rows)
        if merges:
            settling.overtaken(overtaken_by_standing(state, pushed))
        gone = settling.settled(_layout(state, kinds))
        put = state.backend.replace if goal.standing is None else state.backend.update
        meta = ViewMeta(goal.until_us, kinds, goal.made_from)
        return put(state.name, ordered.rows(), meta, map(settle, gone)), len(gone)


def _layout(state: ViewState, kinds: dict[str, str]) -> StateLayout | None:
    return layout_for(state.plan.windows, tuple(sorted(kinds.items()))) if state.plan.is_windowed else None
