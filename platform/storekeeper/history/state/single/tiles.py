"""Counts, sums, means, extremes and spreads of an entity's windows, out of its tiles."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.plan import MOMENTS, SeriesPlan, TilePlan, oldest_us
from storekeeper.history.state.single.arrived import Event
from storekeeper.history.state.single.opened import Opened, Value
from storekeeper.history.state.single.totals import EXTREMES, FLOATS, extremes, of_event, sums, variance
from storekeeper.history.state.tiles import refuse_sum

_INT64 = range(-(2**63), 2**63)
#: Functions that are a partial's total as it stands; in the place of the sum of squares stands the variance.
_TOTALS = {"count": "n", "sum": "sum", "min": "min", "max": "max", "var": "m2"}
_Columns = list[list[Value]]


@dataclass(frozen=True)
class SeriesReader:
    """Reads the features of one series of tiles.

    Attributes
    ----------
    section, width, pairs
        The series, the words of its tiles, and the partials that are read of them.
    words
        Of each partial whether it is a float, and its word in a tile.
    sums, bounded
        Which of the partials are added up, and which of these may not leave 64 bits.
    extremes
        Which are compared, and which count the values of each; `texts` of them are ranks of texts.
    spreads
        Count, mean, its low part and sum of squares of each column that has a spread.
    totals, means, deviations
        Of each feature its place among all that are asked for, the partials that it is made of, and its window.
    """

    section: SeriesPlan
    width: int
    pairs: Sequence[tuple[str, str]]
    words: Sequence[tuple[bool, int]]
    sums: Sequence[int]
    bounded: Sequence[int]
    extremes: Sequence[tuple[int, int]]
    texts: Sequence[int]
    spreads: Sequence[tuple[int, ...]]
    totals: Sequence[tuple[int, int, int]]
    means: Sequence[tuple[int, int, int, int]]
    deviations: Sequence[tuple[int, int, int]]

    @classmethod
    def of(cls, plan: TilePlan, section: SeriesPlan, layout: StateLayout) -> "SeriesReader":
        """The reader of one of a plan's series."""
        at = {pair: place for place, pair in enumerate(plan.pairs)}
        floats = [p in FLOATS or (p != "n" and layout.kinds[c] == "float") for c, p in plan.pairs]
        compared = [(place, at[c, "n"]) for (c, p), place in at.items() if p in EXTREMES]
        asked = [one for one in plan.asked if plan.sections[one.section] is section]
        of_mean = {c: place for (c, p), place in at.items() if p in {"sum", "float_sum"}}
        of_mean |= {c: place for (c, p), place in at.items() if p == "float_sum"}
        return cls(
            section,
            layout.widths[section.number],
            plan.pairs,
            words=list(zip(floats, plan.words.tolist()[1:], strict=True)),
            sums=[place for (_, p), place in at.items() if p in {"n", "sum", "float_sum"}],
            bounded=[place for (_, p), place in at.items() if p == "sum" and not floats[place]],
            extremes=compared,
            texts=[place for place, _ in compared if layout.kinds[plan.pairs[place][0]] == "string"],
            spreads=[tuple(at[c, p] for p in ("n", *MOMENTS)) for c in plan.spreads],
            totals=[(a.place, at[a.column, _TOTALS[a.function]], a.window) for a in asked if a.function in _TOTALS],
            means=[(a.place, at[a.column, "n"], of_mean[a.column], a.window) for a in asked if a.function == "mean"],
            deviations=[(a.place, at[a.column, "m2"], a.window) for a in asked if a.function == "std"],
        )

    def read(self, state: Opened, events: Sequence[Event], now_us: int, values: list[Value]) -> None:
        """Put the features' values in their places among all that are asked for."""
        oldest = oldest_us(self.section.windows, now_us)
        starts, columns = self._tiles(state, oldest[0])
        if events:
            starts, columns = self._with(events, starts, columns, oldest[0])
        totals = self._reduced(columns, [bisect_left(starts, at) for at in oldest])
        for place, total, window in self.totals:
            values[place] = totals[total][window]
        for place, count, total, window in self.means:
            if totals[count][window]:
                values[place] = totals[total][window] / totals[count][window]
        for place, spread, window in self.deviations:
            if totals[spread][window] is not None:
                values[place] = math.sqrt(totals[spread][window])

    def _tiles(self, state: Opened, oldest: int) -> tuple[list[int], _Columns]:
        """Starts of the tiles in the longest window, and each partial of theirs."""
        begin, width = state.begin[self.section.number], self.width
        end = begin + state.rows[self.section.number] * width
        ints, floats = state.ints, state.floats
        starts = ints[begin:end:width].tolist()
        first = bisect_left(starts, oldest)
        begin += first * width
        columns: _Columns = [
            floats[begin + word : end : width].tolist() if is_float else ints[begin + word : end : width].tolist()
            for is_float, word in self.words
        ]
        for place in self.texts:
            columns[place] = state.texts(self.pairs[place][0], columns[place])
        return starts[first:], columns

    def _with(
        self, events: Sequence[Event], starts: list[int], columns: _Columns, oldest: int
    ) -> tuple[list[int], _Columns]:
        """Each event as a tile of its own beside the others."""
        tiles = [(event.tile(self.section.hop_us), event.values) for event in events]
        tiles = [tile for tile in tiles if tile[0] >= oldest]
        both = [*starts, *(start for start, _ in tiles)]
        wider = [
            [*column, *(of_event(partial, values[name]) for _, values in tiles)]
            for column, (name, partial) in zip(columns, self.pairs, strict=True)
        ]
        order = sorted(range(len(both)), key=both.__getitem__)
        return [both[place] for place in order], [[column[place] for place in order] for column in wider]

    def _reduced(self, columns: _Columns, cuts: Sequence[int]) -> list[Sequence[Value]]:
        """Each partial by window."""
        totals: list[Sequence[Value]] = [()] * len(columns)
        for place in self.sums:
            totals[place] = sums(columns[place], cuts)
        for place in self.bounded:
            if not all(total in _INT64 for total in totals[place]):
                refuse_sum(self.pairs[place][0])
        for place, count in self.extremes:
            totals[place] = extremes(columns[place], columns[count], cuts, EXTREMES[self.pairs[place][1]])
        for *parts, squares in self.spreads:
            spread = [columns[part] for part in (*parts, squares)]
            totals[squares] = [variance(*(column[cut:] for column in spread)) for cut in cuts]
        return totals
