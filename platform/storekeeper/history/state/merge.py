"""State and recent events put together: tiles beside tiles, list items where they belong, distinct values once."""

from collections.abc import Sequence

import numpy as np

from storekeeper.history.state.distincts import DistinctValues
from storekeeper.history.state.lists import TimedList
from storekeeper.history.state.tiles import Tiles


def place_after(first: np.ndarray, owner: np.ndarray, keys: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Where new rows go among those of their entities: after all whose keys are not greater; (k,) int64.

    Parameters
    ----------
    first
        (n_entities + 1,) int64: entity e owns the rows [first[e], first[e + 1]), ascending in the keys.
    owner
        (k,) int64: the entity of each new row.
    keys
        Per key its values of the rows there are, (n_rows,), and of the new ones, (k,); the first counts most.
    """
    low, high = np.asarray(first[owner]), first[owner + 1]
    if not first[-1]:
        return low
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        at = np.minimum(middle, first[-1] - 1)
        open_ = middle < high
        before = open_ & _at_most([(old[at], new) for old, new in keys])
        low, high = np.where(before, middle + 1, low), np.where(before | ~open_, high, middle)
    return low


def _at_most(keys: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Whether old keys are lexically at most the new ones."""
    (old, new), *rest = keys
    return np.asarray((old < new) | ((old == new) & _at_most(rest)) if rest else old <= new)


def _order(places: np.ndarray, count: int) -> np.ndarray:
    """Rows 0..count-1 and new ones, numbered on from count, each before the row at its place."""
    return np.insert(np.arange(count), places, count + np.arange(len(places)))


def _grown(first: np.ndarray, owner: np.ndarray) -> np.ndarray:
    grown = first.copy()
    grown[1:] += np.cumsum(np.bincount(owner, minlength=len(first) - 1))
    return grown


def merge_tiles(tiles: Tiles, words: np.ndarray, owner: np.ndarray) -> Tiles:
    """Put new tiles, (1 + n_pairs, k), beside those of the same start; they come ascending in (owner, start)."""
    places = place_after(tiles.first, owner, [(tiles.column(0), words[0])])
    order = np.append(_order(places, int(tiles.first[-1])), -1)

    def column(place: int) -> np.ndarray:
        old = tiles.column(place)
        return np.asarray(np.concatenate([old[:-1], words[place], old[-1:]])[order])

    return Tiles(_grown(tiles.first, owner), column)


def merge_lists(
    rows: TimedList, known: np.ndarray, added: TimedList, added_known: np.ndarray, owner: np.ndarray
) -> TimedList:
    """Put new events where they belong by (time, knowledge time), and after those that are their equals (rule 4).

    Parameters
    ----------
    known
        (n_rows,) int64: when each event of `rows` was known.
    added
        New events ascending in (owner, time, known), without a row that is nobody's.
    """
    count = int(rows.first[-1])
    places = place_after(rows.first, owner, [(rows.time, added.time), (known, added_known)])
    order = np.append(_order(places, count), -1)
    both = [
        np.concatenate([old[:-1], new, old[-1:]]) for old, new in [(rows.time, added.time), (rows.values, added.values)]
    ]
    return TimedList(_grown(rows.first, owner), both[0][order], both[1][order])


def merge_distinct(
    first: np.ndarray, values: np.ndarray, start: np.ndarray, owner: np.ndarray, added: np.ndarray, tiles: np.ndarray
) -> DistinctValues:
    """Values of new events beside those that there are: each counts once, in the last of its tiles.

    Parameters
    ----------
    values, start
        (n_rows + 1,): values, ascending within an entity, and their tiles' starts.
    owner, added, tiles
        (k,): entity, value and tile's start of each new event.
    """
    order = np.lexsort((tiles, added, owner))
    owner, added, tiles = owner[order], added[order], tiles[order]
    last = np.ones(len(order), bool)
    last[:-1] = (owner[1:] != owner[:-1]) | (added[1:] != added[:-1])
    owner, added, tiles = owner[last], added[last], tiles[last]
    place = place_after(first, owner, [(values, added)]) - 1
    known = (place >= first[owner]) & (values[place] == added)
    start = start.copy()
    start[place[known]] = np.maximum(start[place[known]], tiles[known])
    return DistinctValues(first, start, owner[~known], tiles[~known])
