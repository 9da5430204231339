"""State blobs: sections of 8-byte words, so that many entities decode in a handful of array operations.

A blob is little-endian words: `[version << 32 | layout, built_until, rows of section 0, rows of section 1, ...]`,
then the sections one after another, each `rows x width` words, then bytes padded to a whole word. Version 2 has
further sections after those of version 1, which a blob of version 1 reads as having no rows.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.ranges import range_slices

FORMAT_VERSIONS = (1, 2)
#: Words before the sections' row counts, and bytes of a word.
HEADER_WORDS = 2
WORD = 8


@dataclass(frozen=True)
class Section:
    """A table of words whose rows belong to entities.

    Attributes
    ----------
    rows
        (n_rows, width) int64, grouped by entity; floats are stored as their bits.
    first
        (n_entities + 1,) int64: entity e owns rows[first[e]:first[e + 1]].
    """

    rows: np.ndarray
    first: np.ndarray

    def column(self, position: int) -> np.ndarray:
        """One column as int64."""
        return np.ascontiguousarray(self.rows[:, position])

    def floats(self, position: int) -> np.ndarray:
        """One column as float64."""
        return self.column(position).view(np.float64)


def section(columns: Sequence[np.ndarray], first: np.ndarray) -> Section:
    """A section from (n_rows,) columns of int64 or float64."""
    words = [np.asarray(c).astype(c.dtype if c.dtype == np.float64 else np.int64).view(np.int64) for c in columns]
    return Section(np.column_stack(words) if words else np.zeros((int(first[-1]), 0), np.int64), first)


def pack(
    sections: Sequence[Section],
    layout: int,
    until_us: int,
    tails: Sequence[bytes] | None = None,
    further: Sequence[Section] = (),
) -> list[bytes]:
    """One blob an entity.

    Parameters
    ----------
    sections
        All over the same entities.
    layout
        32-bit fingerprint of what the sections mean.
    until_us
        The instant up to which the state was built, microseconds.
    tails
        Bytes after the sections, one item an entity.
    further
        Sections of format version 2; without any, blobs are of version 1.
    """
    version, sections = 2 if further else 1, [*sections, *further]
    count = len(sections[0].first) - 1
    rows = np.stack([np.diff(part.first) for part in sections], axis=1)
    widths = np.array([part.rows.shape[1] for part in sections])
    header = HEADER_WORDS + len(sections)
    begin = header + np.concatenate([np.zeros((count, 1), np.int64), np.cumsum(rows * widths, axis=1)], axis=1)
    offsets = np.concatenate([[0], np.cumsum(begin[:, -1])])
    words = np.empty(offsets[-1], "<i8")
    words[offsets[:-1]] = (version << 32) | layout
    words[offsets[:-1] + 1] = until_us
    for position, part in enumerate(sections):
        words[offsets[:-1] + HEADER_WORDS + position] = rows[:, position]
        start = offsets[:-1] + begin[:, position]
        target, _ = range_slices(start, start + rows[:, position] * widths[position])
        words[target] = part.rows.ravel()
    buffer, edges = words.tobytes(), (offsets * WORD).tolist()
    blobs = [buffer[low:high] for low, high in itertools.pairwise(edges)]
    return blobs if tails is None else [blob + pad(tail) for blob, tail in zip(blobs, tails, strict=True)]


def pad(tail: bytes) -> bytes:
    """Bytes up to the next whole word."""
    return tail + bytes(-len(tail) % WORD)


def empty_blob(sections: int, layout: int) -> bytes:
    """State of an entity without events: no section has a row. It was built before any instant."""
    words = np.zeros(HEADER_WORDS + sections, "<i8")
    words[:HEADER_WORDS] = (1 << 32) | layout, np.iinfo(np.int64).min
    return words.tobytes()


def refuse_tag(tag: int, versions: Iterable[int]) -> NoReturn:
    """Refuse a blob by its first word: of a version that isn't among those read, or else of another definition."""
    readable = list(versions)
    what = (
        f"format version {tag >> 32} where this release reads {' and '.join(map(str, readable))}"
        if tag >> 32 not in readable
        else "another definition of the feature view"
    )
    raise DataError(f"Online state was written for {what}. Materialise the view again: storekeeper materialize.")
