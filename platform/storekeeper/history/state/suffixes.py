"""Windows that all end at `now`: suffixes of an entity's rows, one inside the other, answered for all of them at once.

The longest window's start and those of the shorter ones cut an entity's rows into segments. Each segment is reduced
once, and a window is the segments from its start on, put together: nothing is added twice, nothing is subtracted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from storekeeper.history.blocks import Spread
from storekeeper.history.compensated import two_sum


def suffix_starts(time: np.ndarray, first: np.ndarray, oldest: np.ndarray) -> np.ndarray:
    """Where each window of each entity begins, (n_entities, n_windows) int64.

    Parameters
    ----------
    time
        (n_rows,) int64 microseconds, ascending within an entity.
    first
        (n_entities + 1,) int64: entity e owns the rows [first[e], first[e + 1]).
    oldest
        (n_windows,) or (n_entities, n_windows) int64: the windows' starts, microseconds.
    """
    if len(first) == 2:
        return np.asarray(time.searchsorted(oldest)).reshape(1, -1)
    low = np.repeat(first[:-1, None], oldest.shape[-1], axis=1)
    if not len(time):
        return low
    high = first[1:, None]
    # By steps of halving powers of two: row low - 1 is before the window, or low is the entity's first.
    for level in reversed(range(int((first[1:] - first[:-1]).max()).bit_length())):
        reached = low + (1 << level)
        is_before = time.take(reached - 1, mode="clip") < oldest
        is_before &= reached <= high
        np.copyto(low, reached, where=is_before)
    return low


@dataclass(frozen=True)
class Suffixes:
    """Windows of entities over rows.

    Attributes
    ----------
    lo
        (n_entities, n_windows) int64: where each window begins, the longest window first.
    hi
        (n_entities,) int64: where the entity's rows end.
    """

    lo: np.ndarray
    hi: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Entities, and segments of each: one a window, and what is older than the next entity's windows."""
        return len(self.hi), self.lo.shape[1] + 1

    @cached_property
    def edges(self) -> np.ndarray:
        """Ends of segments, entity by entity: (n_entities * (n_windows + 1),) int64, ascending."""
        edges = np.empty(self.shape, np.int64)
        edges[:, :-1], edges[:, -1] = self.lo, self.hi
        return edges.ravel()

    @cached_property
    def hollow(self) -> np.ndarray | None:
        """(n_windows, 1, n_entities) bool: segments without a row; None where all have one."""
        ends = np.ascontiguousarray(self.edges.reshape(self.shape).T)
        hollow = ends[:-1] == ends[1:]
        return hollow[:, None] if hollow.any() else None

    def segments(self, columns: Iterable[np.ndarray], reduce: np.ufunc, identity: float) -> np.ndarray:
        """Reduce each segment of columns of one dtype, (n_rows + 1,) each, whose last row is nobody's.

        Returns
        -------
        numpy.ndarray
            (n_windows, n_columns, n_entities): NumPy is fast along the last axis, which is the long one.
        """
        reduced = np.array([reduce.reduceat(column, self.edges) for column in columns])
        found = reduced.reshape(len(reduced), *self.shape)[:, :, :-1].transpose(2, 0, 1).copy()
        if self.hollow is not None:
            np.copyto(found, identity, where=self.hollow)
        return np.asarray(found)

    def totals(self, columns: Iterable[np.ndarray], reduce: np.ufunc, identity: float) -> np.ndarray:
        """Reduce each window; parameters and shapes as of `segments`."""
        found = self.segments(columns, reduce, identity)
        for window in range(len(found) - 2, -1, -1):
            reduce(found[window + 1], found[window], out=found[window])
        return found

    def spreads(self, tiles: Spread) -> Spread:
        """Merge tiles' spreads (Chan, Golub and LeVeque, "Updating formulae", 1979) window by window.

        Each part of `tiles` is (n_columns, n_rows + 1), of the result (n_windows, n_columns, n_entities).
        """
        segments = self._spreads_of_segments(tiles)
        windows = [segments[window] for window in range(len(segments))]
        for window in range(len(windows) - 2, -1, -1):
            windows[window] = windows[window + 1].merge(windows[window])
        parts = ("count", "mean", "mean_low", "squares")
        return Spread(*(np.stack([getattr(window, part) for window in windows]) for part in parts))

    def _spreads_of_segments(self, tiles: Spread) -> list[Spread]:
        """One item a window's segment."""
        lengths = np.diff(np.append(self.edges, tiles.count.shape[1]))
        row = np.repeat(np.arange(len(self.edges)), lengths)
        begin = self.edges[0] if len(self.edges) else 0
        seen = Spread(*(part[:, begin:] for part in (tiles.count, tiles.mean, tiles.mean_low, tiles.squares)))

        def total(values: np.ndarray) -> np.ndarray:
            found = np.zeros((len(values), len(self.edges)))
            filled = lengths > 0
            found[:, filled] = np.add.reduceat(values, (self.edges - begin)[filled], axis=1)
            return found

        count = total(seen.count)
        size = np.maximum(count, 1)
        # About a centre near the means, which may be large, so that their low parts count.
        centre = total(seen.count * seen.mean) / size
        distance = (seen.mean - centre[:, row]) + seen.mean_low
        middle = total(seen.count * distance) / size
        squares = total(seen.squares + seen.count * (distance - middle[:, row]) ** 2)
        mean, low = two_sum(centre, middle)
        whole = [part.reshape(len(count), *self.shape) for part in (count, mean, low, squares)]
        return [Spread(*(part[:, :, window] for part in whole)) for window in range(self.lo.shape[1])]
