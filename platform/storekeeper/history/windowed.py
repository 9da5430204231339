"""Windowed features of a whole spine: one sort of the history, one search per window, every function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.history.columns import Column, require_columns, times_us, to_column
from storekeeper.history.evaluate import Intervals, Series, evaluate
from storekeeper.history.features import WindowFeature
from storekeeper.history.moments import Moments, SortedSpine
from storekeeper.history.parallel import side_by_side
from storekeeper.history.ranges import range_extreme, range_slices
from storekeeper.history.timeline import Timeline, sort_history

_PAIRS_PER_CHUNK = 20_000_000
#: Length and hop.
_Window = tuple[int | None, int | None]


def windowed(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    features: Sequence[WindowFeature],
    known_time: str | None = None,
    cutoff: bool = False,
) -> pa.Table:
    """Evaluate windowed features at each spine row's own time.

    Parameters
    ----------
    events
        One row an event: the keys, `event_time`, `known_time` where given, and the aggregated columns.
    spine
        The rows to answer, with the same key names and `spine_time`.
    known_time
        When the platform could first know an event; null means at its event time. Orders ties.
    cutoff
        Whether events known after the spine row's time are invisible to it (rule 6).

    Returns
    -------
    pyarrow.Table
        One column a feature, one row a spine row, in the spine's order. Empty windows follow rule 9.

    Raises
    ------
    DataError
        Key types that differ, null times, infinite floats, integer overflow.
    DefinitionError
        An unknown column, or one of a kind that its function can't take.
    """
    require_columns(events, keys, "source")
    asking = SortedSpine.of(spine, keys, spine_time)
    found = windowed_at(
        events, asking.entities.codes_of(events), asking.moments,
        event_time=event_time, features=features, known_time=known_time, cutoff=cutoff,
    )  # fmt: skip
    return found.take(pa.array(asking.place))


def windowed_at(
    events: pa.Table,
    codes: np.ndarray,
    moments: Moments,
    *,
    event_time: str,
    features: Sequence[WindowFeature],
    known_time: str | None = None,
    cutoff: bool = False,
) -> pa.Table:
    """`windowed` for a spine that is sorted and events whose entities are known; one row a moment, in their order.

    Parameters
    ----------
    codes
        (n_events,) integers: which of the moments' entities each event is about; negative for none of them.
    """
    require_columns(events, [event_time, known_time, *(feature.column for feature in features)], "source")
    time = times_us(event_time, events.column(event_time))
    known = times_us(known_time, events.column(known_time), fallback=time) if known_time else None
    timeline = sort_history(codes, time, known, moments.count)
    history = _History(events, timeline, known[timeline.order] if known is not None and cutoff else None)
    arrays = _answer_all(history, features, _search(timeline, moments, features))
    return pa.table([arrays[feature] for feature in features], names=[feature.name for feature in features])


@dataclass(frozen=True)
class _Group:
    """Features that differ in their windows only, and the intervals of all of them end to end."""

    features: list[WindowFeature]
    intervals: Intervals

    @property
    def adds(self) -> bool:
        """Whether the values of intervals are added up."""
        return self.features[0].base_function in {"sum", "mean"}


def _answer_all(
    history: "_History", features: Sequence[WindowFeature], searched: dict[_Window, Intervals]
) -> dict[WindowFeature, pa.Array]:
    """Each feature's values."""
    groups = _groups(features, searched)
    columns = dict.fromkeys(feature.column for feature in features if feature.column)
    work: list[Callable[[], object]] = [partial(history.read, column) for column in columns]
    # Found once before the groups go separate ways.
    work += [partial(group.intervals.ends, history.rows) for group in groups if group.adds][:1]
    side_by_side(lambda task: task(), work, rows=history.rows)
    found: dict[WindowFeature, pa.Array] = {}
    for group, values in zip(groups, side_by_side(history.answer, groups, rows=history.rows), strict=True):
        rows = len(values) // len(group.features)
        found |= {feature: values.slice(place * rows, rows) for place, feature in enumerate(group.features)}
    return found


def _groups(features: Sequence[WindowFeature], searched: dict[_Window, Intervals]) -> list[_Group]:
    """Windows of one function over one column are answered together; groups with the same windows share intervals."""
    alike: dict[tuple[str, str], list[WindowFeature]] = {}
    for feature in features:
        alike.setdefault((feature.function, feature.column), []).append(feature)
    together: dict[tuple[_Window, ...], Intervals] = {}
    groups = []
    for group in alike.values():
        windows = tuple((feature.window_us, feature.hop) for feature in group)
        if windows not in together:
            together[windows] = _concatenate([searched[window] for window in windows])
        groups.append(_Group(group, together[windows]))
    return groups


