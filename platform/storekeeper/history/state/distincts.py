"""Features read from distinct lists: how many different values a window has seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from storekeeper.history.state.plan import DistinctPlan, oldest_of
from storekeeper.history.state.tiles import Found


@dataclass(frozen=True)
class DistinctValues:
    """The last tile in which each entity had each value.

    Attributes
    ----------
    first
        (n_entities + 1,) int64: entity e owns the rows [first[e], first[e + 1]).
    start
        (n_rows + 1,) int64 microseconds: where the tile starts; the last row is nobody's.
    owner, added
        (k,) int64: entities and starts of further values.
    """

    first: np.ndarray
    start: np.ndarray
    owner: np.ndarray
    added: np.ndarray


def answer_distinct(plan: DistinctPlan, rows: DistinctValues, now_us: int) -> Iterator[tuple[int, Found]]:
    """Pairs (number of a feature, its values)."""
    counts = [_count(rows, oldest) for oldest in oldest_of(plan.windows, now_us).tolist()]
    for asked in plan.asked:
        yield asked.place, Found(counts[asked.window])


def _count(rows: DistinctValues, oldest: int) -> np.ndarray:
    """Values of each entity that were seen in a tile since, (n_entities,) int64."""
    entities = len(rows.first) - 1
    recent = rows.start >= oldest
    recent[-1] = False
    if entities == 1:
        count = np.array([np.count_nonzero(recent)])
    elif not entities:
        return np.zeros(0, np.int64)
    else:
        count = np.add.reduceat(recent.astype(np.int64), rows.first[:-1])
        count[rows.first[:-1] == rows.first[1:]] = 0
    if len(rows.owner):
        count += np.bincount(rows.owner[rows.added >= oldest], minlength=entities)
    return count
