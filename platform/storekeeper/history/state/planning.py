"""Working out which words of state a set of features reads, once for each layout."""

from collections.abc import Sequence

import numpy as np

from storekeeper.history.columns import column_kind
from storekeeper.history.features import WindowFeature
from storekeeper.history.state.layout import StateLayout, TileSeries, tile_partials
from storekeeper.history.state.plan import (
    FIRST_FUNCTIONS,
    MOMENTS,
    VALUED_FUNCTIONS,
    Asked,
    Block,
    DistinctPlan,
    ListPlan,
    Output,
    ReadPlan,
    SeriesPlan,
    TilePlan,
    Window,
)

_MOST_PLANS = 256
_TILED = frozenset({"count", "sum", "mean", "var", "std", "min", "max"})
_TAILED = frozenset({"last", "last_n", "seconds_since_last"})
#: Functions whose values are of their column's kind.
_OF_COLUMN = frozenset({"min", "max", "first", "last", "last_n"})
_Numbered = tuple[int, WindowFeature]


def plan_read(layout: StateLayout, features: Sequence[WindowFeature]) -> ReadPlan:
    """The plan, made once for the same feature objects."""
    key = tuple(map(id, features))
    plan = layout.memo.get(key)
    if not isinstance(plan, ReadPlan):
        if len(layout.memo) >= _MOST_PLANS:
            layout.memo.clear()
        # The plan holds the features, so that no other can take their identity while it lives.
        plan = layout.memo[key] = _plan(layout, tuple(features))
    return plan


def _plan(layout: StateLayout, features: tuple[WindowFeature, ...]) -> ReadPlan:
    numbered = list(enumerate(features))
    return ReadPlan(
        tuple(_output(feature, layout) for feature in features),
        features,
        tuple(_tile_plans(layout, numbered)),
        tuple(plan for plan in [*_first_plans(layout, numbered), *_tail_plans(layout, numbered)] if plan.asked),
        tuple(plan for plan in _distinct_plans(layout, numbered) if plan.asked),
    )


def _output(feature: WindowFeature, layout: StateLayout) -> Output:
    if feature.base_function in _OF_COLUMN:
        return Output(feature.name, layout.kinds[feature.column], feature.column)
    type_ = feature.result_type(layout.types.get(feature.column))
    return Output(feature.name, column_kind(type_), None)


def _of_hop(items: Sequence[_Numbered], hop_us: int | None) -> list[_Numbered]:
    return [item for item in items if item[1].hop == hop_us]


def _of_functions(items: Sequence[_Numbered], functions: frozenset[str]) -> list[_Numbered]:
    return [item for item in items if item[1].base_function in functions]


def _of_column(items: Sequence[_Numbered], column: str) -> list[_Numbered]:
    return [item for item in items if item[1].column == column]


def _ask(items: Sequence[_Numbered], section: int = 0) -> tuple[tuple[Window, ...], tuple[Asked, ...]]:
    """The different windows of features, the longest first, and the features."""
    windows = {(feature.window_us, feature.hop) for _, feature in items}
    ordered = tuple(sorted(windows, key=lambda window: (window[0] is not None, -(window[0] or 0))))
    asked = [
        Asked(place, f.name, f.base_function, f.column, f.length, section, ordered.index((f.window_us, f.hop)))
        for place, f in items
    ]
    return ordered, tuple(asked)


def _tile_plans(layout: StateLayout, items: Sequence[_Numbered]) -> list[TilePlan]:
    alike: dict[tuple[object, ...], list[tuple[int, list[_Numbered]]]] = {}
    for number, series in enumerate(layout.series):
        if tiled := _of_hop(_of_functions(items, _TILED), series.hop_us):
            pairs = _pairs(layout, tiled)
            alike.setdefault((series.width, pairs, *_words(series, pairs)), []).append((number, tiled))
    return [_tile_plan(layout, members) for members in alike.values()]


def _pairs(layout: StateLayout, items: Sequence[_Numbered]) -> tuple[tuple[str, str], ...]:
    """Partials that features read: counts first, then by block, then moments."""
    pairs = {(f.column, p) for _, f in items for p in tile_partials(f, layout.kinds.get(f.column))}
    return tuple(sorted(pairs, key=lambda pair: (pair[1] != "n", _block_of(pair, layout) or ("~", False), pair)))


