"""Windows that end together: their totals, and where new rows go, against plain loops."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.history.blocks import Spread
from storekeeper.history.state.merge import place_after
from storekeeper.history.state.suffixes import Suffixes, suffix_starts


@dataclass(frozen=True)
class Rows:
    """Times and values of some entities, and the starts of windows, the longest first."""

    times: list[list[int]]
    values: list[list[int]]
    oldest: list[int]

    @property
    def first(self) -> np.ndarray:
        """Where each entity's rows begin."""
        return np.concatenate([[0], np.cumsum([len(times) for times in self.times])]).astype(np.int64)

    @property
    def time(self) -> np.ndarray:
        """All times."""
        return np.array([time for times in self.times for time in times], np.int64)

    @property
    def suffixes(self) -> Suffixes:
        """The windows."""
        return Suffixes(suffix_starts(self.time, self.first, np.array(self.oldest, np.int64)), self.first[1:])

    def padded(self, dtype: type = np.int64) -> np.ndarray:
        """All values, and nobody's, as two columns."""
        flat = np.array([value for values in self.values for value in values] + [0], dtype)
        return np.stack([flat, 2 * flat])

    def windows(self, entity: int) -> list[list[int]]:
        """Values of one entity in each window."""
        pairs = list(zip(self.times[entity], self.values[entity], strict=True))
        return [[value for time, value in pairs if time >= oldest] for oldest in self.oldest]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """A few entities with a few rows each, ties and empty ones among them."""
    entities = draw(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 5)), max_size=6), max_size=4))
    ordered = [sorted(entity) for entity in entities]
    oldest = sorted(draw(st.lists(st.integers(-1, 11), min_size=1, max_size=4)))
    return Rows([[t for t, _ in e] for e in ordered], [[v for _, v in e] for e in ordered], oldest)


@given(rows())
@examples(4)
def test_suffixes_begin_where_a_loop_finds_them(drawn: Rows) -> None:
    """A window begins at the entity's first row that isn't older."""
    lo = suffix_starts(drawn.time, drawn.first, np.array(drawn.oldest, np.int64))
    for entity, times in enumerate(drawn.times):
        expected = [sum(time < oldest for time in times) for oldest in drawn.oldest]
        assert (lo[entity] - drawn.first[entity]).tolist() == expected


@given(rows(), st.sampled_from([("add", sum, 0), ("maximum", max, -99), ("minimum", min, 99)]))
@examples(4)
def test_totals_are_what_a_loop_finds(drawn: Rows, function: tuple[str, Any, int]) -> None:
    """Each window's reduction, of several columns at once; an empty window has the identity."""
    name, plain, identity = function
    found = drawn.suffixes.totals(drawn.padded(), getattr(np, name), identity)
    for entity in range(len(drawn.times)):
        expected = [plain(window) if window else identity for window in drawn.windows(entity)]
        assert found[:, 0, entity].tolist() == expected


@given(rows())
@examples(4)
def test_spreads_are_those_of_all_values(drawn: Rows) -> None:
    """Merging single values gives each window's count, mean and squares about the mean."""
    values = drawn.padded(np.float64)
    zeros, ones = np.zeros(values.shape), np.ones(values.shape)
    spread = drawn.suffixes.spreads(Spread(ones, values, zeros, zeros))
    for entity in range(len(drawn.times)):
        for number, window in enumerate(drawn.windows(entity)):
            assert spread.count[number, 0, entity] == len(window)
            if window:
                assert spread.mean[number, 0, entity] == pytest.approx(np.mean(window), abs=1e-12)
                assert spread.squares[number, 1, entity] == pytest.approx(4 * len(window) * np.var(window), abs=1e-9)


@given(rows(), st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 10), st.integers(-6, 6)), max_size=5))
@examples(4)
def test_new_rows_go_after_their_equals(drawn: Rows, added: list[tuple[int, int, int]]) -> None:
    """A row is placed after all rows of its entity whose (time, value) isn't greater."""
    added = [row for row in added if row[0] < len(drawn.times)]
    owner, time, value = (np.array([row[part] for row in added], np.int64) for part in range(3))
    places = place_after(drawn.first, owner, [(drawn.time, time), (drawn.padded()[0], value)])
    for (entity, *key), place in zip(added, places.tolist(), strict=True):
        old = zip(drawn.times[entity], drawn.values[entity], strict=True)
        assert place - drawn.first[entity] == sum(list(pair) <= key for pair in old)
