"""Reading the state of many entities at `now`: the kernel's own functions over tiles, lists and tails."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.history.blocks import Spread
from storekeeper.history.columns import Column, to_column
from storekeeper.history.evaluate import Intervals, Series, evaluate, float_sum
from storekeeper.history.features import WindowFeature
from storekeeper.history.state.build import ALL_HISTORY
from storekeeper.history.state.layout import StateLayout, TileSeries
from storekeeper.history.state.words import Section, Unpacked, unpack


def read_state(
    blobs: Sequence[bytes | None], layout: StateLayout, features: Sequence[WindowFeature], now_us: int
) -> pa.Table:
    """Features of many entities at one instant.

    Parameters
    ----------
    blobs
        One item an entity; None where it was never seen: its windows are empty (rule 11).
    now_us
        The instant, microseconds.

    Returns
    -------
    pyarrow.Table
        One column a feature, one row an item of `blobs`.

    Raises
    ------
    DataError
        If state was built later than `now`, by another release, or for another definition.
    """
    seen = [blob for blob in blobs if blob is not None]
    state = _State(unpack(seen, layout.widths, layout.fingerprint), layout, len(seen), now_us)
    arrays = [state.answer(feature) for feature in features]
    if len(seen) != len(blobs):
        arrays = [_spread(array, blobs, feature, layout) for array, feature in zip(arrays, features, strict=True)]
    return pa.table(arrays, names=[feature.name for feature in features])


def _spread(array: pa.Array, blobs: Sequence[bytes | None], feature: WindowFeature, layout: StateLayout) -> pa.Array:
    """Rows of unseen entities get the value of an empty window."""
    series = Series("", np.zeros(0, np.int64), _no_values(feature, layout))
    nothing = Intervals(*(np.zeros(1, np.int64) for _ in range(3)))
    empty = evaluate(feature, series, nothing).cast(array.type)
    missing = np.array([blob is None for blob in blobs])
    position = np.where(missing, len(array), np.cumsum(~missing) - 1)
    return pa.concat_arrays([array, empty]).take(pa.array(position))


def _no_values(feature: WindowFeature, layout: StateLayout) -> Column | None:
    if not feature.column:
        return None
    return to_column(feature.column, pa.chunked_array([], layout.types[feature.column]))


class _State:
    """Unpacked state of several entities at one instant."""

    def __init__(self, unpacked: Unpacked, layout: StateLayout, count: int, now_us: int) -> None:
        if np.any(unpacked.until_us > now_us):
            raise DataError(
                "Online state was built for a later time than the clock shows now. Set the clock to the time of the "
                "materialisation or later, or materialise again."
            )
        self.layout, self.count, self.now_us = layout, count, now_us
        tiles, lists = len(layout.series), len(layout.distincts)
        parts = unpacked.sections
        self.tiles = parts[:tiles]
        self.distincts = parts[tiles : tiles + lists]
        self.tails = parts[tiles + lists : tiles + lists + len(layout.tails)]
        lengths = parts[tiles + lists + len(layout.tails) :]
        self.words = dict(zip(layout.strings, _dictionaries(lengths, unpacked.tails), strict=True))
        self.at = np.full(count, now_us)

    def answer(self, feature: WindowFeature) -> pa.Array:
        """One feature, (n_entities,)."""
        start = feature.window_start(np.array([self.now_us]))
        oldest = None if start is None else int(start[0])
        if feature.base_function == "count_distinct":
            return self._distinct(feature, oldest)
        if feature.base_function in {"last", "last_n", "seconds_since_last"}:
            return self._tail(feature, oldest)
        return self._tiled(feature, oldest)

    def _intervals(self, first: np.ndarray, time: np.ndarray, oldest: int | None) -> Intervals:
        """Rows of each entity from `oldest` on; rows are in time order within an entity."""
        lo = first[:-1]
        if oldest is not None:
            entity = np.repeat(np.arange(self.count), np.diff(first))
            lo = lo + np.bincount(entity[time < oldest], minlength=self.count)
        return Intervals(lo, first[1:], self.at)

    def _distinct(self, feature: WindowFeature, oldest: int | None) -> pa.Array:
        number = next(
            i for i, d in enumerate(self.layout.distincts) if (d.column, d.hop_us) == (feature.column, feature.hop)
        )
        part = self.distincts[number]
        entity = np.repeat(np.arange(self.count), np.diff(part.first))
        recent = part.column(1) >= (ALL_HISTORY if oldest is None else oldest)
        return pa.array(np.bincount(entity[recent], minlength=self.count), pa.int64())

    def _tail(self, feature: WindowFeature, oldest: int | None) -> pa.Array:
        number = next(i for i, t in enumerate(self.layout.tails) if t.column == feature.column)
        part = self.tails[number]
        time = part.column(0)
        column = self._values(feature.column, part, 1, None) if feature.column else None
        return evaluate(feature, Series(feature.column, time, column), self._intervals(part.first, time, oldest))

    def _tiled(self, feature: WindowFeature, oldest: int | None) -> pa.Array:
        number = next(i for i, s in enumerate(self.layout.series) if s.hop_us == feature.hop)
        part, series, name = self.tiles[number], self.layout.series[number], feature.column
        intervals = self._intervals(part.first, part.column(0), oldest)

        def place(partial: str) -> int:
            return series.position(name, partial)

        function = feature.base_function
        if function == "sum":
            return evaluate(feature, self._series(name, part, place("sum"), None), intervals)
        n = part.column(place("n"))
        if function == "count":
            return pa.array(_total(n, intervals), pa.int64())
        if function == "mean":
            total, size = float_sum(self._sums(name, part, series), intervals), _total(n, intervals)
            return pa.array(total / np.maximum(size, 1), mask=size == 0)
        if function in {"var", "std"}:
            partials = [part.floats(place(partial)) for partial in ("mean", "mean_low", "m2")]
            variance, size = _merge_variance(Spread(n.astype(np.float64), *partials), intervals)
            return pa.array(np.sqrt(variance) if function == "std" else variance, mask=size == 0)
        if function == "seconds_since_first":
            valid = n > 0
            column = Column("int", pa.int64(), n, None if valid.all() else valid, lambda v, _: pa.array(v))
            return evaluate(feature, Series(name, part.column(place("first_time")), column), intervals)
        return evaluate(feature, self._series(name, part, place(function), n > 0), intervals)

    def _sums(self, name: str, part: Section, series: TileSeries) -> Series:
        """Sums of tiles as the mean takes them: of integers as floats, which have no bound."""
        if self.layout.kinds[name] != "int":
            return self._series(name, part, series.position(name, "sum"), None)
        sums = part.floats(series.position(name, "float_sum"))
        return Series(name, part.column(0), Column("float", pa.float64(), sums, None, lambda v, _: pa.array(v)))

    def _series(self, name: str, part: Section, position: int, valid: np.ndarray | None) -> Series:
        return Series(name, part.column(0), self._values(name, part, position, valid))

    def _values(self, name: str, part: Section, position: int, valid: np.ndarray | None) -> Column:
        kind, type_ = self.layout.kinds[name], self.layout.types[name]
        plain = to_column(name, pa.chunked_array([], type_))
        if kind == "string":
            words, first = self.words[name]
            entity = np.repeat(np.arange(self.count), np.diff(part.first))
            ranks = part.column(position) + first[entity]
            return Column(kind, type_, ranks, valid, lambda v, null: words.take(pa.array(v, mask=null)).cast(type_))
        values = part.floats(position) if kind == "float" else part.column(position)
        return Column(kind, type_, values, valid, plain.restore)


def _dictionaries(lengths: Sequence[Section], tails: Sequence[bytes]) -> list[tuple[pa.Array, np.ndarray]]:
    """Each string column's words, all entities laid end to end, and where each entity's begin."""
    used = np.zeros(len(tails), np.int64)
    found = []
    for part in lengths:
        sizes = part.column(0)
        entity = np.repeat(np.arange(len(tails)), np.diff(part.first))
        size = np.bincount(entity, weights=sizes, minlength=len(tails)).astype(np.int64)
        pieces = [tail[u : u + s] for tail, u, s in zip(tails, used.tolist(), size.tolist(), strict=True)]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(pieces))]
        found.append((pa.Array.from_buffers(pa.large_string(), len(sizes), buffers), part.first))
        used = used + size
    return found


def _total(n: np.ndarray, intervals: Intervals) -> np.ndarray:
    prefix = np.concatenate([[0], np.cumsum(n)])
    return np.asarray(prefix[intervals.hi] - prefix[intervals.lo])


def _merge_variance(tiles: Spread, intervals: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """Population variance of merged tiles (Chan, Golub and LeVeque, 1979), and how many values each window has."""
    count = len(intervals.lo)
    row = np.repeat(np.arange(count), intervals.length)
    offsets = np.concatenate([[0], np.cumsum(intervals.length)])[:-1]
    seen = tiles.take(np.arange(len(row)) + np.repeat(intervals.lo - offsets, intervals.length))

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, weights=values, minlength=count)

    size = total(seen.count)
    # About a centre near the means, which may be large, so that their low parts count.
    centre = total(seen.count * seen.mean) / np.maximum(size, 1)
    distance = (seen.mean - centre[row]) + seen.mean_low
    middle = total(seen.count * distance) / np.maximum(size, 1)
    spread = seen.squares + seen.count * (distance - middle[row]) ** 2
    return total(spread) / np.maximum(size, 1), size
