"""A second oracle: plain loops over plain rows, with exact arithmetic, that checks the SQL oracle and its tolerance.

Written from the rules of point-in-time semantics alone, one spine row after another.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa

from oracle.features import Feature, column_type, plain, result_type, typed

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class _Event:
    """A source row: its entity, times in microseconds, place in the source, and the aggregated value."""

    key: tuple[Any, ...]
    happened: int
    known: int
    place: int
    value: Any

    @property
    def order(self) -> tuple[int, int, int]:
        """Rule 4: event time, then knowledge time, then the place in the source."""
        return self.happened, self.known, self.place


def _events(
    table: pa.Table, keys: Sequence[str], event_time: str, known_time: str | None, column: str
) -> dict[tuple[Any, ...], list[_Event]]:
    """Events by entity, in order; those with a null in their key belong to nobody (rule 13)."""
    key_rows = zip(*(plain(table[key]).to_pylist() for key in keys), strict=True)
    happened = plain(table[event_time]).to_pylist()
    told = plain(table[known_time]).to_pylist() if known_time else happened
    # A null knowledge time means the event time.
    known = [at if moment is None else moment for moment, at in zip(told, happened, strict=True)]
    values = plain(table[column]).to_pylist() if column else [True] * table.num_rows
    by_key: dict[tuple[Any, ...], list[_Event]] = {}
    for row in map(_Event, key_rows, happened, known, range(table.num_rows), values):
        if None not in row.key:
            by_key.setdefault(row.key, []).append(row)
    return {key: sorted(rows, key=lambda row: row.order) for key, rows in by_key.items()}


def _spine(table: pa.Table, keys: Sequence[str], spine_time: str) -> list[tuple[tuple[Any, ...], int]]:
    key_rows = zip(*(plain(table[key]).to_pylist() for key in keys), strict=True)
    return list(zip(key_rows, plain(table[spine_time]).to_pylist(), strict=True))


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _visible(event: _Event, at: int, cutoff: bool) -> bool:
    return not cutoff or event.known <= at


def _in_window(event: _Event, at: int, feature: Feature) -> bool:
    if feature.window_us is None:
        return event.happened < at
    old_edge = (at - feature.window_us) // feature.hop * feature.hop
    return old_edge <= event.happened < at


def _total(values: Sequence[Any]) -> int | float:
    if any(isinstance(value, float) for value in values):
        return math.fsum(values)
    total = sum(values)
    if not INT64_MIN <= total <= INT64_MAX:
        raise OverflowError(f"{total} is no int64")
    return total


def _mean(values: Sequence[Any]) -> Fraction:
    return sum(map(Fraction, values), Fraction(0)) / len(values)


def _squares(values: Sequence[Any]) -> Fraction:
    """Sum of squares about the mean, exact."""
    if not values:
        return Fraction(0)
    mean = _mean(values)
    return sum(((Fraction(value) - mean) ** 2 for value in values), Fraction(0))


def _value(feature: Feature, window: Sequence[_Event], at: int) -> Any:
    """Rules 8 and 9: the function over the window's events that have a value, in order."""
    values = [event.value for event in window]
    match feature.base:
        case "count":
            return len(values)
        case "count_distinct":
            return len(set(values))
        case "sum":
            return _total(values)
        case "last_n":
            return values[-(feature.length or 1) :]
    return _OF_SOME[feature.base](window, values, at) if window else None


_OF_SOME: dict[str, Callable[[Sequence[_Event], Sequence[Any], int], Any]] = {
    "mean": lambda _, values, __: float(_mean(values)),
    "min": lambda _, values, __: min(values),
    "max": lambda _, values, __: max(values),
    "var": lambda _, values, __: float(_squares(values) / len(values)),
    "std": lambda _, values, __: math.sqrt(_squares(values) / len(values)),
    "first": lambda _, values, __: values[0],
    "last": lambda _, values, __: values[-1],
    "seconds_since_last": lambda window, _, at: (at - window[-1].happened) / 1_000_000,
    "seconds_since_first": lambda window, _, at: (at - window[0].happened) / 1_000_000,
}


def _tolerance(feature: Feature, window: Sequence[_Event], _: int) -> float:
    """Rule 10: how far a value may be off; 0 where values are exact."""
    values = [event.value for event in window]
    match feature.base:
        case "sum" | "mean":
            return float(Fraction(1, 10**9) * (1 + sum((abs(Fraction(value)) for value in values), Fraction(0))))
        case "std" | "var":
            return float(Fraction(1, 10**9) * (1 + _squares(values)))
        case _:
            return 0.0


def windowed(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    features: Sequence[Feature],
    known_time: str | None = None,
    cutoff: bool = False,
    tolerances: bool = False,
) -> pa.Table:
    """The kernel's `windowed`, row by row; OverflowError where a window's integer sum leaves int64.

    With `tolerances`, the columns are what rule 10 allows each value to be off (0 where values are exact).
    """
    answer = _tolerance if tolerances else _value
    columns = {}
    for feature in features:
        by_key = _events(events, keys, event_time, known_time, feature.column)
        found = []
        for key, at in _spine(spine, keys, spine_time):
            window = [
                event
                for event in by_key.get(key, ())
                if _in_window(event, at, feature) and _visible(event, at, cutoff) and not _is_null(event.value)
            ]
            found.append(answer(feature, window, at))
        wanted = pa.float64() if tolerances else result_type(feature, column_type(events, feature))
        columns[feature.name] = typed(found, wanted)
    return pa.table(columns)


def as_of(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    columns: Sequence[str],
    known_time: str | None = None,
    ttl_us: int = 0,
    cutoff: bool = False,
) -> pa.Table:
    """The kernel's `as_of`, row by row."""
    by_key = _events(events, keys, event_time, known_time, "")
    places: list[int | None] = []
    for key, at in _spine(spine, keys, spine_time):
        rows = [row for row in by_key.get(key, ()) if row.happened <= at and _visible(row, at, cutoff)]
        latest = rows[-1] if rows else None
        fresh = latest is not None and (ttl_us <= 0 or at - latest.happened <= ttl_us)
        places.append(latest.place if latest is not None and fresh else None)
    return events.select(list(columns)).combine_chunks().take(pa.array(places, pa.int64()))
