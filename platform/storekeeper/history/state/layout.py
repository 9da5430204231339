"""Which partial results a windowed view keeps per entity, derived from its features alone.

A window that is read at `now` is always a suffix of history that starts on a hop's edge. So per hop it suffices
to keep mergeable partials of sparse tiles; per distinct value its last tile; and the newest N events.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from storekeeper.history.columns import Column, column_kind, to_column
from storekeeper.history.features import WindowFeature
from storekeeper.history.state.latest_layout import LatestLayout, plan_latest
from storekeeper.history.state.words import empty_blob

#: Function -> partials of a tile. Functions not named here live in tails or distinct lists.
TILE_PARTIALS: dict[str, tuple[str, ...]] = {
    "count": ("n",),
    "sum": ("sum",),
    "mean": ("n", "sum"),
    "var": ("n", "mean", "mean_low", "m2"),
    "std": ("n", "mean", "mean_low", "m2"),
    "min": ("n", "min"),
    "max": ("n", "max"),
    "first": ("n", "first", "first_time"),
    "seconds_since_first": ("n", "first_time"),
}
_TAIL_FUNCTIONS = frozenset({"last", "last_n", "seconds_since_last"})


@dataclass(frozen=True)
class TileSeries:
    """Tiles of one hop.

    Attributes
    ----------
    hop_us
        Width of a tile; None: one tile for all history.
    reach_us
        The longest window that reads it; None for all history.
    partials
        Pairs (column, partial), one word each, after the tile's start.
    """

    hop_us: int | None
    reach_us: int | None
    partials: tuple[tuple[str, str], ...]

    @property
    def width(self) -> int:
        """Words a tile."""
        return 1 + len(self.partials)

    @property
    def firsts(self) -> tuple[str, ...]:
        """Columns whose first value is kept."""
        return tuple(column for column, partial in self.partials if partial == "first")

    def position(self, column: str, partial: str) -> int:
        """Where a partial stands in a tile."""
        return 1 + self.partials.index((column, partial))


@dataclass(frozen=True)
class DistinctList:
    """Distinct values of a column with the start of the last tile that saw each: words (value, start)."""

    hop_us: int | None
    reach_us: int | None
    column: str


@dataclass(frozen=True)
class Tail:
    """The newest events of a column (the event itself where it is empty): words (time, value)."""

    column: str
    length: int
    reach_us: int | None


@dataclass(frozen=True)
class StateLayout:
    """Everything a view keeps per entity.

    Attributes
    ----------
    kinds
        Kind of each aggregated column.
    types
        Arrow type of each aggregated column.
    strings
        String columns: their values are ranks in a dictionary that the blob carries.
    """

    kinds: dict[str, str]
    types: dict[str, pa.DataType]
    series: tuple[TileSeries, ...]
    distincts: tuple[DistinctList, ...]
    tails: tuple[Tail, ...]

    @cached_property
    def strings(self) -> tuple[str, ...]:
        """String columns whose values are kept, in name order."""
        kept = {c for s in self.series for c, partial in s.partials if partial in {"min", "max", "first"}}
        kept |= {d.column for d in self.distincts} | {t.column for t in self.tails if t.column}
        return tuple(sorted(column for column in kept if self.kinds.get(column) == "string"))

    @cached_property
    def widths(self) -> list[int]:
        """Words a row of each section: series, distinct lists, tails, then one word a string (its bytes)."""
        tiles = [s.width for s in self.series]
        return [*tiles, *[2 for _ in self.distincts], *[2 for _ in self.tails], *[1 for _ in self.strings]]

    @cached_property
    def known_widths(self) -> list[int]:
        """Words a row of each further section, which say when kept events were known: of series, then of tails.

        They have a row for each tile or tail event of an entity, or none where its events were known as they happened.
        """
        return [*[len(s.firsts) for s in self.series if s.firsts], *[1 for tail in self.tails if tail.column]]

    @cached_property
    def every_width(self) -> list[int]:
        """Words a row of every section, further ones too."""
        return [*self.widths, *self.known_widths]

    def known_section(self, kept: "TileSeries | Tail") -> int:
        """Number of the further section of a series or a tail."""
        owners: list[TileSeries | Tail] = [s for s in self.series if s.firsts]
        owners += [tail for tail in self.tails if tail.column]
        return len(self.widths) + owners.index(kept)

    @cached_property
    def plain(self) -> dict[str, Column]:
        """An empty column for each aggregated one, which knows how to make Arrow arrays."""
        return {name: to_column(name, pa.chunked_array([], type_)) for name, type_ in self.types.items()}

    @cached_property
    def event_layout(self) -> LatestLayout:
        """The layout of a pushed event: a row of the aggregated columns."""
        return plan_latest(self.types)

    @cached_property
    def nobody(self) -> bytes:
        """The blob of an entity without state."""
        return empty_blob(len(self.widths), self.fingerprint)

    @cached_property
    def memo(self) -> dict[object, object]:
        """What readers have derived from the layout, kept as long as it."""
        return {}

    @cached_property
    def fingerprint(self) -> int:
        """32 bits that differ between layouts."""
        described = [
            sorted(self.kinds.items()),
            [[s.hop_us, s.reach_us, s.partials] for s in self.series],
            [[d.hop_us, d.reach_us, d.column] for d in self.distincts],
            [[t.column, t.length, t.reach_us] for t in self.tails],
        ]
        digest = hashlib.sha256(json.dumps(described).encode()).digest()
        return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def plan_state(features: Sequence[WindowFeature], types: Mapping[str, pa.DataType]) -> StateLayout:
    """The layout for a view's features; `types` gives the Arrow type of each aggregated column."""
    columns = sorted({feature.column for feature in features if feature.column})
    kinds = {column: column_kind(types[column]) for column in columns}
    return StateLayout(
        kinds=kinds,
        types={column: types[column] for column in columns},
        series=_series(features, kinds),
        distincts=_distincts(features),
        tails=_tails(features),
    )


