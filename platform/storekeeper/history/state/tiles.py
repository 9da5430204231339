"""Features read from tiles: counts, sums, means, extremes and spreads of every window of a series at once."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.blocks import Spread
from storekeeper.history.state.plan import MOMENTS, Asked, Block, TilePlan, oldest_of
from storekeeper.history.state.suffixes import Suffixes, suffix_starts

_SAFE_SUM = 2**62
# Few rows of several series are put together, which takes a copy but one step for all of them.
_ROWS_AT_ONCE = 8_192
_REDUCE: dict[str, np.ufunc] = {"add": np.add, "min": np.minimum, "max": np.maximum}


class Found(NamedTuple):
    """One feature's values, as the kernel has them: strings are places among the texts.

    Attributes
    ----------
    values
        (n_entities,), or the items of all lists; undefined where null.
    null
        (n_entities,) bool, or None where nothing is null.
    offsets
        (n_entities + 1,) int64: where each entity's list begins; None for features that are no lists.
    """

    values: np.ndarray
    null: np.ndarray | None = None
    offsets: np.ndarray | None = None


@dataclass(frozen=True)
class Tiles:
    """Tiles of many entities.

    Attributes
    ----------
    words
        (1 + n_pairs, n_rows + 1) int64: start, then the plan's partials, ascending in start within an entity, where
        several tiles may have one start; the last row is nobody's.
    first
        (n_entities + 1,) int64: entity e owns the rows [first[e], first[e + 1]).
    """

    words: np.ndarray
    first: np.ndarray


def answer_tiles(plan: TilePlan, sections: Sequence[Tiles], now_us: int) -> Iterator[tuple[int, Found]]:
    """Pairs (number of a feature, its values); `sections` are the tiles of each series of the plan."""
    starts = [
        suffix_starts(tiles.words[0, :-1], tiles.first, oldest_of(section.windows, now_us))
        for section, tiles in zip(plan.sections, sections, strict=True)
    ]
    if len(sections) > 1 and sum(tiles.words.shape[1] for tiles in sections) <= _ROWS_AT_ONCE:
        return _Answers(plan, range(len(sections)), *_together(sections, starts)).all()
    answers = [
        _Answers(plan, range(number, number + 1), tiles.words, Suffixes(lo, tiles.first[1:])).all()
        for number, (tiles, lo) in enumerate(zip(sections, starts, strict=True))
    ]
    return itertools.chain.from_iterable(answers)


def _together(sections: Sequence[Tiles], starts: Sequence[np.ndarray]) -> tuple[np.ndarray, Suffixes]:
    """Several series as one, in which each entity of each series stands as an entity of its own."""
    shift = list(itertools.accumulate((int(tiles.first[-1]) for tiles in sections), initial=0))
    most = max(lo.shape[1] for lo in starts)
    lo = np.concatenate([_widened(lo, most) + low for lo, low in zip(starts, shift, strict=False)])
    hi = np.concatenate([tiles.first[1:] + low for tiles, low in zip(sections, shift, strict=False)])
    nobody = sections[-1].words[:, -1:]
    return np.concatenate([*[tiles.words[:, :-1] for tiles in sections], nobody], axis=1), Suffixes(lo, hi)


def _widened(lo: np.ndarray, windows: int) -> np.ndarray:
    """Starts with the shortest window repeated, so that all series have as many."""
    missing = windows - lo.shape[1]
    return np.concatenate([lo, np.repeat(lo[:, -1:], missing, axis=1)], axis=1) if missing else lo


class _Answers:
    """Totals of all partials over all windows of some series, and features made of them.

    Totals are (n_series * n_entities, n_windows) each, series by series.
    """

    def __init__(self, plan: TilePlan, sections: range, words: np.ndarray, suffixes: Suffixes) -> None:
        self._plan, self._sections, self._words, self._suffixes = plan, sections, words, suffixes
        self._entities = len(suffixes.hi) // len(sections)
        counted = words[1 : 1 + plan.counts, :-1]
        self._has_nulls = any(len(block.counts) for block in plan.blocks) and not counted.all()
        self._totals: dict[tuple[str, str], np.ndarray] = {}
        counts = np.zeros((0, *suffixes.lo.shape), np.int64)
        for block in plan.blocks:
            found = self._reduced(block)
            self._totals.update(zip(plan.pairs[block.rows.start - 1 : block.rows.stop - 1], found, strict=True))
            counts = found[: plan.counts] if block.rows.start == 1 else counts
        self._column = {column: place for place, (column, _) in enumerate(plan.pairs[: plan.counts])}
        self._sizes, self._empty = np.maximum(counts, 1), counts == 0
        shape = (len(counts), len(sections), self._entities, counts.shape[2])
        self._any_empty = self._empty.reshape(shape).any(axis=2).tolist()
        self._variances = self._spreads() if plan.spreads else {}

    def all(self) -> Iterator[tuple[int, Found]]:
        for asked in (asked for asked in self._plan.asked if asked.section in self._sections):
            yield asked.place, _FUNCTIONS[asked.function](self, asked)

    def _reduced(self, block: Block) -> np.ndarray:
        rows = self._words[block.rows]
        rows = rows.view(np.float64) if block.is_float else rows
        reduce = _REDUCE[block.partial]
        if block.partial == "add":
            if not block.is_float:
                self._refuse_overflow(block)
            with np.errstate(over="ignore", invalid="ignore"):
                return self._suffixes.totals(rows, reduce, 0)
        worst = _worst(block)
        if self._has_nulls:
            rows = np.where(self._words[block.counts] == 0, rows.dtype.type(worst), rows)
        return self._suffixes.totals(rows, reduce, worst)

    def _refuse_overflow(self, block: Block) -> None:
        sums = self._words[max(block.rows.start, 1 + self._plan.counts) : block.rows.stop]
        if not len(sums):
            return
        bound = _SAFE_SUM // sums.shape[1]
        if -bound < sums.min() and sums.max() < bound:
            return
        exact = self._suffixes.totals(sums, np.add, 0)
        estimate = self._suffixes.totals(sums.astype(np.float64), np.add, 0)
        wrong = np.any(np.abs(exact.astype(np.float64) - estimate) > _SAFE_SUM, axis=(1, 2))
        if wrong.any():
            column = self._plan.pairs[block.rows.stop - 1 - len(sums) + int(np.argmax(wrong))][0]
            raise DataError(
                f"A window's sum of column '{column}' overflows 64-bit integers. Use a float column, a smaller unit or "
                f"a shorter window."
            )

    def _spreads(self) -> dict[str, np.ndarray]:
        """Population variance of each column in each window."""
        columns, word = self._plan.spreads, self._plan.word
        counts = self._words[[word(column, "n") for column in columns]].astype(np.float64)
        moments = [self._words[[word(column, m) for column in columns]].view(np.float64) for m in MOMENTS]
        spread = self._suffixes.spreads(Spread(counts, *moments))
        return dict(zip(columns, spread.squares / np.maximum(spread.count, 1), strict=True))

    def _of(self, asked: Asked, totals: np.ndarray) -> np.ndarray:
        """What one feature has of all windows of all series, (n_entities,)."""
        begin = (asked.section - self._sections.start) * self._entities
        part: np.ndarray = totals[begin : begin + self._entities, asked.window]
        return part

    def count(self, asked: Asked) -> Found:
        return Found(self._of(asked, self._totals[(asked.column, "n")]))

    def sum(self, asked: Asked) -> Found:
        return Found(self._of(asked, self._totals[(asked.column, "sum")]))

    def mean(self, asked: Asked) -> Found:
        total = self._totals.get((asked.column, "float_sum"))
        total = self._totals[(asked.column, "sum")] if total is None else total
        return self._nullable(self._of(asked, total) / self._of(asked, self._sizes[self._column[asked.column]]), asked)

    def extreme(self, asked: Asked) -> Found:
        return self._nullable(self._of(asked, self._totals[(asked.column, asked.function)]), asked)

    def spread(self, asked: Asked) -> Found:
        variance = self._of(asked, self._variances[asked.column])
        return self._nullable(np.sqrt(variance) if asked.function == "std" else variance, asked)

    def _nullable(self, values: np.ndarray, asked: Asked) -> Found:
        """Null where the window has no value."""
        place = self._column[asked.column]
        if not self._any_empty[place][asked.section - self._sections.start][asked.window]:
            return Found(values)
        return Found(values, self._of(asked, self._empty[place]))


_FUNCTIONS: dict[str, Callable[[_Answers, Asked], Found]] = {
    "count": _Answers.count,
    "sum": _Answers.sum,
    "mean": _Answers.mean,
    "min": _Answers.extreme,
    "max": _Answers.extreme,
    "var": _Answers.spread,
    "std": _Answers.spread,
}


def _worst(block: Block) -> float | int:
    """The value that no other loses to."""
    if block.is_float:
        return float("inf") if block.partial == "min" else float("-inf")
    limits = np.iinfo(np.int64)
    return int(limits.max if block.partial == "min" else limits.min)
