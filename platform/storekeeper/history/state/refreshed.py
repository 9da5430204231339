"""State with recent events put beside what blobs hold."""

import numpy as np

from storekeeper.history.state.build import ALL_HISTORY
from storekeeper.history.state.distincts import DistinctValues
from storekeeper.history.state.layout import StateLayout
from storekeeper.history.state.lists import TimedList
from storekeeper.history.state.merge import merge_distinct, merge_lists, merge_tiles
from storekeeper.history.state.plan import DistinctPlan, ListPlan, TilePlan
from storekeeper.history.state.recent import Arrivals, tile_words
from storekeeper.history.state.stored import NOTHING, Stored
from storekeeper.history.state.texts import Texts
from storekeeper.history.state.tiles import Tiles
from storekeeper.history.state.unpacked import Unpacked


class Refreshed(Stored):
    """State as if it had been built with the recent events, too."""

    def __init__(self, unpacked: Unpacked, layout: StateLayout, recent: Arrivals) -> None:
        super().__init__(unpacked, layout)
        self._recent = recent
        self._places: dict[str, np.ndarray] = {}

    def tiles(self, plan: TilePlan) -> Tiles:
        """Tiles of a plan's series, and each recent event as a tile of its own in each of them."""
        tiles, compared = super().tiles(plan), {column for column, partial in plan.pairs if partial in {"min", "max"}}
        columns = {column: self._arrived(column, column in compared) for column, _ in plan.pairs}
        count = len(plan.sections)
        owner = (self._recent.owner[:, None] * count + np.arange(count)).ravel()
        start = np.stack([self._starts(section.hop_us) for section in plan.sections], axis=1).ravel()
        words = np.vstack([start, np.repeat(tile_words(plan.pairs, columns), count, axis=1)])
        order = np.argsort(owner, kind="stable")
        return merge_tiles(tiles, words[:, order], owner[order])

    def list(self, plan: ListPlan) -> TimedList:
        """First values of tiles, or a tail, and all recent events among them."""
        rows, recent = super().list(plan), self._recent
        values, valid = self._arrived(plan.column, plan.has_values)
        values = values if plan.has_values else recent.time
        added = TimedList(NOTHING, recent.time[valid], values[valid])
        return merge_lists(rows, self._known(plan, rows), added, recent.known[valid], recent.owner[valid])

    def _known(self, plan: ListPlan, rows: TimedList) -> np.ndarray:
        """When the events of a list were known, (n_rows + 1,) int64: as they happened, where nothing else is kept."""
        if plan.known is None or not self.unpacked.rows[:, plan.known[0]].any():
            return rows.time
        section, word = plan.known
        kept = self.unpacked.rows[:, section] > 0
        known = self.unpacked.columns(plan.words[:1], plan.number)[0]
        places = np.repeat(kept, self.unpacked.rows[:, plan.number])
        known[:-1][places] = self.unpacked.columns(np.array([word]), section)[0, :-1]
        return np.asarray(known[self.present(plan)])

    def distinct(self, plan: DistinctPlan) -> DistinctValues:
        """Distinct values of a column, those of recent events among them."""
        first, recent = self.unpacked.first(plan.number), self._recent
        values, start = self.unpacked.columns(np.array([0, 1]), plan.number)
        old = (self.kernel_values(plan.column, values, first), start)
        added, valid = self._arrived(plan.column, True)
        return merge_distinct(first, *old, recent.owner[valid], added[valid], self._starts(plan.hop_us)[valid])

    def find_texts(self, column: str) -> Texts:
        """Texts of a string column, and those of recent events."""
        values, valid = self._recent.values(column)
        texts, found = super().find_texts(column).with_recent(self._recent.owner[valid], values[valid].tolist())
        places = self._places[column] = np.zeros(len(valid), np.int64)
        places[valid] = found
        return texts

    def _arrived(self, column: str, compared: bool) -> tuple[np.ndarray, np.ndarray]:
        """Recent events' values of a column, texts as places where they are compared, and whether there is one."""
        values, valid = self._recent.values(column)
        if compared and self.layout.kinds.get(column) == "string":
            self.texts(column)
            return self._places[column], valid
        return values, valid

    def _starts(self, hop_us: int | None) -> np.ndarray:
        time = self._recent.time
        return np.full(len(time), ALL_HISTORY) if hop_us is None else np.floor_divide(time, hop_us) * hop_us
