"""Histories that stand in the order of their times: who was seen last is found without sorting them."""

from dataclasses import dataclass

import numpy as np

from storekeeper.history.moments import Moments

# A block's events are sorted in the processor's cache; their places fit the low bits of a word.
_BLOCK_BITS = 16
_BLOCK = 1 << _BLOCK_BITS


def is_log(time: np.ndarray, ties: np.ndarray | None) -> bool:
    """Whether events stand in the order of their times, equal ones in that of their ties."""
    if not np.all(time[1:] >= time[:-1]):
        return False
    return ties is None or bool(np.all((time[1:] > time[:-1]) | (ties[1:] >= ties[:-1])))


def latest_in_log(codes: np.ndarray, time: np.ndarray, moments: Moments) -> np.ndarray:
    """Each moment's latest event of its entity at or before it, (n_rows,) int64 positions; -1 for none.

    The log is walked once, block by block. A moment within a block looks for its entity among the block's events
    before it, and else takes the entity's last event of earlier blocks.

    Parameters
    ----------
    codes
        (n_events,) integers: which of the moments' entities each event is about; negative for none.
    time
        (n_events,) int64 microseconds, ascending.
    """
    asking = moments.by_time
    entity = moments.codes[asking]
    seen = np.searchsorted(time, moments.at[asking], side="right")
    found = np.full(len(asking), -1, np.int64)
    walk = _Walk.of(moments.count)
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        first, end = np.searchsorted(seen, (start, start + len(block)))
        if first < end:
            found[first:end] = walk.within(block, start, entity[first:end], seen[first:end])
        walk.last[block] = np.arange(start, start + len(block))
    after = slice(np.searchsorted(seen, len(codes)), None)
    found[after] = walk.last[entity[after]]
    rows = np.empty(len(asking), np.int64)
    rows[asking] = np.where(entity >= 0, found, -1)
    return rows


@dataclass(frozen=True)
class _Walk:
    """What is known of entities on the way through a log; all that have no number count as one more, the last.

    Attributes
    ----------
    last
        (n_entities + 1,) int64: position of each one's last event so far; -1 for none.
    asked
        (n_entities + 1,) bool, all False between blocks.
    """

    last: np.ndarray
    asked: np.ndarray

    @classmethod
    def of(cls, entities: int) -> "_Walk":
        return cls(np.full(entities + 1, -1, np.int64), np.zeros(entities + 1, bool))

    def within(self, block: np.ndarray, start: int, entity: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Latest events of entities before the places `seen`, which lie in the block that starts at `start`."""
        self.asked[entity] = True
        place = np.flatnonzero(self.asked[block])
        self.asked[entity] = False
        # An unasked sentinel before all words: where nothing is found, it is.
        words = np.append(np.int64(-2) << _BLOCK_BITS, (block[place].astype(np.int64) << _BLOCK_BITS) | place)
        words.sort()
        nearest = words[np.searchsorted(words, (entity.astype(np.int64) << _BLOCK_BITS) + (seen - start)) - 1]
        here = nearest >> _BLOCK_BITS == entity
        return np.asarray(np.where(here, start + (nearest & (_BLOCK - 1)), self.last[entity]))
