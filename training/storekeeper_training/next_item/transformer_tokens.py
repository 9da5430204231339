"""Histories as tokens, and the examples that a Transformer learns from.

Token 0 is padding, code c is token c + 1, and one more token stands before every history: so there is a place that an
empty one is read from. Rows are padded in front, so the newest item always stands last.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storekeeper_training.next_item.positions import Positions
from storekeeper_training.next_item.ragged import Numbers, Ragged
from storekeeper_training.next_item.sequences import Sequences

Tokens = npt.NDArray[np.int32]

PADDING = 0

# Windows are sorted by length within pools of so many batches, so that little is padded.
_POOL_BATCHES = 16


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's examples.

    Attributes
    ----------
    tokens
        `(n_rows, n_places) int32`.
    row, place
        `(n_examples,) int32`: from where in `tokens` the next item is predicted.
    target
        `(n_examples,) int32`: its code.
    weight
        `(n_examples,) float32`: 1, or 1 / n where a place has n targets.
    """

    tokens: Tokens
    row: Tokens
    place: Tokens
    target: Tokens
    weight: npt.NDArray[np.float32]


def history_tokens(history: Ragged, n_items: int, length: int) -> Ragged:
    """The last `length` tokens of each row, the start among them where there is room."""
    starts = Ragged(np.full(len(history), n_items + 1, np.int32), np.arange(len(history) + 1))
    return starts.followed_by(Ragged(history.values + np.int32(1), history.offsets)).last(length)


def padded(tokens: Ragged) -> Tokens:
    """Rows of the longest one's length, 2 at least, padded in front: `(n_rows, n_places) int32`."""
    # Of a single place Keras warns that its softmax is always 1.
    width = max(2, int(tokens.lengths.max(initial=0)))
    matrix = np.full((len(tokens), width), PADDING, dtype=np.int32)
    matrix[tokens.rows, width - 1 - tokens.ages] = tokens.values
    return matrix


def length_batches(history: Ragged, size: int) -> Iterator[Numbers]:
    """Rows in parts of at most `size`, those of like length together, so that little is padded."""
    order = np.argsort(history.lengths, kind="stable")
    yield from _parts(order, size)


class TrainingWindows:
    """Windows of the training rows: cut anew each epoch, in random order.

    Parameters
    ----------
    train
        The rows. One longer than `length` is cut in windows at a place that changes from epoch to epoch.
    positions
        `every` place predicts the next item, or only the last one the `targets`.
    length
        The longest window.
    batch_rows
        Windows a batch.
    """

    def __init__(self, train: Sequences, positions: Positions, length: int, batch_rows: int) -> None:
        longest = int(train.history.lengths.max(initial=0)) + 1 if positions == "every" else length
        self._tokens = history_tokens(train.history, len(train.catalogue), longest)
        self._targets, self._every = train.targets, positions == "every"
        self._length, self._batch_rows = length, batch_rows

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """All windows once."""
        offsets = self._cut(rng)
        lengths = np.diff(offsets)
        order = rng.permutation(len(lengths))
        pool = self._batch_rows * _POOL_BATCHES
        chunks = [order[start : start + pool] for start in range(0, len(order), pool)]
        batches = [
            part
            for chunk in chunks
            for part in _parts(chunk[np.argsort(lengths[chunk], kind="stable")], self._batch_rows)
        ]
        for at in rng.permutation(len(batches)):
            batch = self._batch(offsets, batches[at])
            if len(batch.target):
                yield batch

    def _cut(self, rng: np.random.Generator) -> Numbers:
        """Where windows start and the last one ends, in the values of all rows."""
        lengths = self._tokens.lengths
        shifts = np.where(lengths > self._length, rng.integers(0, self._length, len(lengths)), 0)
        rows = self._tokens.rows
        places = np.arange(len(rows)) - self._tokens.offsets[rows]
        parts = (places + shifts[rows]) // self._length
        new = np.flatnonzero((np.diff(rows) != 0) | (np.diff(parts) != 0)) + 1
        return np.concatenate([[0], new, [len(rows)]]).astype(np.int64)

    def _batch(self, offsets: Numbers, windows: Numbers) -> Batch:
        taken = Ragged(self._tokens.values, offsets).take(windows)
        matrix = padded(taken)
        lengths = taken.lengths
        sources = np.arange(len(taken.values)) + np.repeat(offsets[:-1][windows] - taken.offsets[:-1], lengths)
        row, place = taken.rows, matrix.shape[1] - 1 - taken.ages
        of_row = self._tokens.rows[sources]
        last = sources == self._tokens.offsets[1:][of_row] - 1
        ends = self._targets.take(of_row[last])
        shared = np.repeat(1.0 / np.maximum(1, ends.lengths), ends.lengths)
        parts = [(row[last][ends.rows], place[last][ends.rows], ends.values, shared)]
        if self._every:
            inner = ~last
            following = self._tokens.values[sources[inner] + 1] - 1
            parts.append((row[inner], place[inner], following, np.ones(len(following))))
        rows, places, targets, weights = (np.concatenate(values) for values in zip(*parts, strict=True))
        where = rows.astype(np.int32), places.astype(np.int32)
        return Batch(matrix, *where, targets.astype(np.int32), weights.astype(np.float32))


def _parts(order: Numbers, size: int) -> list[Numbers]:
    return [order[start : start + size] for start in range(0, len(order), size)]
