"""What blobs of several entities hold, read section by section when a plan asks for it."""

import numpy as np

from storekeeper.history.state.distincts import DistinctValues
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.lists import TimedList
from storekeeper.history.state.plan import DistinctPlan, ListPlan, TilePlan
from storekeeper.history.state.texts import Texts, texts_of
from storekeeper.history.state.tiles import Tiles
from storekeeper.history.state.unpacked import Unpacked

NOTHING = np.zeros(0, np.int64)


class Stored:
    """State as it was built."""

    def __init__(self, unpacked: Unpacked, layout: StateLayout) -> None:
        self.unpacked, self.layout = unpacked, layout
        self._texts: dict[str, Texts] = {}

    def tiles(self, plan: TilePlan) -> Tiles:
        """Tiles of a plan's series."""
        sections = [section.number for section in plan.sections]
        first = self.unpacked.first(*sections)
        places, words = self.unpacked.places(first, *sections), plan.words.tolist()
        texts = {
            place: self.texts(column)
            for place, (column, partial) in enumerate(plan.pairs, 1)
            if partial in {"min", "max"} and self.layout.kinds[column] == "string"
        }

        def column(place: int) -> np.ndarray:
            ranks = self.unpacked.column(words[place], places)
            return texts[place].places(ranks, first[:: len(sections)]) if place in texts else ranks

        return Tiles(first, column)

    def list(self, plan: ListPlan) -> TimedList:
        """First values of tiles, or a tail."""
        first = self.unpacked.first(plan.number)
        words = self.unpacked.columns(plan.words, plan.number)
        time, values = words[0], words[-1]
        if plan.has_values:
            values = self.kernel_values(plan.column, values, first)
        if not plan.is_first or (words[1, :-1] > 0).all():
            return TimedList(first, time, values)
        # Tiles without a value have no first one.
        kept = self.present(plan)
        return TimedList(np.searchsorted(kept, first), time[kept], values[kept])

    def present(self, plan: ListPlan) -> np.ndarray:
        """Rows of a section that are in its list, and the row that is nobody's."""
        if not plan.is_first:
            return np.arange(self.unpacked.first(plan.number)[-1] + 1)
        counts = self.unpacked.columns(plan.words[1:2], plan.number)[0]
        counts[-1] = 1
        return np.flatnonzero(counts)

    def distinct(self, plan: DistinctPlan) -> DistinctValues:
        """Distinct values of a column."""
        first = self.unpacked.first(plan.number)
        start = self.unpacked.columns(np.array([1]), plan.number)[0]
        return DistinctValues(first, start, NOTHING, NOTHING)

    def kernel_values(self, column: str, words: np.ndarray, first: np.ndarray) -> np.ndarray:
        """A column's words as the values that the kernel compares: floats, or places of texts."""
        kind = self.layout.kinds.get(column)
        if kind == "string":
            return self.texts(column).places(words, first)
        return words.view(np.float64) if kind == "float" else words

    def texts(self, column: str) -> Texts:
        """Texts of a string column."""
        if column not in self._texts:
            self._texts[column] = self.find_texts(column)
        return self._texts[column]

    def find_texts(self, column: str) -> Texts:
        """The same, where they aren't known yet."""
        strings = self.layout.strings
        base = len(self.layout.widths) - len(strings)
        return texts_of(self.unpacked, range(base, base + len(strings)), strings.index(column))
