"""Which words of state a set of features reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storekeeper.history.features import WindowFeature

#: Length and hop in microseconds; None for all history.
Window = tuple[int | None, int | None]
_BEGINNING = -(2**63)
#: Mean, its low part, and the sum of squares about it.
MOMENTS = ("mean", "mean_low", "m2")
#: Functions of a list that are about its first row, not its last; and those that are its values, not its times.
FIRST_FUNCTIONS = frozenset({"first", "seconds_since_first"})
VALUED_FUNCTIONS = frozenset({"first", "last", "last_n"})


@dataclass(frozen=True)
class Asked:
    """One feature of a section.

    Attributes
    ----------
    place
        Its number among all features asked for.
    name, function, column, length
        As of the feature; the function without its length.
    section, window
        Which of the plan's sections it is read from, and which of that section's windows it has.
    """

    place: int
    name: str
    function: str
    column: str
    length: int
    section: int
    window: int


@dataclass(frozen=True)
class Block:
    """Partials of tiles that are reduced together.

    Attributes
    ----------
    partial
        `add`, `min` or `max`.
    is_float
        Whether words are the bits of floats.
    pairs
        Which of the plan's pairs they are.
    """

    partial: str
    is_float: bool
    pairs: range


@dataclass(frozen=True)
class SeriesPlan:
    """One series of tiles that is read.

    Attributes
    ----------
    number
        Which section of state.
    hop_us
        Width of its tiles; None: one for all history.
    windows
        The windows read, the longest first.
    """

    number: int
    hop_us: int | None
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class TilePlan:
    """Features that are read from tiles; series of which the same words are read are read as one.

    Attributes
    ----------
    sections
        The series, whose tiles have one width.
    words
        (1 + n_pairs,) int64: the words of a tile that are read: its start, and the pairs.
    pairs
        The partials read, (column, partial): counts first, then by block, then moments.
    spreads
        Columns whose moments are read.
    asked
        The features, those of one function and column one after another.
    """

    sections: tuple[SeriesPlan, ...]
    words: np.ndarray
    pairs: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    spreads: tuple[str, ...]
    asked: tuple[Asked, ...]

    def word(self, column: str, partial: str) -> int:
        """Where a partial stands among the words read."""
        return 1 + self.pairs.index((column, partial))


@dataclass(frozen=True)
class ListPlan:
    """Features that are read from a list of times and values: the first of each tile, or a tail.

    Attributes
    ----------
    number
        Which section.
    column
        The column; empty for the event itself.
    words
        Words of a row that are read. Of a tail: time, value. Of firsts: time, how many values the tile has, and where
        a feature reads it the value.
    has_values
        Whether values are read, not only times.
    known
        The further section, and the word in it, that say when events were known; None where only times are read.
    """

    number: int
    column: str
    is_first: bool
    has_values: bool
    words: np.ndarray
    known: tuple[int, int] | None
    windows: tuple[Window, ...]
    asked: tuple[Asked, ...]


@dataclass(frozen=True)
class DistinctPlan:
    """Features that are read from one distinct list."""

    number: int
    column: str
    hop_us: int | None
    windows: tuple[Window, ...]
    asked: tuple[Asked, ...]


@dataclass(frozen=True)
class Output:
    """What a feature's values are.

    Attributes
    ----------
    kind
        `int`, `float`, `bool`, `string` or `timestamp`; of a list its items'.
    column
        The column whose type they have; None where the function alone decides.
    """

    name: str
    kind: str
    column: str | None


@dataclass(frozen=True)
class ReadPlan:
    """How some features are read from state."""

    outputs: tuple[Output, ...]
    features: tuple[WindowFeature, ...]
    tiles: tuple[TilePlan, ...]
    lists: tuple[ListPlan, ...]
    distincts: tuple[DistinctPlan, ...]


def oldest_us(windows: Sequence[Window], now_us: int) -> list[int]:
    """Where windows that end at `now_us` begin (rule 7), microseconds."""
    return [_BEGINNING if w is None or h is None else (now_us - w) // h * h for w, h in windows]


def oldest_of(windows: Sequence[Window], now_us: int) -> np.ndarray:
    """The same as (n_windows,) int64."""
    return np.array(oldest_us(windows, now_us), np.int64)