def _tile_plan(layout: StateLayout, members: Sequence[tuple[int, list[_Numbered]]]) -> TilePlan:
    """Members are series, and features of them, of which the same words are read."""
    sections: list[SeriesPlan] = []
    asked: list[Asked] = []
    for section, (number, items) in enumerate(members):
        windows, features = _ask(items, section)
        sections.append(SeriesPlan(number, layout.series[number].hop_us, windows))
        asked += features
    asked.sort(key=lambda one: (one.function, one.column))
    pairs = _pairs(layout, members[0][1])
    words = np.array(_words(layout.series[members[0][0]], pairs))
    spreads = tuple(column for column, partial in pairs if partial == "m2")
    return TilePlan(tuple(sections), words, pairs, _blocks(layout, pairs), spreads, tuple(asked))


def _block_of(pair: tuple[str, str], layout: StateLayout) -> tuple[str, bool] | None:
    """How a partial is reduced, and whether it is a float; None for moments."""
    column, partial = pair
    if partial in MOMENTS:
        return None
    if partial in {"min", "max"}:
        return partial, layout.kinds[column] == "float"
    return "add", partial == "float_sum" or (partial == "sum" and layout.kinds[column] == "float")


def _blocks(layout: StateLayout, pairs: Sequence[tuple[str, str]]) -> tuple[Block, ...]:
    blocks, kinds = [], [_block_of(pair, layout) for pair in pairs]
    for kind in dict.fromkeys(kind for kind in kinds if kind):
        places = [place for place, other in enumerate(kinds) if other == kind]
        blocks.append(Block(*kind, range(places[0], places[-1] + 1)))
    return tuple(blocks)


def _words(series: TileSeries, pairs: Sequence[tuple[str, str]]) -> list[int]:
    return [0, *(series.position(column, partial) for column, partial in pairs)]


def _first_plans(layout: StateLayout, items: Sequence[_Numbered]) -> list[ListPlan]:
    firsts = _of_functions(items, FIRST_FUNCTIONS)
    return [
        _first_plan(layout, number, column, _of_column(_of_hop(firsts, series.hop_us), column))
        for number, series in enumerate(layout.series)
        for column in sorted({feature.column for _, feature in _of_hop(firsts, series.hop_us)})
    ]


def _first_plan(layout: StateLayout, number: int, column: str, items: Sequence[_Numbered]) -> ListPlan:
    series, (windows, asked) = layout.series[number], _ask(items)
    valued = _has_values(asked)
    partials = ["first_time", "n", *(["first"] if valued else [])]
    known = (layout.known_section(series), series.firsts.index(column)) if valued else None
    words = np.array(_words(series, [(column, partial) for partial in partials])[1:])
    return ListPlan(number, column, True, valued, words, known, windows, asked)


def _tail_plans(layout: StateLayout, items: Sequence[_Numbered]) -> list[ListPlan]:
    tailed, base = _of_functions(items, _TAILED), len(layout.series) + len(layout.distincts)
    return [
        _tail_plan(layout, number, tail.column, _of_column(tailed, tail.column))
        for number, tail in enumerate(layout.tails, base)
    ]


def _tail_plan(layout: StateLayout, number: int, column: str, items: Sequence[_Numbered]) -> ListPlan:
    windows, asked = _ask(items)
    tail, valued = next(tail for tail in layout.tails if tail.column == column), _has_values(asked)
    known = (layout.known_section(tail), 0) if valued else None
    return ListPlan(number, column, False, valued, np.array([0, 1]), known, windows, asked)


def _distinct_plans(layout: StateLayout, items: Sequence[_Numbered]) -> list[DistinctPlan]:
    counted = _of_functions(items, frozenset({"count_distinct"}))
    return [
        DistinctPlan(number, d.column, d.hop_us, *_ask(_of_column(_of_hop(counted, d.hop_us), d.column)))
        for number, d in enumerate(layout.distincts, len(layout.series))
    ]


def _has_values(asked: Sequence[Asked]) -> bool:
    return any(item.function in VALUED_FUNCTIONS for item in asked)
