"""Events that came after state was built, as they are put beside it at a read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storekeeper.history.blocks import split_values
from storekeeper.history.state.latest_decode import LatestColumns


@dataclass(frozen=True)
class RecentEvents:
    """Pushed events of some of the entities that are asked about, in any order; each event once.

    Attributes
    ----------
    owner
        (k,) int64: which item of the blobs each event is of.
    events
        Their times, and the values of each aggregated column; `decode_events` makes them.
    """

    owner: np.ndarray
    events: LatestColumns

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True)
class Arrivals:
    """Recent events that can be seen, by entity, event time, knowledge time, and the order in which they came.

    Attributes
    ----------
    owner, time, known
        (k,) int64.
    rows
        (k,) int64: where each stands among the events.
    events
        All events.
    """

    owner: np.ndarray
    time: np.ndarray
    known: np.ndarray
    rows: np.ndarray
    events: LatestColumns

    def __len__(self) -> int:
        return len(self.owner)

    def values(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Values and whether there is one, (k,); ints, bools and times as int64, floats as float64, texts as objects.

        NaN counts as null. An empty column is the event itself, which is always there.
        """
        if not column:
            return np.zeros(len(self), np.int64), np.ones(len(self), bool)
        values = self.events.values[column][self.rows]
        null = self.events.null(column)
        valid = np.ones(len(self), bool) if null is None else ~null[self.rows]
        if values.dtype == np.float64:
            return values, valid & ~np.isnan(values)
        if values.dtype.kind == "M":
            return values.view(np.int64), valid
        return (values.astype(np.int64) if values.dtype == np.bool_ else values), valid


def arrivals(recent: RecentEvents | None, now_us: int) -> Arrivals | None:
    """Events before `now`, known by then (rules 6 and 7); None where there are none."""
    if recent is None or not len(recent):
        return None
    events, owner = recent.events, np.asarray(recent.owner, np.int64)
    rows = np.flatnonzero((events.event_us < now_us) & (events.known_us <= now_us))
    if not len(rows):
        return None
    rows = rows[np.lexsort((events.known_us[rows], events.event_us[rows], owner[rows]))]
    return Arrivals(owner[rows], events.event_us[rows], events.known_us[rows], rows, events)


def tile_words(pairs: Sequence[tuple[str, str]], columns: dict[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Each event as a tile of its own: the partials of a series, (n_pairs, k) int64.

    Parameters
    ----------
    pairs
        (column, partial) each.
    columns
        Values, and whether there is one, per column; see `Arrivals.values`.
    """
    return np.stack([_partial(partial, *columns[column]) for column, partial in pairs])


def _partial(partial: str, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    if partial == "n":
        return valid.astype(np.int64)
    plain = np.where(valid, values, values.dtype.type(0))
    if partial == "float_sum":
        return plain.astype(np.float64).view(np.int64)
    if partial in {"mean", "mean_low"}:
        return split_values(plain)[partial == "mean_low"].view(np.int64)
    return np.zeros(len(plain), np.int64) if partial == "m2" else plain.view(np.int64)
