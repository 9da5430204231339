"""State blobs: sections of 8-byte words, so that many entities decode in a handful of array operations.

A blob is little-endian words: `[version << 32 | layout, built_until, rows of section 0, rows of section 1, ...]`,
then the sections one after another, each `rows x width` words, then bytes padded to a whole word.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.ranges import range_slices

FORMAT_VERSION = 1
_HEADER_WORDS = 2
_WORD = 8


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


def pack(sections: Sequence[Section], layout: int, until_us: int, tails: Sequence[bytes] | None = None) -> list[bytes]:
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
    """
    count = len(sections[0].first) - 1
    rows = np.stack([np.diff(part.first) for part in sections], axis=1)
    widths = np.array([part.rows.shape[1] for part in sections])
    header = _HEADER_WORDS + len(sections)
    begin = header + np.concatenate([np.zeros((count, 1), np.int64), np.cumsum(rows * widths, axis=1)], axis=1)
    offsets = np.concatenate([[0], np.cumsum(begin[:, -1])])
    words = np.empty(offsets[-1], "<i8")
    words[offsets[:-1]] = (FORMAT_VERSION << 32) | layout
    words[offsets[:-1] + 1] = until_us
    for position, part in enumerate(sections):
        words[offsets[:-1] + _HEADER_WORDS + position] = rows[:, position]
        start = offsets[:-1] + begin[:, position]
        target, _ = range_slices(start, start + rows[:, position] * widths[position])
        words[target] = part.rows.ravel()
    buffer, edges = words.tobytes(), (offsets * _WORD).tolist()
    blobs = [buffer[low:high] for low, high in itertools.pairwise(edges)]
    return blobs if tails is None else [blob + pad(tail) for blob, tail in zip(blobs, tails, strict=True)]


def pad(tail: bytes) -> bytes:
    """Bytes up to the next whole word."""
    return tail + bytes(-len(tail) % _WORD)


@dataclass(frozen=True)
class Unpacked:
    """Sections of many blobs laid end to end.

    Attributes
    ----------
    sections
        In the order in which they were packed.
    until_us
        (n_blobs,) int64: up to when each state was built.
    tails
        The bytes after the sections, one item a blob (padding included).
    """

    sections: list[Section]
    until_us: np.ndarray
    tails: list[bytes]


def unpack(blobs: Sequence[bytes], widths: Sequence[int], layout: int) -> Unpacked:
    """Read blobs back.

    Parameters
    ----------
    widths
        Words a row of each section.

    Raises
    ------
    DataError
        If a blob was written by another version or for another definition of the view.
    """
    lengths = np.array([len(blob) // _WORD for blob in blobs], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    words = np.frombuffer(b"".join(blobs), "<i8")
    _check(words[offsets] if len(blobs) else words, layout)
    rows = words[offsets[:, None] + np.arange(_HEADER_WORDS, _HEADER_WORDS + len(widths))]
    start = offsets + _HEADER_WORDS + len(widths)
    sections = []
    for position, width in enumerate(widths):
        end = start + rows[:, position] * width
        source, _ = range_slices(start, end)
        first = np.concatenate([[0], np.cumsum(rows[:, position])])
        sections.append(Section(words[source].reshape(-1, width), first))
        start = end
    used = ((start - offsets) * _WORD).tolist()
    return Unpacked(sections, words[offsets + 1], [blob[end:] for blob, end in zip(blobs, used, strict=True)])


def _check(tags: np.ndarray, layout: int) -> None:
    expected = (FORMAT_VERSION << 32) | layout
    wrong = tags[tags != expected]
    if len(wrong):
        found = int(wrong[0])
        what = (
            f"format version {found >> 32} where this release reads {FORMAT_VERSION}"
            if found >> 32 != FORMAT_VERSION
            else "another definition of the feature view"
        )
        raise DataError(f"Online state was written for {what}. Materialise the view again: storekeeper materialize.")
