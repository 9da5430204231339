"""The rows that ask, sorted once by entity and time, for every view about the same entities."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from storekeeper.history.columns import require_columns, times_us
from storekeeper.history.keys import EntityIndex
from storekeeper.history.order import stable_order

_LARGEST = 2**62


@dataclass(frozen=True)
class Moments:
    """Who is asked about, and when, in the order (entity, time): searches in a history walk it from end to end.

    Attributes
    ----------
    codes
        (n_rows,) int32 in [0, count): the entity; -1 where there is none.
    at
        (n_rows,) int64 microseconds.
    count
        Number of entities.
    """

    codes: np.ndarray
    at: np.ndarray
    count: int

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def by_time(self) -> np.ndarray:
        """The order that sorts the moments by time alone, (n_rows,) int64."""
        return stable_order(self.at)


@dataclass(frozen=True)
class SortedSpine:
    """A spine's rows as moments.

    Attributes
    ----------
    entities
        The spine's entities, by which the events of a history are numbered.
    moments
        Its rows in order.
    place
        (n_rows,) int64: which of the moments each row of the spine is.
    """

    entities: EntityIndex
    moments: Moments
    place: np.ndarray

    @classmethod
    def of(cls, spine: pa.Table, keys: Sequence[str], time: str) -> "SortedSpine":
        """Sort a spine by its keys and its time.

        Raises
        ------
        DataError
            If a time is null.
        DefinitionError
            If a column is missing.
        """
        require_columns(spine, [*keys, time], "spine")
        entities = EntityIndex.of(spine, keys)
        at = times_us(time, spine.column(time))
        order = _order(entities.codes, at, entities.count)
        place = np.empty(len(at), np.int64)
        place[order] = np.arange(len(at))
        return cls(entities, Moments(entities.codes[order], at[order], entities.count), place)

    def whole(self) -> "Share":
        """All moments as one share."""
        return Share(np.arange(len(self.moments)), self.moments, np.arange(self.moments.count, dtype=np.int32))

    def share(self, first: int, end: int, parts: int) -> "Share":
        """The moments whose entity's code, modulo `parts`, is in [first, end); those without an entity go with 0."""
        part = np.arange(self.moments.count) % parts
        member = (part >= first) & (part < end)
        local = np.where(member, np.cumsum(member) - 1, -1).astype(np.int32)
        where = np.flatnonzero(np.append(member, first == 0)[self.moments.codes])
        codes = np.append(local, np.int32(-1))[self.moments.codes[where]]
        return Share(where, Moments(codes, self.moments.at[where], int(member.sum())), local)


@dataclass(frozen=True)
class Share:
    """The moments of some of a spine's entities, so that their histories can be looked at alone.

    Attributes
    ----------
    where
        (k,) int64: which of all moments these are, ascending.
    moments
        They themselves, their entities numbered anew.
    local
        (n_entities,) int32: each entity's new number; -1 for those of other shares.
    """

    where: np.ndarray
    moments: Moments
    local: np.ndarray


def _order(codes: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    if not len(at):
        return np.zeros(0, np.int64)
    origin, latest = int(at.min()), int(at.max())
    span = latest - origin + 1
    if (count + 1) * span < _LARGEST:
        return stable_order((codes.astype(np.int64) + 1) * span + (at - origin))
    return np.lexsort((at, codes))
