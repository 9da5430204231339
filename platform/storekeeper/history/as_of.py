"""Latest-value features of a whole spine: the row that was current, and known, at each row's own time."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import require_columns, times_us
from storekeeper.history.log import is_log, latest_in_log
from storekeeper.history.moments import Moments, SortedSpine
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
    require_columns(events, [*keys, *columns], "source")
    asking = SortedSpine.of(spine, keys, spine_time)
    rows = latest_rows(
        events, asking.entities.codes_of(events), asking.moments,
        event_time=event_time, known_time=known_time, ttl_us=ttl_us, cutoff=cutoff,
    )[asking.place]  # fmt: skip
    wanted = pa.array(rows, pa.int64(), mask=rows < 0)
    return pa.table([events.column(name).take(wanted) for name in columns], names=list(columns))


def latest_rows(
    events: pa.Table,
    codes: np.ndarray,
    moments: Moments,
    *,
    event_time: str,
    known_time: str | None = None,
    ttl_us: int = 0,
    cutoff: bool = False,
) -> np.ndarray:
    """Positions in `events` of the rows that `as_of` takes, (n_rows,) int64 in the moments' order; -1 for none.

    Parameters
    ----------
    codes
        (n_events,) integers: which of the moments' entities each event is about; negative for none of them.
    """
    require_columns(events, [event_time, known_time], "source")
    time = times_us(event_time, events.column(event_time))
    known = times_us(known_time, events.column(known_time), fallback=time) if known_time else None
    hidden = cutoff and known is not None and bool(np.any(known > time))
    if is_log(time, known) and not hidden:
        return _recent(latest_in_log(codes, time, moments), time, moments, ttl_us)
    timeline = sort_history(codes, time, known, moments.count)
    start = timeline.start(moments.codes)
    found = timeline.search(moments.codes, moments.at, inclusive=True) - 1
    if known is not None and hidden:
        found = _step_back(found, start, known[timeline.order], moments.at)
    usable = (found >= start) & (moments.codes >= 0)
    if ttl_us > 0 and len(timeline.time):
        usable &= moments.at - timeline.time[np.maximum(found, 0)] <= ttl_us
    return _source_rows(timeline, found, usable)


def _recent(rows: np.ndarray, time: np.ndarray, moments: Moments, ttl_us: int) -> np.ndarray:
    if ttl_us <= 0 or not len(time):
        return rows
    return np.where(moments.at - time[np.maximum(rows, 0)] <= ttl_us, rows, -1)


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