def _search(timeline: Timeline, moments: Moments, features: Sequence[WindowFeature]) -> dict[_Window, Intervals]:
    """Intervals per distinct window."""
    distinct = {(feature.window_us, feature.hop): feature for feature in features}

    def edge(feature: WindowFeature | None) -> np.ndarray:
        start = moments.at if feature is None else feature.window_start(moments.at)
        return timeline.start(moments.codes) if start is None else timeline.search(moments.codes, start)

    hi, *starts = side_by_side(edge, [None, *distinct.values()], rows=len(timeline.time) + len(moments))
    return {window: Intervals(lo, np.maximum(lo, hi), moments.at) for window, lo in zip(distinct, starts, strict=True)}


class _History:
    """A sorted history that reads each aggregated column once, and honours the knowledge cut-off."""

    def __init__(self, events: pa.Table, timeline: Timeline, known: np.ndarray | None) -> None:
        self._events = events
        self._timeline = timeline
        self._known = known if known is not None and np.any(known > timeline.time) else None
        self._series: dict[str, Series] = {}
        self._columns: dict[str, Column] = {}

    @property
    def rows(self) -> int:
        """Number of events."""
        return len(self._timeline.time)

    def read(self, name: str) -> None:
        """Read a column and put it in the history's order."""
        self._columns[name] = to_column(name, self._events.column(name)).take(self._timeline.order)

    def answer(self, group: _Group) -> pa.Array:
        """Values of a group's function over its intervals."""
        feature, intervals = group.features[0], group.intervals
        if self._known is None:
            return evaluate(feature, self._of(feature), intervals)
        newest = range_extreme(self._known, intervals.lo, intervals.hi, largest=True)
        blocked = ~intervals.empty & (newest > intervals.at)
        if not blocked.any():
            return evaluate(feature, self._of(feature), intervals)
        plain = evaluate(feature, self._of(feature), _subset(intervals, np.flatnonzero(~blocked)))
        return self._merge(feature, intervals, blocked, plain)

    def _of(self, feature: WindowFeature) -> Series:
        if feature.column not in self._series:
            column = self._column(feature)
            self._series[feature.column] = Series(feature.column, self._timeline.time, column)
        return self._series[feature.column]

    def _column(self, feature: WindowFeature) -> Column | None:
        if not feature.column:
            return None
        column = self._columns[feature.column]
        feature.check_kind(column.kind)
        return column

    def _merge(self, feature: WindowFeature, intervals: Intervals, blocked: np.ndarray, plain: pa.Array) -> pa.Array:
        """Answers of rows that see everything, and of those for which late-known events must be taken out."""
        rows = np.flatnonzero(blocked)
        parts = [plain]
        lengths = np.cumsum(intervals.length[rows])
        cuts = np.searchsorted(lengths, np.arange(_PAIRS_PER_CHUNK, lengths[-1], _PAIRS_PER_CHUNK), side="right")
        chunks = [chunk for chunk in np.split(rows, np.unique(cuts)) if len(chunk)]
        parts.extend(self._visible_only(feature, _subset(intervals, chunk)) for chunk in chunks)
        order = np.empty(len(blocked), np.int64)
        order[~blocked] = np.arange(len(plain))
        order[rows] = len(plain) + np.arange(len(rows))
        return pa.concat_arrays(parts).take(pa.array(order))

    def _visible_only(self, feature: WindowFeature, intervals: Intervals) -> pa.Array:
        """The same functions over each row's own copy of the events that it could know."""
        known = self._known
        if known is None:
            raise DataError("The cut-off was asked for without knowledge times.")
        positions, offsets = range_slices(intervals.lo, intervals.hi)
        row = np.repeat(np.arange(len(intervals.at)), np.diff(offsets))
        visible = known[positions] <= intervals.at[row]
        kept = positions[visible]
        edges = np.concatenate([[0], np.cumsum(np.bincount(row[visible], minlength=len(intervals.at)))])
        column = self._column(feature)
        series = Series(feature.column, self._timeline.time[kept], None if column is None else column.take(kept))
        return evaluate(feature, series, Intervals(edges[:-1], edges[1:], intervals.at))


def _concatenate(parts: Sequence[Intervals]) -> Intervals:
    if len(parts) == 1:
        return parts[0]
    return Intervals(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("lo", "hi", "at")))


def _subset(intervals: Intervals, rows: np.ndarray) -> Intervals:
    return Intervals(intervals.lo[rows], intervals.hi[rows], intervals.at[rows])
