"""Features read from lists of times and values: the first value of each tile, and the tails of newest events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.ranges import range_slices
from storekeeper.history.state.plan import Asked, ListPlan, oldest_of
from storekeeper.history.state.suffixes import suffix_starts
from storekeeper.history.state.tiles import Found


@dataclass(frozen=True)
class TimedList:
    """Events of many entities, in their order.

    Attributes
    ----------
    first
        (n_entities + 1,) int64: entity e owns the rows [first[e], first[e + 1]).
    time
        (n_rows + 1,) int64 microseconds; the last row is nobody's.
    values
        (n_rows + 1,) int64 or float64.
    """

    first: np.ndarray
    time: np.ndarray
    values: np.ndarray


def answer_list(plan: ListPlan, rows: TimedList, now_us: int) -> Iterator[tuple[int, Found]]:
    """Pairs (number of a feature, its values)."""
    lo = suffix_starts(rows.time[:-1], rows.first, oldest_of(plan.windows, now_us))
    window = _Windows(rows, lo, lo >= rows.first[1:, None], now_us)
    for asked in plan.asked:
        yield asked.place, _FUNCTIONS[asked.function](window, asked)


@dataclass(frozen=True)
class _Windows:
    """Where windows begin, (n_entities, n_windows), and whether they are empty. Nobody's row stands in for no row."""

    rows: TimedList
    lo: np.ndarray
    empty: np.ndarray
    now_us: int

    def value(self, asked: Asked) -> Found:
        return self._nullable(self.rows.values[self._position(asked)], asked)

    def age(self, asked: Asked) -> Found:
        return self._nullable((self.now_us - self.rows.time[self._position(asked)]) / 1e6, asked)

    def newest(self, asked: Asked) -> Found:
        hi = self.rows.first[1:]
        lo = np.minimum(np.maximum(self.lo[:, asked.window], hi - asked.length), hi)
        positions, offsets = range_slices(lo, hi)
        if offsets[-1] > np.iinfo(np.int32).max:
            raise DataError(
                f"Feature '{asked.name}' makes {offsets[-1]:,} list items in one batch; ask for fewer rows."
            )
        return Found(self.rows.values[positions], None, offsets)

    def _position(self, asked: Asked) -> np.ndarray:
        is_first = asked.function in {"first", "seconds_since_first"}
        return self.lo[:, asked.window] if is_first else self.rows.first[1:] - 1

    def _nullable(self, values: np.ndarray, asked: Asked) -> Found:
        """Null where the window is empty."""
        empty = self.empty[:, asked.window]
        if not empty.any():
            return Found(values)
        return Found(np.where(empty, np.nan, values) if values.dtype == np.float64 else values, empty)


_FUNCTIONS: dict[str, Callable[[_Windows, Asked], Found]] = {
    "first": _Windows.value,
    "last": _Windows.value,
    "last_n": _Windows.newest,
    "seconds_since_first": _Windows.age,
    "seconds_since_last": _Windows.age,
}
