"""What next-item models read: a history and the next items, a row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from storekeeper.errors import DataError
from storekeeper_training.next_item.catalogue import UNKNOWN, Catalogue
from storekeeper_training.next_item.lists import ListColumn, flatten
from storekeeper_training.next_item.ragged import Numbers, Ragged, offsets_of

# As many as the feature service `next_item` gives.
HISTORY_LENGTH = 50

Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Rows to learn from or to rank for, in codes of one catalogue.

    Attributes
    ----------
    catalogue
        The items that are ranked.
    history
        What each row's customer took before, oldest first. Items outside the catalogue are left out.
    targets
        What came next, each item once, in the order of codes: one for leave-one-out, several for a basket, none where
        rows are only to be scored. Items outside the catalogue are left out.
    missed
        `(n_rows,) int64`: how many targets lie outside the catalogue. They count as misses.
    unknown
        How many items of the histories lie outside the catalogue.
    repeats
        Whether an item of the history may come next. Where it may not, ranks leave the history's items out.
    times
        `(n_rows,) datetime64`: when a row's history ends; None where that isn't known.
    context
        Other inputs by name, `(n_rows, ...)` each.
    """

    catalogue: Catalogue
    history: Ragged
    targets: Ragged
    missed: Numbers
    unknown: int = 0
    repeats: bool = True
    times: Times | None = None
    context: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = {"history": len(self.history), "targets": len(self.targets), "missed": len(self.missed)}
        counts |= {} if self.times is None else {"times": len(self.times)}
        counts |= {name: len(values) for name, values in self.context.items()}
        if len(set(counts.values())) > 1:
            raise DataError(f"All parts of the sequences must have the same number of rows. They have: {counts}.")

    def __len__(self) -> int:
        return len(self.history)

    @property
    def n_targets(self) -> Numbers:
        """Targets a row, those outside the catalogue counted: `(n_rows,) int64`."""
        return self.targets.lengths + self.missed

    def take(self, rows: Numbers) -> "Sequences":
        """These rows, in this order. `unknown` stays that of all rows."""
        return replace(
            self,
            history=self.history.take(rows),
            targets=self.targets.take(rows),
            missed=self.missed[rows],
            times=None if self.times is None else self.times[rows],
            context={name: values[rows] for name, values in self.context.items()},
        )

    def sample(self, limit: int, seed: int) -> "Sequences":
        """At most `limit` rows, drawn without replacement, in their order."""
        if len(self) <= limit:
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), limit, replace=False)))

    def batches(self, size: int) -> Iterator[tuple[slice, "Sequences"]]:
        """The rows in parts of at most `size`, in order, each with its place."""
        for start in range(0, len(self), size):
            place = slice(start, min(start + size, len(self)))
            yield place, self.take(np.arange(place.start, place.stop))


def build_sequences(
    catalogue: Catalogue,
    histories: ListColumn,
    targets: ListColumn | None = None,
    *,
    limit: int | None = HISTORY_LENGTH,
    repeats: bool = True,
    times: Times | None = None,
    context: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Sequences:
    """Sequences of list columns, such as `last_products` and a label of the next basket.

    Parameters
    ----------
    histories, targets
        A list of item ids a row; a null list is an empty one. Histories run from the oldest to the newest. Without
        targets the rows can only be scored.
    limit
        How many items of a history are kept, the newest ones, counted before unknown ones are left out: as many as
        serving has. None keeps all.

    Raises
    ------
    DataError
        If a column is no list of whole numbers, or the columns differ in length.

    Examples
    --------
    >>> shelf = Catalogue(np.array([10, 20, 30], np.int64))
    >>> rows = build_sequences(shelf, [[10, 99, 20], None], [[30], [77, 10]])
    >>> rows.history.as_lists(), rows.targets.as_lists(), rows.missed.tolist(), rows.unknown
    ([[0, 1], []], [[2], [0]], [0, 1], 1)
    """
    before = _encode(catalogue, histories, "histories")
    before = before if limit is None else before.last(limit)
    known = before.values != UNKNOWN
    after = Ragged(np.empty(0, np.int32), np.zeros(len(before) + 1, np.int64))
    missed = np.zeros(len(before), np.int64)
    if targets is not None:
        after, missed = _encode_targets(catalogue, targets)
    return Sequences(
        catalogue, before.keep(known), after, missed, int((~known).sum()), repeats, times, dict(context or {})
    )


def _encode(catalogue: Catalogue, column: ListColumn, name: str) -> Ragged:
    items, offsets = flatten(column, name)
    return Ragged(catalogue.encode(items), offsets)


def _encode_targets(catalogue: Catalogue, column: ListColumn) -> tuple[Ragged, Numbers]:
    """Each row's set of targets in the catalogue, and how many others it has."""
    items, offsets = flatten(column, "targets")
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    distinct = np.unique(np.stack([rows, items]), axis=1)
    codes, rows = catalogue.encode(distinct[1]), distinct[0]
    known = codes != UNKNOWN
    n_rows = len(offsets) - 1
    missed = np.bincount(rows[~known], minlength=n_rows)
    return Ragged(codes[known], offsets_of(np.bincount(rows[known], minlength=n_rows))), missed
