"""Partials of an entity's tiles put together, window by window: each window is the tiles from a cut to the end.

What windows have in common is added up once: the shortest window first, then what each longer one has before it.
"""

import operator
from collections.abc import Callable, Sequence

from storekeeper.history.state.plan import MOMENTS
from storekeeper.history.state.single.opened import Value

#: Partials of which the least or the greatest counts, and those that are always floats.
EXTREMES: dict[str, Callable[..., Value]] = {"min": min, "max": max}
FLOATS = frozenset({"float_sum", *MOMENTS})


def sums(column: Sequence[Value], cuts: Sequence[int]) -> list[Value]:
    """By window; cuts ascend."""
    total, end, found = 0, len(column), []
    for cut in reversed(cuts):
        total += sum(column[cut:end])
        end = cut
        found.append(total)
    found.reverse()
    return found


def extremes(
    column: Sequence[Value], counts: Sequence[int], cuts: Sequence[int], pick: Callable[..., Value]
) -> list[Value]:
    """By window the least or the greatest of the tiles that have a value; None where none has."""
    best: Value = None
    end, found, has_nulls = len(column), [], 0 in counts
    for cut in reversed(cuts):
        part = column[cut:end]
        if has_nulls:
            part = [value for value, n in zip(part, counts[cut:end], strict=True) if n]
        if part:
            best = pick(part) if best is None else pick(best, pick(part))
        end = cut
        found.append(best)
    found.reverse()
    return found


def variance(
    counts: Sequence[int], means: Sequence[float], lows: Sequence[float], squares: Sequence[float]
) -> float | None:
    """Population variance of tiles put together, about a centre near their means, so that low parts count."""
    count = sum(counts)
    if not count:
        return None
    centre = sum(map(operator.mul, counts, means)) / count
    distances = [(mean - centre) + low for mean, low in zip(means, lows, strict=True)]
    middle = sum(map(operator.mul, counts, distances)) / count
    apart = [distance - middle for distance in distances]
    # A power of a float may overflow into an error, where a product becomes infinite.
    return float(sum(own + n * gap * gap for own, n, gap in zip(squares, counts, apart, strict=True)) / count)


def of_event(partial: str, value: Value) -> Value:
    """A partial of a tile that holds one event."""
    if partial == "n":
        return int(value is not None)
    if value is None or partial == "m2":
        return 0
    if partial == "mean_low":
        return value - int(float(value)) if isinstance(value, int) else 0
    return float(value) if partial in FLOATS else value
