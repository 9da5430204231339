"""Building the state of a windowed view from its events: columnar, for all entities at once."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.history.blocks import split_values
from storekeeper.history.columns import Column, times_us, to_column
from storekeeper.history.compensated import two_sum
from storekeeper.history.keys import EntityIndex
from storekeeper.history.state.layout import DistinctList, StateLayout, Tail, TileSeries
from storekeeper.history.state.words import Section, pack, section
from storekeeper.history.timeline import Timeline, sort_history

ALL_HISTORY = -(2**62)
_SAFE_SUM = 2.0**62


@dataclass(frozen=True)
class BuiltState:
    """State of many entities.

    Attributes
    ----------
    keys
        The entities' join keys, one row an entity.
    blobs
        One blob an entity, in the same order.
    newest_us
        (n_entities,) int64: time of each entity's newest event.
    """

    keys: pa.Table
    blobs: list[bytes]
    newest_us: np.ndarray


def build_state(
    events: pa.Table,
    layout: StateLayout,
    *,
    keys: Sequence[str],
    event_time: str,
    until_us: int,
    known_time: str | None = None,
) -> BuiltState:
    """Fold events into state as it stands at `until_us`.

    Events at or after that instant, and those known only later, are left out: at `until_us` no window sees them.
    """
    time = times_us(event_time, events.column(event_time))
    known = times_us(known_time, events.column(known_time), fallback=time) if known_time else None
    entities = EntityIndex.of(events, keys)
    visible = time < until_us if known is None else (time < until_us) & (known <= until_us)
    timeline = sort_history(np.where(visible, entities.codes, -1), time, known, entities.count)
    builder = _Builder(events, timeline, layout, until_us)
    owned = np.flatnonzero(np.diff(timeline.first) > 0)
    if not len(owned):
        return BuiltState(events.select(list(keys)).slice(0, 0), [], np.zeros(0, np.int64))
    last = timeline.first[owned + 1] - 1
    return BuiltState(
        keys=events.select(list(keys)).take(pa.array(timeline.order[last])),
        blobs=builder.blobs(owned),
        newest_us=timeline.time[last],
    )


class _Builder:
    def __init__(self, events: pa.Table, timeline: Timeline, layout: StateLayout, until_us: int) -> None:
        self.layout, self.until_us = layout, until_us
        self.time = timeline.time
        self.count = len(timeline.first) - 1
        self.code = np.repeat(np.arange(self.count), np.diff(timeline.first))
        self.columns = {name: to_column(name, events.column(name)).take(timeline.order) for name in layout.kinds}
        self._used: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in layout.strings}

    def blobs(self, owned: np.ndarray) -> list[bytes]:
        parts = [
            *[self._tiles(series) for series in self.layout.series],
            *[self._distinct(distinct) for distinct in self.layout.distincts],
            *[self._tail(tail) for tail in self.layout.tails],
        ]
        dictionaries = [self._dictionary(name, parts) for name in self.layout.strings]
        sections = [*parts, *[lengths for lengths, _ in dictionaries]]
        kept = [_of_entities(part, owned) for part in sections]
        payloads = [payload for _, payload in dictionaries]
        texts = [b"".join(payload[code] for payload in payloads) for code in owned.tolist()] if payloads else None
        return pack(kept, self.layout.fingerprint, self.until_us, texts)

    def _recent(self, reach_us: int | None) -> np.ndarray:
        """Positions of events that some window can still see."""
        if reach_us is None:
            return np.arange(len(self.time))
        return np.flatnonzero(self.time >= self.until_us - reach_us)

    def _first(self, code: np.ndarray) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(np.bincount(code, minlength=self.count))]).astype(np.int64)

    def _starts(self, rows: np.ndarray, hop_us: int | None) -> np.ndarray:
        if hop_us is None:
            return np.full(len(rows), ALL_HISTORY)
        return np.asarray(np.floor_divide(self.time[rows], hop_us) * hop_us)

    def _tiles(self, series: TileSeries) -> Section:
        rows = self._recent(series.reach_us)
        code, start = self.code[rows], self._starts(rows, series.hop_us)
        edge = np.ones(len(rows), bool)
        edge[1:] = (code[1:] != code[:-1]) | (start[1:] != start[:-1])
        begin = np.flatnonzero(edge)
        tile = np.cumsum(edge) - 1
        columns = [start[begin]]
        for name, partial in series.partials:
            column = self.columns[name].take(rows) if name else None
            columns.append(_partial(partial, column, self.time[rows], begin, tile))
        return section(columns, self._first(code[begin]))

    def _distinct(self, distinct: DistinctList) -> Section:
        rows, values = self._valued(distinct.column, distinct.reach_us)
        start, code = self._starts(rows, distinct.hop_us), self.code[rows]
        order = np.lexsort((start, values, code))
        code, values, start = code[order], values[order], start[order]
        last = np.ones(len(order), bool)
        last[:-1] = (code[1:] != code[:-1]) | (values[1:] != values[:-1])
        return section([values[last], start[last]], self._first(code[last]))

    def _tail(self, tail: Tail) -> Section:
        rows, values = self._valued(tail.column, tail.reach_us)
        first = self._first(self.code[rows])
        kept = np.arange(len(rows)) >= np.repeat(first[1:] - tail.length, np.diff(first))
        return section([self.time[rows][kept], values[kept]], self._first(self.code[rows][kept]))

    def _valued(self, name: str, reach_us: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Recent positions where a column isn't null, and its values there."""
        rows = self._recent(reach_us)
        if not name:
            return rows, np.zeros(len(rows), np.int64)
        column = self.columns[name]
        rows = rows if column.valid is None else rows[column.valid[rows]]
        return rows, column.values[rows]

    def _dictionary(self, name: str, parts: list[Section]) -> tuple[Section, list[bytes]]:
        """A string column's words per entity: their byte lengths and bytes; kept values become ranks in it."""
        places = _string_places(self.layout, name)
        used = [(np.repeat(np.arange(self.count), np.diff(parts[p].first)), parts[p].rows[:, c]) for p, c in places]
        code = np.concatenate([entity for entity, _ in used])
        rank = np.concatenate([values for _, values in used])
        width = int(rank.max(initial=0)) + 1
        pairs, local = np.unique(code * width + rank, return_inverse=True)
        first = self._first(pairs // width)
        local = local - first[code]
        done = 0
        for part, column in places:
            size = len(parts[part].rows)
            parts[part].rows[:, column] = local[done : done + size]
            done += size
        words = self.columns[name].restore(pairs % width, None).cast(pa.large_string())
        offsets = np.frombuffer(words.buffers()[1], np.int64, len(words) + 1, words.offset * 8)
        payload = words.buffers()[2].to_pybytes() if len(words) and words.buffers()[2] else b""
        edges = offsets[first].tolist()
        texts = [payload[low:high] for low, high in itertools.pairwise(edges)]
        return section([np.diff(offsets)], first), texts


def _string_places(layout: StateLayout, name: str) -> list[tuple[int, int]]:
    """Pairs (section, column of words) that hold values of a string column."""
    places = [
        (number, series.position(column, partial))
        for number, series in enumerate(layout.series)
        for column, partial in series.partials
        if column == name and partial in {"min", "max", "first"}
    ]
    base = len(layout.series)
    places += [(base + number, 0) for number, d in enumerate(layout.distincts) if d.column == name]
    base += len(layout.distincts)
    return places + [(base + number, 1) for number, t in enumerate(layout.tails) if t.column == name]


def _of_entities(part: Section, owned: np.ndarray) -> Section:
    """The section over the entities that have events; the others own no rows."""
    sizes = np.diff(part.first)[owned]
    return Section(part.rows, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


def _partial(partial: str, column: Column | None, time: np.ndarray, begin: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """One partial of every tile, (n_tiles,)."""
    if not len(begin):
        return np.zeros(0, np.int64)
    valid = np.ones(len(time), bool) if column is None or column.valid is None else column.valid
    n = np.add.reduceat(valid.astype(np.int64), begin)
    if partial == "n":
        return n
    if partial in {"first", "first_time"}:
        position = np.minimum.reduceat(np.where(valid, np.arange(len(time)), len(time)), begin)
        position = np.where(n > 0, position, 0)
        return time[position] if partial == "first_time" or column is None else column.values[position]
    values = np.zeros(len(time), np.int64) if column is None else column.values
    if partial in {"min", "max"}:
        found = _tile_extreme(values, valid, begin, largest=partial == "max")
        return np.where(n > 0, found, found.dtype.type(0))
    known = np.where(valid, values, values.dtype.type(0))
    if partial == "sum":
        return _tile_sum(known, begin)
    if partial == "float_sum":
        return np.asarray(np.add.reduceat(known.astype(np.float64), begin))
    return _tile_moment(partial, known, valid, n, begin, tile)


def _tile_sum(values: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Sums of tiles in the values' own dtype; one of integers that leaves int64 is refused."""
    total = np.asarray(np.add.reduceat(values, begin))
    if values.dtype == np.int64:
        estimate = np.add.reduceat(values.astype(np.float64), begin)
        if np.any(np.abs(total.astype(np.float64) - estimate) > _SAFE_SUM):
            raise DataError(
                "The sum of an integer column overflows 64-bit integers within one hop of a window. Use a float "
                "column or a smaller unit."
            )
    return total


def _tile_moment(
    partial: str, values: np.ndarray, valid: np.ndarray, n: np.ndarray, begin: np.ndarray, tile: np.ndarray
) -> np.ndarray:
    """Mean as a pair (`mean`, `mean_low`) of doubled precision, and the sum of squares about it (`m2`)."""
    high, low = split_values(values)
    size = np.maximum(n, 1)
    guess = np.add.reduceat(high, begin) / size
    rest = np.add.reduceat(np.where(valid, (high - guess[tile]) + low, 0.0), begin) / size
    mean, mean_low = two_sum(guess, rest)
    if partial == "mean":
        return mean
    if partial == "mean_low":
        return mean_low
    return np.asarray(np.add.reduceat(np.where(valid, (((high - mean[tile]) + low) - mean_low[tile]) ** 2, 0.0), begin))


def _tile_extreme(values: np.ndarray, valid: np.ndarray, begin: np.ndarray, *, largest: bool) -> np.ndarray:
    limits = np.finfo(np.float64) if values.dtype == np.float64 else np.iinfo(np.int64)
    pick = np.maximum if largest else np.minimum
    return np.asarray(pick.reduceat(np.where(valid, values, limits.min if largest else limits.max), begin))
