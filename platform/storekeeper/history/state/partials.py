"""Partial results of tiles: what is kept of the events of one hop, column by column, for all tiles at once."""

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.blocks import split_values
from storekeeper.history.columns import Column
from storekeeper.history.compensated import two_sum

_SAFE_SUM = 2.0**62


def partial_of_tiles(
    partial: str, column: Column | None, time: np.ndarray, begin: np.ndarray, tile: np.ndarray
) -> np.ndarray:
    """One partial of every tile, (n_tiles,)."""
    if not len(begin):
        return np.zeros(0, np.int64)
    valid = np.ones(len(time), bool) if column is None or column.valid is None else column.valid
    n = np.add.reduceat(valid.astype(np.int64), begin)
    if partial == "n":
        return n
    if partial in {"first", "first_time"}:
        position = first_of_tiles(column, len(time), begin)
        found = time[position] if partial == "first_time" or column is None else column.values[position]
        return np.asarray(np.where(n > 0, found, found.dtype.type(0)))
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


def first_of_tiles(column: Column | None, count: int, begin: np.ndarray) -> np.ndarray:
    """Where the first of `count` events with a value stands in every tile, (n_tiles,) int64; else its start."""
    if not len(begin):
        return np.zeros(0, np.int64)
    if column is None or column.valid is None:
        return begin
    position = np.minimum.reduceat(np.where(column.valid, np.arange(count), count), begin)
    return np.where(position < np.append(begin[1:], count), position, begin)


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
