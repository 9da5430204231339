"""Features read from tiles: counts, sums, means, extremes and spreads of every window of a series at once."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.blocks import Spread
from storekeeper.history.state.plan import MOMENTS, Asked, Block, TilePlan, oldest_us
from storekeeper.history.state.suffixes import Suffixes, suffix_starts

_SAFE_SUM = 2**62
_REDUCE: dict[str, np.ufunc] = {"add": np.add, "min": np.minimum, "max": np.maximum}


class Found(NamedTuple):
    """One feature's values, as the kernel has them: strings are places among the texts.

    Attributes
    ----------
    values
        (n_entities,), or the items of all lists; where null undefined, of floats NaN.
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
    """Tiles of many entities, of one series or several.

    Attributes
    ----------
    first
        (n_entities * n_series + 1,) int64: where the rows of each series of each entity begin, entity by entity.
    column
        By number, 0 the tiles' starts, then the plan's pairs: (n_rows + 1,) int64, whose last row is nobody's. Tiles
        ascend in start within a series of an entity, where several may have one start. Columns are made when they are
        asked for: one at a time, they lie in memory that the one before has left.
    """

    first: np.ndarray
    column: Callable[[int], np.ndarray]


def answer_tiles(plan: TilePlan, tiles: Tiles, now_us: int) -> Iterator[tuple[int, Found]]:
    """Pairs (number of a feature, its values)."""
    oldest = _oldest(plan, now_us)
    entities = (len(tiles.first) - 1) // len(oldest)
    lo = suffix_starts(tiles.column(0)[:-1], tiles.first, np.tile(oldest, (entities, 1)))
    answers = _Answers(plan, tiles, Suffixes(lo, tiles.first[1:]))
    for (function, column), asked in itertools.groupby(plan.asked, lambda one: (one.function, one.column)):
        yield from _found(asked, len(oldest), *_FUNCTIONS[function](answers, function, column))


def _oldest(plan: TilePlan, now_us: int) -> np.ndarray:
    """Where windows begin, (n_series, n_windows); the shortest is repeated, so that all series have as many."""
    most = max(len(section.windows) for section in plan.sections)
    oldest = [oldest_us(section.windows, now_us) for section in plan.sections]
    return np.array([[*starts, *starts[-1:] * (most - len(starts))] for starts in oldest], np.int64)


def _found(
    asked: Iterable[Asked], series: int, values: np.ndarray, null: np.ndarray | None
) -> Iterator[tuple[int, Found]]:
    """Features of one function and column out of those of all windows, (n_windows, n_entities * n_series)."""
    for one in asked:
        own = one.window, slice(one.section, None, series)
        is_nullable = null is not None and null[own].any()
        yield one.place, Found(values[own], null[own] if null is not None and is_nullable else None)


def refuse_sum(column: str) -> NoReturn:
    """Refuse a window's sum that leaves 64 bits."""
    raise DataError(
        f"A window's sum of column '{column}' overflows 64-bit integers. Use a float column, a smaller unit or a "
        f"shorter window."
    )


#: Values of all windows of a column, and where they are null; (n_windows, n_entities * n_series) each.
_Windows = tuple[np.ndarray, np.ndarray | None]


class _Answers:
    """Totals of all partials over all windows, (n_windows, n_entities * n_series) each, and features made of them."""

    def __init__(self, plan: TilePlan, tiles: Tiles, suffixes: Suffixes) -> None:
        self._plan, self._tiles, self._suffixes = plan, tiles, suffixes
        self._compared = {column for column, partial in plan.pairs if partial in {"min", "max"}}
        self._hollow: dict[str, np.ndarray] = {}
        self._totals: dict[tuple[str, str], np.ndarray] = {}
        for block in plan.blocks:
            with np.errstate(over="ignore", invalid="ignore"):
                found = suffixes.totals(self._columns(block), _REDUCE[block.partial], _identity(block))
            self._totals.update((plan.pairs[place], found[:, number]) for number, place in enumerate(block.pairs))
        self._variances = self._spreads() if plan.spreads else {}

    def _columns(self, block: Block) -> Iterator[np.ndarray]:
        """A block's partials; extremes of tiles without a value are those that lose to all others."""
        for place in block.pairs:
            (name, partial), column = self._plan.pairs[place], self._tiles.column(1 + place)
            values = column.view(np.float64) if block.is_float else column
            if partial == "n" and name in self._compared and not column[:-1].all():
                self._hollow[name] = column == 0
            if partial == "sum" and not block.is_float:
                self._refuse_overflow(name, column)
            is_hollow = block.partial != "add" and name in self._hollow
            yield np.where(self._hollow[name], values.dtype.type(_identity(block)), values) if is_hollow else values

    def _refuse_overflow(self, name: str, sums: np.ndarray) -> None:
        bound = _SAFE_SUM // len(sums)
        if -bound < sums.min() and sums.max() < bound:
            return
        exact = self._suffixes.totals([sums], np.add, 0)
        estimate = self._suffixes.totals([sums.astype(np.float64)], np.add, 0)
        if np.any(np.abs(exact.astype(np.float64) - estimate) > _SAFE_SUM):
            refuse_sum(name)

    def _spreads(self) -> dict[str, np.ndarray]:
        """Population variance of each column in each window."""
        columns, word = self._plan.spreads, self._plan.word
        counts, *moments = (
            np.stack([self._tiles.column(word(column, partial)) for column in columns]) for partial in ("n", *MOMENTS)
        )
        spread = self._suffixes.spreads(Spread(counts.astype(np.float64), *(each.view(np.float64) for each in moments)))
        variances = spread.squares / np.maximum(spread.count, 1)
        return {column: variances[:, place] for place, column in enumerate(columns)}

    def total(self, function: str, column: str) -> _Windows:
        return self._totals[column, "n" if function == "count" else function], None

    def mean(self, function: str, column: str) -> _Windows:
        del function
        total = self._totals.get((column, "float_sum"))
        total = self._totals[column, "sum"] if total is None else total
        return self._nullable(total / np.maximum(self._totals[column, "n"], 1), column)

    def extreme(self, function: str, column: str) -> _Windows:
        return self._nullable(self._totals[column, function], column)

    def spread(self, function: str, column: str) -> _Windows:
        variance = self._variances[column]
        return self._nullable(np.sqrt(variance) if function == "std" else variance, column)

    def _nullable(self, values: np.ndarray, column: str) -> _Windows:
        """Null where the window has no value."""
        null = self._totals[column, "n"] == 0
        return np.where(null, np.nan, values) if values.dtype == np.float64 else values, null


_FUNCTIONS: dict[str, Callable[[_Answers, str, str], _Windows]] = {
    "count": _Answers.total,
    "sum": _Answers.total,
    "mean": _Answers.mean,
    "min": _Answers.extreme,
    "max": _Answers.extreme,
    "var": _Answers.spread,
    "std": _Answers.spread,
}


def _identity(block: Block) -> float | int:
    """The value that changes no total."""
    if block.partial == "add":
        return 0
    if block.is_float:
        return float("inf") if block.partial == "min" else float("-inf")
    limits = np.iinfo(np.int64)
    return int(limits.max if block.partial == "min" else limits.min)