def tile_partials(feature: WindowFeature, kind: str | None) -> tuple[str, ...]:
    """Partials that a feature needs of a column of some kind.

    The mean of integers takes their sum as a float (`float_sum`): it has no bound, where an integer sum has one.
    """
    if feature.base_function == "mean" and kind == "int":
        return ("n", "float_sum")
    return TILE_PARTIALS[feature.base_function]


def _series(features: Sequence[WindowFeature], kinds: Mapping[str, str]) -> tuple[TileSeries, ...]:
    tiled = [feature for feature in features if feature.base_function in TILE_PARTIALS]
    found = []
    for hop in _hops(tiled):
        members = [feature for feature in tiled if feature.hop == hop]
        pairs = {(m.column, partial) for m in members for partial in tile_partials(m, kinds.get(m.column))}
        found.append(TileSeries(hop, _reach(members), tuple(sorted(pairs))))
    return tuple(found)


def _distincts(features: Sequence[WindowFeature]) -> tuple[DistinctList, ...]:
    counted = [feature for feature in features if feature.base_function == "count_distinct"]
    pairs = sorted({(f.column, f.hop) for f in counted}, key=lambda pair: (pair[0], pair[1] or 0))
    return tuple(
        DistinctList(hop, _reach([f for f in counted if (f.column, f.hop) == (column, hop)]), column)
        for column, hop in pairs
    )


def _tails(features: Sequence[WindowFeature]) -> tuple[Tail, ...]:
    tailed = [feature for feature in features if feature.base_function in _TAIL_FUNCTIONS]
    found = []
    for column in sorted({feature.column for feature in tailed}):
        members = [feature for feature in tailed if feature.column == column]
        found.append(Tail(column, max(max(m.length, 1) for m in members), _reach(members)))
    return tuple(found)


def _hops(features: Sequence[WindowFeature]) -> list[int | None]:
    return sorted({feature.hop for feature in features}, key=lambda hop: hop or 0)


def _reach(features: Sequence[WindowFeature]) -> int | None:
    """The longest window, one hop more; None if any sees all history."""
    reaches = [f.window_us + f.hop if f.window_us and f.hop else None for f in features]
    return None if None in reaches else max(reach for reach in reaches if reach is not None)
