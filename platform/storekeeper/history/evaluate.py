"""Every function of a windowed feature over index intervals of one column."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.history.blocks import range_spread, range_sum
from storekeeper.history.columns import Column
from storekeeper.history.exact import Ends, rounding_bound, sums_between
from storekeeper.history.features import WindowFeature
from storekeeper.history.ranges import previous_equal, range_distinct, range_extreme, range_slices

_SAFE_SUM = 2.0**62
# Rule 10 allows 1e-9 for values of any size.
_SUM_BOUND = 1e-12


@dataclass(frozen=True)
class Intervals:
    """Where each row's events lie.

    Attributes
    ----------
    lo, hi
        (n_rows,) int64: the row sees events [lo, hi) of its series.
    at
        (n_rows,) int64 microseconds: the row's own time.
    """

    lo: np.ndarray
    hi: np.ndarray
    at: np.ndarray
    _ends: dict[int, Ends] = field(init=False, default_factory=dict, repr=False, compare=False)

    def ends(self, count: int) -> Ends:
        """The intervals' ends among `count` values, found once."""
        if count not in self._ends:
            self._ends[count] = Ends.of(self.lo, np.maximum(self.lo, self.hi), count)
        return self._ends[count]

    @property
    def empty(self) -> np.ndarray:
        """(n_rows,) bool: rows that see nothing."""
        return np.asarray(self.lo >= self.hi)

    @property
    def length(self) -> np.ndarray:
        """(n_rows,) int64: number of events seen."""
        return np.asarray(np.maximum(self.hi - self.lo, 0))


class Series:
    """One column of a timeline without its nulls, with what several windows share computed once.

    Parameters
    ----------
    name
        For error messages.
    time
        (n,) int64 microseconds of all events, in timeline order.
    column
        The column in the same order, or None for the event itself.
    """

    def __init__(self, name: str, time: np.ndarray, column: Column | None) -> None:
        self.name = name
        self.column = column
        valid = None if column is None else column.valid
        if column is None or valid is None:
            self._seen = None
            self.time = time
            self.values = np.zeros(0) if column is None else column.values
            return
        kept = np.flatnonzero(valid)
        self._seen = np.concatenate([[0], np.cumsum(valid)]).astype(np.int64)
        self.time = time[kept]
        self.values = column.values[kept]

    def narrow(self, intervals: Intervals) -> Intervals:
        """The same intervals, counted over the non-null events only."""
        if self._seen is None:
            return intervals
        return Intervals(self._seen[intervals.lo], self._seen[intervals.hi], intervals.at)

    @property
    def checked(self) -> Column:
        """The column; functions that need one are refused without it when they are declared."""
        if self.column is None:
            raise DataError(f"Feature of '{self.name}' needs a column.")
        return self.column

    @cached_property
    def int_prefix(self) -> np.ndarray:
        """Prefix sums, (n + 1,) int64. They may wrap around: a window's difference is exact all the same."""
        return np.concatenate([[0], np.cumsum(self.values, dtype=np.int64)])

    @cached_property
    def previous(self) -> np.ndarray:
        """Where each value last occurred before, (n,) int64."""
        return previous_equal(self.values)

    @cached_property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(abs(float(self.values.min())), abs(float(self.values.max()))) if len(self.values) else 0.0

    @property
    def magnitude(self) -> float:
        """A bound on the sum of absolute values, and so on any window's sum."""
        return len(self.values) * self.largest


def evaluate(feature: WindowFeature, series: Series, intervals: Intervals) -> pa.Array:
    """Values of one feature.

    Empty windows (rule 9): counts and sums are 0, `last_n` is an empty list, everything else is null.

    Returns
    -------
    pyarrow.Array
        (n_rows,) of `feature.result_type(...)`.
    """
    return _EVALUATORS[feature.base_function](feature, series, series.narrow(intervals))


def _count(_: WindowFeature, __: Series, seen: Intervals) -> pa.Array:
    return pa.array(seen.length, pa.int64())


