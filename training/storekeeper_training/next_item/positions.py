"""Which next items of a row teach."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from storekeeper_training.next_item.ragged import Codes, Numbers, Ragged
from storekeeper_training.next_item.sequences import Sequences

Positions = Literal["every", "targets"]
"""`every`: each item of a history is the next one of those before it; right where no two rows overlap, as with one row
a customer or a session. `targets`: only the row's targets; right where a customer has rows at several times, whose
histories overlap."""


def events(train: Sequences, positions: Positions) -> Ragged:
    """What counts as taken, by row: history and targets, or the targets alone."""
    return train.history.followed_by(train.targets) if positions == "every" else train.targets


def lagged_pairs(train: Sequences, positions: Positions, lags: int) -> tuple[Codes, Codes, Numbers, Numbers]:
    """Pairs of an item and one that came up to `lags` places later.

    Returns
    -------
    earlier, later
        `(n_pairs,) int32`, their codes.
    lag
        `(n_pairs,) int64`, 0 where the later one is the very next.
    row
        `(n_pairs,) int64`, ascending within a lag.

    Targets have no order among themselves: each follows the history's end.
    """
    history, targets = train.history, train.targets
    found = [_to_targets(history, targets, lag) for lag in range(lags)]
    if positions == "every":
        found += [_within(history, lag) for lag in range(lags)]
    earlier, later, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    lag_values = np.concatenate([np.full(len(part[0]), at % lags, np.int64) for at, part in enumerate(found)])
    return earlier, later, lag_values, rows


def weighted_history(history: Ragged, n_items: int, decay: float, limit: int | None = None) -> Any:
    """A row's items weighed by `decay ** age`, the last one 1: CSR `(n_rows, n_items) float32`, repeats added up."""
    kept = history if limit is None else history.last(limit)
    weights = np.power(decay, kept.ages, dtype=np.float64).astype(np.float32)
    return count_matrix(kept.rows, kept.values, weights, (len(kept), n_items))


def count_matrix(
    rows: npt.NDArray[np.integer],
    columns: npt.NDArray[np.integer],
    weights: npt.NDArray[np.floating],
    shape: tuple[int, int],
) -> Any:
    """CSR float32 of weights at their places, those of one place added up."""
    matrix = sparse.csr_array((weights.astype(np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _within(history: Ragged, lag: int) -> tuple[Codes, Codes, Numbers]:
    """Pairs inside histories, `lag + 1` places apart."""
    step = lag + 1
    rows = history.rows
    same = rows[step:] == rows[:-step]
    return history.values[:-step][same], history.values[step:][same], rows[step:][same]


def _to_targets(history: Ragged, targets: Ragged, lag: int) -> tuple[Codes, Codes, Numbers]:
    """Each target with the item `lag` places before the history's end."""
    rows = targets.rows
    there = history.lengths[rows] > lag
    rows, later = rows[there], targets.values[there]
    return history.values[history.offsets[1:][rows] - 1 - lag], later, rows
