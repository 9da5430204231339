"""The two layers of a view's state: how rows get into them, and how they are put together at a read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.history.state import LatestLayout, decode_latest, row_times
from storekeeper.history.state.latest import LatestRows
from storekeeper.online.backends import Asked, Found, PushedRow, StateRow

# Bytes of the shortest row there is, in any format: its tag, its times, its null bits and one feature.
_SHORTEST = 40


@dataclass(frozen=True)
class Question:
    """What is asked of a view's state for rows of keys; several views' may be asked in one go.

    Attributes
    ----------
    asked
        The keys that have no null.
    places
        For each of them, its row.
    rows
        How many rows there are.
    """

    asked: Asked
    places: list[int]
    rows: int

    def state(self, found: Found) -> list[bytes | None]:
        """A blob a row; None where the key has a null, or no state."""
        if len(self.places) == self.rows:
            return found.state
        blobs: list[bytes | None] = [None] * self.rows
        for place, blob in zip(self.places, found.state, strict=True):
            blobs[place] = blob
        return blobs

    def owners(self, found: Found) -> list[int]:
        """The row of each pushed row's key."""
        return found.owners if len(self.places) == self.rows else [self.places[owner] for owner in found.owners]


@dataclass(frozen=True)
class EncodedRows:
    """Rows on their way into a backend.

    Attributes
    ----------
    keys
        Encoded entity keys; a null one is an error when the rows are written.
    event_us, known_us
        (n_rows,) int64.
    blobs
        One a row.
    """

    keys: Sequence[bytes | None]
    event_us: np.ndarray
    known_us: np.ndarray
    blobs: Sequence[bytes]

    def in_key_order(self) -> Iterator[StateRow]:
        """As state, in key order, which is how backends write fastest."""
        events, knowns = self.event_us.tolist(), self.known_us.tolist()
        order = sorted((key, row) for row, key in enumerate(self._without_null()))
        return (StateRow(key, events[row], knowns[row], self.blobs[row]) for key, row in order)

    def pushed(self, slots: Sequence[bytes]) -> list[PushedRow]:
        """As pushed rows, in slots that are their events' ids."""
        times = self.event_us.tolist(), self.known_us.tolist()
        return list(map(PushedRow, self._without_null(), slots, *times, self.blobs))

    def _without_null(self) -> list[bytes]:
        keys = [key for key in self.keys if key is not None]
        if len(keys) != len(self.keys):
            raise DataError("An entity with a null join key reached the online store.")
        return keys


def unreadable(pushed: Sequence[PushedRow], layout: LatestLayout) -> list[PushedRow]:
    """Those rows of a latest-value view that were pushed for another definition of it."""
    if _is_readable(pushed, layout):
        return []
    return [row for row in pushed if not _is_readable([row], layout)]


def _is_readable(pushed: Sequence[PushedRow], layout: LatestLayout) -> bool:
    try:
        decode_latest([row.value for row in pushed], layout)
    except DataError:
        return False
    return True


def seen_by(now_us: int, owners: Sequence[int], pushed: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
    """Pushed rows of a latest-value view, and whose they are, that happened and were known by now.

    Those that were cut short are among them: decoding says so.
    """
    seen = [place for place, blob in enumerate(pushed) if len(blob) < _SHORTEST or max(row_times(blob)) <= now_us]
    return [owners[place] for place in seen], [pushed[place] for place in seen]


def newer(rows: LatestRows, has_state: Sequence[bool], owners: Sequence[int]) -> LatestRows:
    """The newer row of each entity by event time, then knowledge time; a pushed one wins a tie.

    Parameters
    ----------
    rows
        Decoded: first one an entity, its state, then the pushed rows.
    has_state
        Whether an entity has state at all.
    owners
        For each pushed row the number of its entity.
    """
    count, times = len(has_state), list(zip(rows.event_time.tolist(), rows.known_time.tolist(), strict=True))
    chosen = [place if there else None for place, there in enumerate(has_state)]
    for place, owner in enumerate(owners, start=count):
        best = chosen[owner]
        if best is None or times[best] <= times[place]:
            chosen[owner] = place
    # An entity without any row keeps its place, which says so.
    taken = np.array([own if best is None else best for own, best in enumerate(chosen)], np.int64)
    features = rows.features.take(pa.array(taken))
    return LatestRows(rows.event_time[taken], rows.known_time[taken], rows.seen[taken], features)
