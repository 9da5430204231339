"""What the platform could see at an instant."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import times_us
from storekeeper.history.keys import EntityIndex
from storekeeper.history.timeline import sort_history


def latest_visible(
    events: pa.Table, *, keys: Sequence[str], event_time: str, until_us: int, known_time: str | None = None
) -> pa.Table:
    """The row of each entity that is current at `until_us`: event time and knowledge time at or before it.

    Ties as in rule 4; rows with a null key are left out. One row an entity, in no particular order.
    """
    time = times_us(event_time, events.column(event_time))
    known = times_us(known_time, events.column(known_time), fallback=time) if known_time else None
    entities = EntityIndex.of(events, keys)
    visible = time <= until_us if known is None else (time <= until_us) & (known <= until_us)
    timeline = sort_history(np.where(visible, entities.codes, -1), time, known, entities.count)
    owned = np.diff(timeline.first) > 0
    return events.take(pa.array(timeline.order[timeline.first[1:][owned] - 1]))
