"""Opening state blobs: many entities' sections in a handful of array operations."""

import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.state.words import FORMAT_VERSIONS, HEADER_WORDS, WORD, Section, refuse_tag

_LAYOUT = 2**32 - 1
CUT_SHORT = (
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

    def first(self, *sections: int) -> np.ndarray:
        """Where rows of sections begin among all blobs' rows, blob by blob: (n_blobs * n_sections + 1,) int64."""
        rows = self.rows.take(sections, axis=1)
        first = np.zeros(rows.size + 1, np.int64)
        np.cumsum(rows, out=first[1:])
        return first

    def places(self, first: np.ndarray, *sections: int) -> np.ndarray:
        """The word where each row of sections of one width begins, (n_rows,) int64; rows lie as `first` says."""
        width = self.widths[sections[0]]
        begin, rows = (each.take(sections, axis=1).ravel() for each in (self.begin, self.rows))
        places = np.repeat(begin - first[:-1] * width, rows)
        places += np.arange(0, len(places) * width, width)
        return places

    def column(self, word: int, places: np.ndarray) -> np.ndarray:
        """One word of each row, (n_rows + 1,) int64; the last row is nobody's and holds zero.

        So `numpy.ufunc.reduceat` may begin where the rows end.
        """
        found = np.empty(len(places) + 1, np.int64)
        found[-1] = 0
        if len(places):
            self.words[word:].take(places, out=found[:-1], mode="clip")
        return found

    def columns(self, chosen: np.ndarray, section: int) -> np.ndarray:
        """Some columns of a section, (n_chosen, n_rows + 1) int64."""
        places = self.places(self.first(section), section)
        return np.stack([self.column(word, places) for word in chosen.tolist()])

    def section(self, position: int) -> Section:
        """A whole section."""
        columns = self.columns(np.arange(self.widths[position]), position)
        return Section(np.ascontiguousarray(columns[:, :-1].T), self.first(position))

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
        raise DataError(CUT_SHORT)
    is_newer, header = _is_newer(words[offsets], layout), HEADER_WORDS + len(widths)
    headers = header + is_newer * len(further)
    if (lengths < headers).any():
        raise DataError(CUT_SHORT)
    rows = words[offsets[:, None] + np.arange(HEADER_WORDS, header)]
    if further:
        newer = is_newer[:, None]
        places = np.where(newer, offsets[:, None] + np.arange(header, header + len(further)), 0)
        rows = np.concatenate([rows, np.where(newer, words[places], 0)], axis=1)
    every = [*widths, *further]
    sizes = rows * every
    begin = np.cumsum(sizes, axis=1)
    begin += (offsets + headers)[:, None] - sizes
    if (begin[:, -1] + sizes[:, -1] > ends).any():
        raise DataError(CUT_SHORT)
    return Unpacked(joined, words, every, rows, begin, words[offsets + 1], ends)


def _unpack_one(blob: bytes, widths: Sequence[int], layout: int, further: Sequence[int]) -> Unpacked:
    """The same for one blob, whose few numbers Python counts faster."""
    words, every = np.frombuffer(blob, "<i8", len(blob) // WORD), [*widths, *further]
    rows, begin = read_head(words, widths, further, layout)
    return Unpacked(blob, words, every, np.array([rows]), np.array([begin[:-1]]), words[1:2], np.array([len(words)]))


def read_head(
    words: np.ndarray | memoryview, widths: Sequence[int], further: Sequence[int], layout: int
) -> tuple[list[int], list[int]]:
    """What a blob's first words say; parameters and errors as of `unpack`.

    Returns
    -------
    rows : list of int
        How many rows each section has.
    begin : list of int
        The word where each section begins, and where the last one ends.
    """
    header = HEADER_WORDS + len(widths)
    head = words[: header + len(further)].tolist()
    if not head:
        raise DataError(CUT_SHORT)
    version = head[0] >> 32
    if version not in FORMAT_VERSIONS or head[0] & _LAYOUT != layout:
        refuse_tag(head[0], FORMAT_VERSIONS)
    if version == 1:
        rows = head[HEADER_WORDS:header] + [0] * len(further)
    else:
        header += len(further)
        rows = head[HEADER_WORDS:]
    begin = list(itertools.accumulate(map(operator.mul, rows, [*widths, *further]), initial=header))
    if len(head) < header or begin[-1] > len(words):
        raise DataError(CUT_SHORT)
    return rows, begin


def refuse_future(built_us: int, now_us: int) -> None:
    """Refuse state that was built later than now."""
    if built_us > now_us:
        raise DataError(
            "Online state was built for a later time than the clock shows now. Set the clock to the time of the "
            "materialisation or later, or materialise again."
        )


def _is_newer(tags: np.ndarray, layout: int) -> np.ndarray:
    """Which blobs are of format version 2, not 1; (n_blobs,) bool."""
    is_newer = tags == ((2 << 32) | layout)
    is_known = is_newer | (tags == ((1 << 32) | layout))
    if not is_known.all():
        refuse_tag(int(tags[~is_known][0]), FORMAT_VERSIONS)
    return np.asarray(is_newer)
