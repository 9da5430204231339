"""Latest-value features of a whole spine: the row that was current, and known, at each row's own time."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import require_columns, times_us
from storekeeper.history.keys import encode_keys
from storekeeper.history.timeline import Timeline, sort_history


def as_of(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    columns: Sequence[str],
    known_time: str | None = None,
    ttl_us: int = 0,
    cutoff: bool = False,
) -> pa.Table:
    """Take, for each spine row at `t`, its entity's row with the greatest event time <= t (rules 3 to 6).

    Parameters
    ----------
    columns
        Which columns of `events` to return; any Arrow type.
    known_time
        When the platform could first know a row; null means at its event time. The greatest wins a tie of event
        times, then the row later in the source.
    ttl_us
        If positive, a row older than this many microseconds at `t` doesn't count.
    cutoff
        Whether rows known after `t` are invisible.

    Returns
    -------
    pyarrow.Table
        The columns, one row a spine row, in the spine's order; null where no row counts.

    Raises
    ------
    DataError
        Key types that differ, null times.
    DefinitionError
        An unknown column.
    """
    require_columns(events, columns, "source")
    rows = latest_rows(
        events, spine, keys=keys, event_time=event_time, spine_time=spine_time,
        known_time=known_time, ttl_us=ttl_us, cutoff=cutoff,
    )  # fmt: skip
    wanted = pa.array(rows, pa.int64(), mask=rows < 0)
    return pa.table([events.column(name).take(wanted) for name in columns], names=list(columns))


def latest_rows(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    known_time: str | None = None,
    ttl_us: int = 0,
    cutoff: bool = False,
) -> np.ndarray:
    """Positions in `events` of the rows that `as_of` takes, (n_rows,) int64; -1 where there is none."""
    require_columns(events, [*keys, event_time, known_time], "source")
    require_columns(spine, [*keys, spine_time], "spine")
    time = times_us(event_time, events.column(event_time))
    known = times_us(known_time, events.column(known_time), fallback=time) if known_time else None
    codes = encode_keys(spine, events, keys)
    timeline = sort_history(codes.events, time, known, codes.count)
    at = times_us(spine_time, spine.column(spine_time))
    start = timeline.start(codes.spine)
    found = timeline.search(codes.spine, at, inclusive=True) - 1
    found = np.where(codes.spine >= 0, found, -1)
    if known is not None and cutoff:
        found = _step_back(found, start, known[timeline.order], at)
    usable = (found >= start) & (found >= 0)
    if ttl_us > 0 and len(timeline.time):
        usable &= at - timeline.time[np.maximum(found, 0)] <= ttl_us
    return _source_rows(timeline, found, usable)


def _step_back(found: np.ndarray, start: np.ndarray, known: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Walk past rows that were not yet known."""
    found = found.copy()
    open_ = np.flatnonzero(found >= start)
    while len(open_):
        hidden = open_[known[found[open_]] > at[open_]]
        found[hidden] -= 1
        open_ = hidden[found[hidden] >= start[hidden]]
    return found


def _source_rows(timeline: Timeline, found: np.ndarray, usable: np.ndarray) -> np.ndarray:
    if not len(timeline.order):
        return np.full(len(found), -1, np.int64)
    return np.where(usable, timeline.order[np.where(usable, found, 0)], -1)
