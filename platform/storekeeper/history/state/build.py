"""Building the state of a windowed view from its events: columnar, for all entities at once."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import times_us, to_column
from storekeeper.history.keys import EntityIndex
from storekeeper.history.state.layout import DistinctList, StateLayout, Tail, TileSeries
from storekeeper.history.state.partials import first_of_tiles, partial_of_tiles
from storekeeper.history.state.words import Section, pack, section
from storekeeper.history.timeline import Timeline, sort_history

ALL_HISTORY = -(2**62)


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
    builder = _Builder(events, timeline, layout, until_us, None if known is None else known[timeline.order])
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
    def __init__(
        self, events: pa.Table, timeline: Timeline, layout: StateLayout, until_us: int, known: np.ndarray | None
    ) -> None:
        self.layout, self.until_us, self.known = layout, until_us, known
        self.time = timeline.time
        self.count = len(timeline.first) - 1
        self.code = np.repeat(np.arange(self.count), np.diff(timeline.first))
        self.columns = {name: to_column(name, events.column(name)).take(timeline.order) for name in layout.kinds}

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
        further = [_of_entities(part, owned) for part in self._known_sections()]
        return pack(kept, self.layout.fingerprint, self.until_us, texts, further)

    def _known_sections(self) -> list[Section]:
        """When the first events of tiles and the events of tails were known."""
        if self.known is None:
            return []
        tiles = [self._known_firsts(series, self.known) for series in self.layout.series if series.firsts]
        return tiles + [self._known_tail(tail, self.known) for tail in self.layout.tails if tail.column]

    def _known_firsts(self, series: TileSeries, known: np.ndarray) -> Section:
        rows = self._recent(series.reach_us)
        begin, _ = self._edges(rows, series.hop_us)
        columns = [self.columns[name].take(rows) for name in series.firsts]
        firsts = [rows[first_of_tiles(column, len(rows), begin)] for column in columns]
        return self._where_later(
            [known[first] for first in firsts], [self.time[first] for first in firsts], rows[begin]
        )

    def _known_tail(self, tail: Tail, known: np.ndarray) -> Section:
        rows, _ = self._newest(tail)
        return self._where_later([known[rows]], [self.time[rows]], rows)

    def _where_later(self, known: list[np.ndarray], time: list[np.ndarray], rows: np.ndarray) -> Section:
        """Knowledge times of rows, for entities that have one which isn't the event time."""
        differs = np.any([at != then for at, then in zip(known, time, strict=True)], axis=0)
        owner = self.code[rows]
        kept = np.isin(owner, owner[differs])
        return section([column[kept] for column in known], self._first(owner[kept]))

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
        begin, tile = self._edges(rows, series.hop_us)
        columns = [self._starts(rows[begin], series.hop_us)]
        for name, partial in series.partials:
            column = self.columns[name].take(rows) if name else None
            columns.append(partial_of_tiles(partial, column, self.time[rows], begin, tile))
        return section(columns, self._first(self.code[rows[begin]]))

    def _edges(self, rows: np.ndarray, hop_us: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Where each tile begins among some events, and which tile each event is in."""
        code, start = self.code[rows], self._starts(rows, hop_us)
        edge = np.ones(len(rows), bool)
        edge[1:] = (code[1:] != code[:-1]) | (start[1:] != start[:-1])
        return np.flatnonzero(edge), np.cumsum(edge) - 1

    def _distinct(self, distinct: DistinctList) -> Section:
        rows, values = self._valued(distinct.column, distinct.reach_us)
        start, code = self._starts(rows, distinct.hop_us), self.code[rows]
        order = np.lexsort((start, values, code))
        code, values, start = code[order], values[order], start[order]
        last = np.ones(len(order), bool)
        last[:-1] = (code[1:] != code[:-1]) | (values[1:] != values[:-1])
        return section([values[last], start[last]], self._first(code[last]))

    def _tail(self, tail: Tail) -> Section:
        rows, values = self._newest(tail)
        return section([self.time[rows], values], self._first(self.code[rows]))

    def _newest(self, tail: Tail) -> tuple[np.ndarray, np.ndarray]:
        """Positions and values of a tail's events."""
        rows, values = self._valued(tail.column, tail.reach_us)
        first = self._first(self.code[rows])
        kept = np.arange(len(rows)) >= np.repeat(first[1:] - tail.length, np.diff(first))
        return rows[kept], values[kept]

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
        kept = [self._worded(parts[place.section], place) for place in places]
        code = np.concatenate([entity for entity, _, _ in kept])
        rank = np.concatenate([values for _, _, values in kept])
        width = int(rank.max(initial=0)) + 1
        pairs, local = np.unique(code * width + rank, return_inverse=True)
        first = self._first(pairs // width)
        local = local - first[code]
        ends = np.cumsum([len(rows) for _, rows, _ in kept])
        for place, (_, rows, _), ranks in zip(places, kept, np.split(local, ends[:-1]), strict=True):
            parts[place.section].rows[:, place.column] = 0
            parts[place.section].rows[rows, place.column] = ranks
        words = self.columns[name].restore(pairs % width, None).cast(pa.large_string())
        offsets = np.frombuffer(words.buffers()[1], np.int64, len(words) + 1, words.offset * 8)
        payload = words.buffers()[2].to_pybytes() if len(words) and words.buffers()[2] else b""
        edges = offsets[first].tolist()
        texts = [payload[low:high] for low, high in itertools.pairwise(edges)]
        return section([np.diff(offsets)], first), texts

    def _worded(self, part: Section, place: "_Place") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entity, row and value of a section's rows that hold a word of a string column."""
        rows = np.arange(len(part.rows)) if place.count is None else np.flatnonzero(part.rows[:, place.count])
        return np.repeat(np.arange(self.count), np.diff(part.first))[rows], rows, part.rows[rows, place.column]


@dataclass(frozen=True)
class _Place:
    """A column of words that holds values of a string column, where the row's count of values isn't zero."""

    section: int
    column: int
    count: int | None = None


def _string_places(layout: StateLayout, name: str) -> list[_Place]:
    places = [
        _Place(number, series.position(column, partial), series.position(column, "n"))
        for number, series in enumerate(layout.series)
        for column, partial in series.partials
        if column == name and partial in {"min", "max", "first"}
    ]
    base = len(layout.series)
    places += [_Place(base + number, 0) for number, d in enumerate(layout.distincts) if d.column == name]
    base += len(layout.distincts)
    return places + [_Place(base + number, 1) for number, t in enumerate(layout.tails) if t.column == name]


def _of_entities(part: Section, owned: np.ndarray) -> Section:
    """The section over the entities that have events; the others own no rows."""
    sizes = np.diff(part.first)[owned]
    return Section(part.rows, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
