"""Opening state blobs: many entities' sections in a handful of array operations."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.state.words import FORMAT_VERSIONS, HEADER_WORDS, WORD, Section, refuse_tag

_LAYOUT = 2**32 - 1
_CUT_SHORT = (
    "Online state holds fewer bytes than it says: it was cut short. Materialise the view again: storekeeper "
    "materialize."
)


@dataclass(frozen=True)
class Unpacked:
    """Sections of many blobs, found but not yet copied.

    Attributes
    ----------
    joined
        All blobs, one after another.
    words
        The same as (n_words,) int64.
    widths
        Words a row of each section.
    rows, begin
        (n_blobs, n_sections) int64: how many rows a blob's section has, and the word where they begin.
    until_us
        (n_blobs,) int64: up to when each state was built.
    ends
        (n_blobs,) int64: the word after each blob.
    """

    joined: bytes
    words: np.ndarray
    widths: Sequence[int]
    rows: np.ndarray
    begin: np.ndarray
    until_us: np.ndarray
    ends: np.ndarray

    def first(self, position: int) -> np.ndarray:
        """Where each blob's rows of a section begin among all blobs' rows, (n_blobs + 1,) int64."""
        first = np.zeros(len(self.rows) + 1, np.int64)
        np.cumsum(self.rows[:, position], out=first[1:])
        return first

    def columns(self, position: int, chosen: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Some columns of a section, (n_chosen, n_rows + 1) int64; the last row is nobody's and holds zeros.

        So `numpy.ufunc.reduceat` may begin where the rows end.
        """
        width, count = self.widths[position], int(first[-1])
        if not count:
            return np.zeros((len(chosen), 1), np.int64)
        if len(self.rows) == 1:
            begin = self.begin.item(0, position)
            found = np.zeros((len(chosen), count + 1), np.int64)
            found[:, :-1] = self.words[begin : begin + count * width].reshape(count, width).T[chosen]
            return found
        places = np.repeat(self.begin[:, position] - first[:-1] * width, self.rows[:, position])
        places += np.arange(0, count * width, width)
        found = np.zeros((len(chosen), count + 1), np.int64)
        for row, column in zip(found, chosen.tolist(), strict=True):
            self.words[column:].take(places, out=row[:-1], mode="clip")
        return found

    def section(self, position: int) -> Section:
        """A whole section."""
        first = self.first(position)
        columns = self.columns(position, np.arange(self.widths[position]), first)
        return Section(np.ascontiguousarray(columns[:, :-1].T), first)

    @cached_property
    def tails_begin(self) -> np.ndarray:
        """The byte of `joined` where each blob's own bytes begin, (n_blobs,) int64."""
        return np.asarray((self.begin[:, -1] + self.rows[:, -1] * self.widths[-1]) * WORD)

    @property
    def tails(self) -> list[bytes]:
        """The bytes after the sections, one item a blob (padding included)."""
        edges = zip(self.tails_begin.tolist(), (self.ends * WORD).tolist(), strict=True)
        return [self.joined[low:high] for low, high in edges]


def unpack(blobs: Sequence[bytes], widths: Sequence[int], layout: int, further: Sequence[int] = ()) -> Unpacked:
    """Read blobs back.

    Parameters
    ----------
    widths
        Words a row of each section.
    further
        The same of the sections that only format version 2 has.

    Raises
    ------
    DataError
        If a blob was written by a newer version or for another definition of the view, or it was cut short.
    """
    if len(blobs) == 1:
        return _unpack_one(blobs[0], widths, layout, further)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs)) // WORD
    joined = b"".join(blobs)
    ends = np.cumsum(lengths)
    offsets = ends - lengths
    words = np.frombuffer(joined, "<i8", len(joined) // WORD)
    if not lengths.all():
        raise DataError(_CUT_SHORT)
    version, header = _versions(words[offsets], layout), HEADER_WORDS + len(widths)
    if (lengths < header + (version == 2) * len(further)).any():
        raise DataError(_CUT_SHORT)
    rows = words[offsets[:, None] + np.arange(HEADER_WORDS, header)]
    if further:
        newer = (version == 2)[:, None]
        places = np.where(newer, offsets[:, None] + np.arange(header, header + len(further)), 0)
        rows = np.concatenate([rows, np.where(newer, words[places], 0)], axis=1)
    every = [*widths, *further]
    sizes = rows * every
    begin = np.cumsum(sizes, axis=1)
    begin += (offsets + header + (version == 2) * len(further))[:, None] - sizes
    if (begin[:, -1] + sizes[:, -1] > ends).any():
        raise DataError(_CUT_SHORT)
    return Unpacked(joined, words, every, rows, begin, words[offsets + 1], ends)


def _unpack_one(blob: bytes, widths: Sequence[int], layout: int, further: Sequence[int]) -> Unpacked:
    """The same for one blob, whose few numbers Python counts faster."""
    words = np.frombuffer(blob, "<i8", len(blob) // WORD)
    head = words[: HEADER_WORDS + len(widths) + len(further)].tolist()
    if not head:
        raise DataError(_CUT_SHORT)
    version = head[0] >> 32
    if version not in FORMAT_VERSIONS or head[0] & _LAYOUT != layout:
        refuse_tag(head[0], FORMAT_VERSIONS)
    header = HEADER_WORDS + len(widths) + (len(further) if version == 2 else 0)
    every = [*widths, *further]
    rows = head[HEADER_WORDS:header]
    if len(rows) != header - HEADER_WORDS:
        raise DataError(_CUT_SHORT)
    rows += [0] * (len(every) - len(rows))
    begin = list(itertools.accumulate((r * w for r, w in zip(rows, every, strict=True)), initial=header))
    if begin.pop() > len(words):
        raise DataError(_CUT_SHORT)
    return Unpacked(blob, words, every, np.array([rows]), np.array([begin]), words[1:2], np.array([len(words)]))


def _versions(tags: np.ndarray, layout: int) -> np.ndarray:
    """Format version of each blob, (n_blobs,) int64."""
    known = np.zeros(len(tags), np.int64)
    for version in FORMAT_VERSIONS:
        known[tags == ((version << 32) | layout)] = version
    if not known.all():
        refuse_tag(int(tags[known == 0][0]), FORMAT_VERSIONS)
    return known
