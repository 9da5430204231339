"""Reading all features of one entity, of which a plan says where they are."""

from collections.abc import Callable, Sequence
from functools import partial

from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.plan import ReadPlan
from storekeeper.history.state.single.arrived import Event, arrived
from storekeeper.history.state.single.distincts import read_distinct
from storekeeper.history.state.single.lists import read_list
from storekeeper.history.state.single.opened import Opened, Value, open_blob
from storekeeper.history.state.single.tiles import SeriesReader

#: Puts some features of an entity's state and pushed events into the list of all.
_Part = Callable[[Opened, Sequence[Event], int, list[Value]], None]


class SingleReader:
    """Reads entities one by one.

    Parameters
    ----------
    plan
        The features.
    layout
        Of the state.
    """

    def __init__(self, plan: ReadPlan, layout: StateLayout) -> None:
        self._layout, self._count = layout, len(plan.outputs)
        series = [SeriesReader.of(tiled, section, layout).read for tiled in plan.tiles for section in tiled.sections]
        lists = [partial(read_list, timed) for timed in plan.lists]
        self._parts: list[_Part] = [*series, *lists, *(partial(read_distinct, distinct) for distinct in plan.distincts)]

    def values(self, blob: bytes | None, pushed: Sequence[bytes], now_us: int) -> list[Value]:
        """Features at `now_us`, as the kernel has them, of an entity's state and the events pushed since.

        Raises
        ------
        DataError
            As of `read_state`.
        """
        layout = self._layout
        state = open_blob(layout.nobody if blob is None else blob, layout, now_us)
        events = arrived(pushed, layout.event_layout, now_us) if pushed else ()
        values: list[Value] = [None] * self._count
        for read in self._parts:
            read(state, events, now_us, values)
        return values
