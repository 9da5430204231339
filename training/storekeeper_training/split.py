"""Split by global time: train, then validation, then test, with a gap of one label horizon between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from storekeeper.errors import UsageError
from storekeeper_training.tasks import Shares

Instants = npt.NDArray[np.datetime64]
Rows = npt.NDArray[np.int64]

PARTS = ("train", "validation", "test")
_GRID = 200


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows belong to which part.

    A row of one part has a label that is known before the first row of the next part: no label's window reaches into
    a later part's time.

    Attributes
    ----------
    train, validation, test
        `(n,) int64` positions in the dataset, ascending in time; equal times keep the dataset's order.
    train_end, validation_end
        Instants (UTC). Train is before `train_end`; validation is from `train_end + gap` and before
        `validation_end`; test is from `validation_end + gap`.
    gap
        One label horizon.
    dropped
        How many rows fell into the two gaps.
    """

    train: Rows
    validation: Rows
    test: Rows
    train_end: datetime
    validation_end: datetime
    gap: timedelta
    dropped: int

    @property
    def parts(self) -> Mapping[str, Rows]:
        """The three parts by name, in the order of time."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_by_instants(timestamps: Instants, train_end: datetime, validation_end: datetime, gap: timedelta) -> Split:
    """Split at two instants.

    Parameters
    ----------
    timestamps
        `(n_rows,) datetime64`, UTC, in any order.
    train_end, validation_end
        Ends of the first two parts; naive means UTC.
    gap
        What lies unused after each end: at least the label's horizon.

    Raises
    ------
    UsageError
        If the parts would overlap or one would be empty; the message gives the times at hand.
    """
    first_end, second_end = _utc(train_end), _utc(validation_end)
    if gap <= timedelta(0):
        raise UsageError(f"The gap between the parts must be positive: one label horizon. Received: {gap}.")
    if first_end + gap >= second_end:
        raise UsageError(
            f"The parts would overlap: validation starts at train_end + gap = {first_end + gap}, "
            f"which must be before validation_end = {second_end}."
        )
    times = timestamps.astype("datetime64[us]")
    order = np.argsort(times, kind="stable")
    edges = [_instant(edge) for edge in (first_end, first_end + gap, second_end, second_end + gap)]
    at = np.searchsorted(times[order], np.array(edges), side="left")
    train, _, validation, _, test = np.split(order, at)
    split = Split(
        train, validation, test, first_end, second_end, gap, len(times) - sum(map(len, (train, validation, test)))
    )
    if empty := [name for name, rows in split.parts.items() if not len(rows)]:
        span = f"{times.min()} to {times.max()}" if len(times) else "no rows"
        raise UsageError(
            f"No rows for {', '.join(empty)}: train ends {first_end}, validation ends {second_end}, gap {gap}, "
            f"and the dataset spans {span}. Choose other boundaries, or build a longer dataset."
        )
    return split


def split_by_fractions(timestamps: Instants, gap: timedelta, train: float = 0.7, validation: float = 0.15) -> Split:
    """Split so that about these shares of the rows come before each boundary; the rest is the test.

    Rows of one instant are never parted.

    Raises
    ------
    UsageError
        If the shares leave nothing for a part, or a part would be empty once the gaps are taken out.
    """
    if not (0 < train < 1 and 0 < validation < 1 and train + validation < 1):
        raise UsageError(
            f"train and validation must be positive and leave a share for the test. "
            f"Received: train={train}, validation={validation}."
        )
    if not len(timestamps):
        raise UsageError("There are no rows to split.")
    times = np.sort(timestamps.astype("datetime64[us]"))
    ends = [times[min(int(share * len(times)), len(times) - 1)] for share in (train, train + validation)]
    first, second = (end.astype(datetime).replace(tzinfo=UTC) for end in ends)
    return split_by_instants(timestamps, first, second, gap)


def split_by_kept_shares(timestamps: Instants, gap: timedelta, train: float, validation: float) -> Split:
    """Split so that the parts have about these shares of the rows that are left once the gaps are taken out.

    For horizons that are long beside the log, where `split_by_fractions` would leave nothing for a part. The boundaries
    are instants of rows, looked for on a grid of two hundred quantiles each.

    Raises
    ------
    UsageError
        If the shares leave nothing for a part, or the log is too short for two gaps and three parts.
    """
    shares = Shares(train, validation, "kept")
    times = np.sort(timestamps.astype("datetime64[us]"))
    edges = np.unique(times[np.linspace(0, len(times) - 1, _GRID).astype(np.int64)]) if len(times) else times
    width = np.timedelta64(gap)
    before = np.searchsorted(times, edges)
    after = np.searchsorted(times, edges + width)
    rows_train, rows_test = before[:, None], len(times) - after[None, :]
    rows_validation = before[None, :] - after[:, None]
    kept = rows_train + rows_validation + rows_test
    miss = abs(rows_train - shares.train * kept) + abs(rows_validation - shares.validation * kept)
    possible = (rows_train > 0) & (rows_validation > 0) & (rows_test > 0)
    if not possible.any():
        span = f"{times.min()} to {times.max()}" if len(times) else "no rows"
        raise UsageError(
            f"Three parts with two gaps of {gap.total_seconds() / 86_400:g} days between them don't fit into the "
            f"dataset, which spans {span}. "
            f"Build a longer dataset, or shorten the task's horizon."
        )
    first, second = np.unravel_index(np.argmin(np.where(possible, miss / np.maximum(kept, 1), np.inf)), miss.shape)
    ends = [edges[at].astype(datetime).replace(tzinfo=UTC) for at in (first, second)]
    return split_by_instants(timestamps, ends[0], ends[1], gap)


def split_by_shares(timestamps: Instants, gap: timedelta, shares: Shares) -> Split:
    """Split as a task's `shares` say; see `split_by_fractions` and `split_by_kept_shares`."""
    way = split_by_fractions if shares.of == "all" else split_by_kept_shares
    return way(timestamps, gap, shares.train, shares.validation)


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _instant(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "us")