def _sum(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    if series.checked.is_float:
        return pa.array(float_sum(series, seen))
    return pa.array(_int_sum(series, seen), pa.int64())


def float_sum(series: Series, seen: Intervals) -> np.ndarray:
    """Sums as floats, (n_rows,): by prefixes where their rounding is far below rule 10's bound, else by blocks."""
    values = series.values.astype(np.float64, copy=False)
    if rounding_bound(len(values), series.largest) > _SUM_BOUND:
        return range_sum(values, seen.lo, np.maximum(seen.lo, seen.hi))
    return sums_between(values, seen.ends(len(values)), series.largest)


def _int_sum(series: Series, seen: Intervals) -> np.ndarray:
    if series.magnitude >= _SAFE_SUM:
        estimate = float_sum(series, seen)
        exact = series.int_prefix[np.maximum(seen.lo, seen.hi)] - series.int_prefix[seen.lo]
        if np.any(np.abs(exact.astype(np.float64) - estimate) > _SAFE_SUM):
            raise DataError(
                f"A window's sum of column '{series.name}' overflows 64-bit integers. "
                f"Use a float column, a smaller unit or a shorter window."
            )
        return np.asarray(exact)
    return np.asarray(series.int_prefix[np.maximum(seen.lo, seen.hi)] - series.int_prefix[seen.lo])


def _mean(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    total = float_sum(series, seen)
    return pa.array(total / np.maximum(seen.length, 1), mask=seen.empty)


def _variance(series: Series, seen: Intervals) -> np.ndarray:
    """Population variance: the sum of squares about the window's own mean, divided by the count."""
    spread = range_spread(series.values, seen.lo, np.maximum(seen.lo, seen.hi))
    return np.asarray(spread.squares / np.maximum(spread.count, 1))


def _var(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    return pa.array(_variance(series, seen), mask=seen.empty)


def _std(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    return pa.array(np.sqrt(_variance(series, seen)), mask=seen.empty)


def _extreme(feature: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    found = range_extreme(series.values, seen.lo, seen.hi, largest=feature.base_function == "max")
    return series.checked.restore(found, seen.empty)


def _at(series: Series, positions: np.ndarray, empty: np.ndarray) -> pa.Array:
    if not len(series.values):
        return pa.nulls(len(positions), series.checked.type)
    return series.checked.restore(series.values[np.where(empty, 0, positions)], empty)


def _first(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    return _at(series, seen.lo, seen.empty)


def _last(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    return _at(series, seen.hi - 1, seen.empty)


def _count_distinct(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    return pa.array(range_distinct(series.previous, seen.lo, np.maximum(seen.lo, seen.hi)), pa.int64())


def _last_n(feature: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
    hi = np.maximum(seen.lo, seen.hi)
    positions, offsets = range_slices(np.maximum(seen.lo, hi - feature.length), hi)
    items = series.checked.restore(series.values[positions], None)
    if offsets[-1] > np.iinfo(np.int32).max:
        raise DataError(f"Feature '{feature.name}' makes {offsets[-1]:,} list items in one batch; ask for fewer rows.")
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items)


def _seconds_since(position: Callable[[Intervals], np.ndarray]) -> Callable[..., pa.Array]:
    def since(_: WindowFeature, series: Series, seen: Intervals) -> pa.Array:
        if not len(series.time):
            return pa.nulls(len(seen.at), pa.float64())
        then = series.time[np.where(seen.empty, 0, position(seen))]
        return pa.array((seen.at - then) / 1e6, mask=seen.empty)

    return since


_EVALUATORS: dict[str, Callable[[WindowFeature, Series, Intervals], pa.Array]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "min": _extreme,
    "max": _extreme,
    "first": _first,
    "last": _last,
    "count_distinct": _count_distinct,
    "last_n": _last_n,
    "seconds_since_last": _seconds_since(lambda seen: seen.hi - 1),
    "seconds_since_first": _seconds_since(lambda seen: seen.lo),
}
