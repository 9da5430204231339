"""One state blob opened: its words as Python's numbers, section by section."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from storekeeper.errors import DataError
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.unpacked import CUT_SHORT, read_head, refuse_future
from storekeeper.history.state.words import WORD

#: A value as the kernel has it: int (bools and times too), float or str; None where null.
Value = Any


class Opened(NamedTuple):
    """One entity's state.

    Attributes
    ----------
    layout
        What the blob looks like.
    blob
        Its bytes.
    ints, floats
        Its words, as either.
    rows
        How many rows each section has.
    begin
        The word where each section begins, and where the last one ends.
    """

    layout: StateLayout
    blob: bytes
    ints: "memoryview[int]"
    floats: "memoryview[float]"
    rows: Sequence[int]
    begin: Sequence[int]

    def numbers(self, section: int, word: int) -> list[int]:
        """One word of each row of a section."""
        width, begin = self.layout.every_width[section], self.begin[section]
        return self.ints[begin + word : begin + self.rows[section] * width : width].tolist()

    def values(self, column: str, section: int, word: int) -> list[Value]:
        """The same of words that hold values of a column."""
        kind = self.layout.kinds.get(column)
        if kind == "float":
            width, begin = self.layout.every_width[section], self.begin[section]
            return self.floats[begin + word : begin + self.rows[section] * width : width].tolist()
        numbers = self.numbers(section, word)
        return self.texts(column, numbers) if kind == "string" else numbers

    def texts(self, column: str, ranks: Sequence[int]) -> list[Value]:
        """Texts of a string column by their ranks; where a null has taken a rank's place, any text or none."""
        strings = self.layout.strings
        base, place = len(self.layout.widths) - len(strings), strings.index(column)
        lengths = [self.numbers(section, 0) for section in range(base, base + place + 1)]
        used = self.begin[-1] * WORD + sum(map(sum, lengths[:-1]))
        edges = list(itertools.accumulate(lengths[-1], initial=used))
        edges.append(edges[-1])
        return [self.blob[edges[rank] : edges[rank + 1]].decode() for rank in ranks]


def open_blob(blob: bytes, layout: StateLayout, now_us: int) -> Opened:
    """Open a blob.

    Raises
    ------
    DataError
        As of `unpack`; or if state was built later than now.
    """
    if len(blob) % WORD:
        raise DataError(CUT_SHORT)
    view = memoryview(blob)
    ints = view.cast("q")
    rows, begin = read_head(ints, layout.widths, layout.known_widths, layout.fingerprint)
    refuse_future(ints[1], now_us)
    return Opened(layout, blob, ints, view.cast("d"), rows, begin)
