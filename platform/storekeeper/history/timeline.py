"""Histories sorted once, and the search that finds any row's interval in them."""

from dataclasses import dataclass

import numpy as np

from storekeeper.history.log import is_log
from storekeeper.history.order import order_by_code, stable_order
from storekeeper.history.parallel import gathered

_LARGEST = 2**62


@dataclass(frozen=True)
class Timeline:
    """Events of many entities in the order (entity, event time, knowledge time, position in the source).

    Attributes
    ----------
    order
        (n,) int64: where each event stands in the source table.
    time
        (n,) int64 microseconds: event times in timeline order.
    first
        (n_entities + 1,) int64: entity `c` owns the events [first[c], first[c + 1]).
    axis
        (n,) int64, ordered by (entity, time), or None where entity x time overflows 63 bits.
    origin, span
        The axis is `entity * span + (time - origin)`.
    """

    order: np.ndarray
    time: np.ndarray
    first: np.ndarray
    axis: np.ndarray | None
    origin: int
    span: int

    def search(self, codes: np.ndarray, times: np.ndarray, *, inclusive: bool = False) -> np.ndarray:
        """For each row the end of the entity's events before its time; fastest for rows sorted by (code, time).

        Parameters
        ----------
        codes
            (n_rows,) integers; -1 finds nothing.
        times
            (n_rows,) int64 microseconds.
        inclusive
            Whether events at exactly the row's time count as before it.

        Returns
        -------
        numpy.ndarray
            (n_rows,) int64 positions in the timeline, within [first[code], first[code + 1]].
        """
        if not len(self.time):
            return np.zeros(len(codes), np.int64)
        known = codes >= 0
        every = bool(known.all())
        safe = codes if every else np.where(known, codes, 0)
        if self.axis is not None:
            wanted = np.clip(times, self.origin - 1, self.origin + self.span - 2)
            wanted -= self.origin - (1 if inclusive else 0)
            wanted += safe.astype(np.int64) * self.span
            found = np.searchsorted(self.axis, wanted)
        else:
            found = self._bisect(safe, times, inclusive=inclusive)
        found = np.clip(found, self.first[safe], self.first[1:][safe])
        return found if every else np.where(known, found, 0)

    def start(self, codes: np.ndarray) -> np.ndarray:
        """Position of the first event of each row's entity, (n_rows,) int64; 0 for rows without one."""
        return np.asarray(np.where(codes >= 0, self.first[np.maximum(codes, 0)], 0))

    def _bisect(self, codes: np.ndarray, times: np.ndarray, *, inclusive: bool) -> np.ndarray:
        """One vectorised binary search inside every entity: the path for axes that don't fit 63 bits."""
        low, high = self.first[codes].copy(), self.first[1:][codes].copy()
        last = len(self.time) - 1
        while np.any(low < high):
            middle = (low + high) // 2
            at = self.time[np.minimum(middle, last)]
            before = (at <= times) if inclusive else (at < times)
            open_ = low < high
            low = np.where(open_ & before, middle + 1, low)
            high = np.where(open_ & ~before, middle, high)
        return np.asarray(low)


def sort_history(codes: np.ndarray, time: np.ndarray, known: np.ndarray | None, count: int) -> Timeline:
    """Sort the events whose code is not negative.

    Parameters
    ----------
    codes
        (n_events,) integers: entity codes; negative ones are left out.
    time, known
        (n_events,) int64 microseconds; `known` only breaks ties.
    count
        Number of entities.
    """
    every = not len(codes) or int(codes.min()) >= 0
    rows = None if every else np.flatnonzero(codes >= 0)
    code, at = (codes, time) if rows is None else (gathered(codes, rows), gathered(time, rows))
    ties = known if known is None or rows is None else known[rows]
    first = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=count))]).astype(np.int64)
    origin = int(at.min()) if len(at) else 0
    span = (int(at.max()) - origin + 3) if len(at) else 1
    fits = count * span < _LARGEST
    order = _order(code, at, ties, count, (origin, span) if fits else None)
    sorted_time = at if order is None else gathered(at, order)
    axis = _axis(first, sorted_time, origin, span) if fits else None
    return Timeline(_source_rows(order, rows, len(at)), sorted_time, first, axis, origin, span)


def _source_rows(order: np.ndarray | None, rows: np.ndarray | None, count: int) -> np.ndarray:
    if order is None:
        return np.arange(count) if rows is None else rows
    return order if rows is None else gathered(rows, order)


def _axis(first: np.ndarray, time: np.ndarray, origin: int, span: int) -> np.ndarray:
    """Entity and time as one number; the events are in order, so entities come in runs."""
    axis = np.repeat(np.arange(len(first) - 1) * span - origin, np.diff(first))
    axis += time
    return axis


def _order(
    code: np.ndarray, at: np.ndarray, ties: np.ndarray | None, count: int, axis: tuple[int, int] | None
) -> np.ndarray | None:
    """Order by (code, time, ties, position); None where the events stand in it already."""
    grouped = bool(np.all(code[1:] >= code[:-1]))
    if not grouped and is_log(at, ties):
        return order_by_code(code.astype(np.int32, copy=False), count)
    if axis is None:
        return np.lexsort((at, code) if ties is None else (ties, at, code))
    origin, span = axis
    return _argsort(code.astype(np.int64) * span + (at - origin), ties)


def _argsort(axis: np.ndarray, ties: np.ndarray | None) -> np.ndarray | None:
    """Stable order of an axis; equal places go by `ties`, then by position. None where it is in order."""
    if len(axis) < 2 or np.all(axis[1:] > axis[:-1]):
        return None
    order = stable_order(axis)
    if ties is None:
        return order
    placed = axis[order]
    if np.all(placed[1:] > placed[:-1]):
        return order
    return np.lexsort((ties, axis))
