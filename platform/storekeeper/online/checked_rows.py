"""Pushed rows looked at one by one: those that can't be kept are told why, and the others go on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError, listing
from storekeeper.history.columns import TIMESTAMP, column_kind
from storekeeper.online.fitted_column import FittedColumn, Given, fit_column, mask_of, reason
from storekeeper.push_report import Reject

#: A column and the type in which it is wanted.
Wanted = tuple[str, pa.DataType]


@dataclass(frozen=True)
class Rules:
    """What a row must be.

    Attributes
    ----------
    event_time, known_time
        Their columns; `known_time` may be None.
    keys
        Join keys of each view with their types. A row needs all of at least one view's.
    values
        Columns that may be null.
    exact
        Types that their columns' values must fit unchanged.
    now, tolerance
        A row's times may be later than now by at most the tolerance.
    """

    event_time: str
    known_time: str | None
    keys: tuple[Mapping[str, pa.DataType], ...]
    values: frozenset[Wanted]
    exact: Mapping[str, pa.DataType]
    now: datetime
    tolerance: timedelta


@dataclass(frozen=True)
class CheckedRows:
    """Rows in the types that are wanted.

    Attributes
    ----------
    columns
        (n_rows,) arrays. A knowledge time that is missing is now.
    kept
        (n_rows,) bool.
    rejected
        Why the others aren't, in their order.
    """

    columns: Mapping[Wanted, pa.Array]
    kept: np.ndarray
    rejected: tuple[Reject, ...]


def given_columns(rows: pa.Table | pd.DataFrame, names: Mapping[str, str]) -> dict[str, Given]:
    """Columns as they came, without a DataFrame's index.

    Parameters
    ----------
    names
        Column -> its other name, under which it is returned.

    Raises
    ------
    DataError
        If two columns have one name, or Arrow can't hold one.
    """
    found = [str(name) for name in (rows.column_names if isinstance(rows, pa.Table) else rows.columns)]
    renamed = [names.get(name, name) for name in found]
    twice = {name for name in renamed if renamed.count(name) > 1}
    if twice:
        raise DataError(f"Column {listing(twice)} was pushed more than once. Received: {listing(found)}.")
    return {name: _given(rows, place, name) for place, name in enumerate(renamed)}


def _given(rows: pa.Table | pd.DataFrame, place: int, name: str) -> Given:
    if isinstance(rows, pa.Table):
        return rows.column(place)
    series = rows.iloc[:, place]
    if series.dtype == object:
        return series.tolist()
    try:
        return pa.chunked_array([pa.Array.from_pandas(series)])
    except (ValueError, TypeError, NotImplementedError) as error:
        raise DataError(f"Column '{name}' of the pushed rows can't be read ({series.dtype}): {error}") from error


def check_rows(given: Mapping[str, Given], count: int, rules: Rules) -> CheckedRows:
    """Fit the columns that the rules name, of `count` rows each; a row's first fault is its reason."""
    fitted = {wanted: _fitted(given, count, wanted) for wanted in dict.fromkeys(_wanted(rules))}
    refused: dict[int, str] = {}
    for problems in _problems(fitted, count, rules):
        refused = problems | refused
    columns = {wanted: column.values for wanted, column in fitted.items()}
    if rules.known_time is not None:
        known = rules.known_time, TIMESTAMP
        columns[known] = pc.fill_null(columns[known], pa.scalar(rules.now, TIMESTAMP))
    kept = np.ones(count, bool)
    kept[list(refused)] = False
    return CheckedRows(columns, kept, tuple(Reject(row, refused[row]) for row in sorted(refused)))


def _wanted(rules: Rules) -> Iterator[Wanted]:
    yield from ((name, TIMESTAMP) for name in _times(rules))
    for keys in rules.keys:
        yield from keys.items()
    yield from sorted(rules.values, key=str)


def _times(rules: Rules) -> list[str]:
    return [rules.event_time, *([rules.known_time] if rules.known_time is not None else [])]


def _fitted(given: Mapping[str, Given], count: int, wanted: Wanted) -> FittedColumn:
    name, type_ = wanted
    return fit_column(name, given[name], type_) if name in given else FittedColumn(pa.nulls(count, type_), {})


def _problems(fitted: Mapping[Wanted, FittedColumn], count: int, rules: Rules) -> Iterator[dict[int, str]]:
    """Row -> reason, the most telling first."""
    yield from (column.refused for column in fitted.values())
    event = fitted[rules.event_time, TIMESTAMP].values
    yield dict.fromkeys(_rows(mask_of(event.is_null())), f"Column '{rules.event_time}' has no event time.")
    for name in _times(rules):
        yield _too_late(name, fitted[name, TIMESTAMP].values, rules)
    yield _without_keys(fitted, count, rules)
    for (name, _), column in fitted.items():
        if name in rules.exact:
            yield _changed(name, column.values, rules.exact[name])


def _too_late(name: str, times: pa.Array, rules: Rules) -> dict[int, str]:
    late = mask_of(pc.greater(times, pa.scalar(rules.now + rules.tolerance, TIMESTAMP)))
    return {
        row: f"Column '{name}' is {times[row].as_py().isoformat()}, later than the clock's now "
        f"({rules.now.isoformat()}) and the tolerance of {rules.tolerance.total_seconds():g} s. Push the row when "
        f"its time has come, or set the clock."
        for row in _rows(late)
    }


def _without_keys(fitted: Mapping[Wanted, FittedColumn], count: int, rules: Rules) -> dict[int, str]:
    complete = np.zeros(count, bool)
    for keys in rules.keys:
        complete |= complete_keys([fitted[key].values for key in keys.items()], count)
    if complete.all():
        return {}
    named = listing({key for keys in rules.keys for key in keys})
    return dict.fromkeys(_rows(~complete), f"A join key is null ({named}): no view has an entity for the row.")


def complete_keys(keys: Sequence[pa.Array], count: int) -> np.ndarray:
    """Which rows have all keys, (count,) bool."""
    complete = np.ones(count, bool)
    for key in keys:
        if key.null_count:
            complete &= mask_of(key.is_valid())
    return complete


def _changed(name: str, values: pa.Array, exact: pa.DataType) -> dict[int, str]:
    """Values that another type can't hold as they are."""
    if pa.types.is_date(exact):
        changed = pc.not_equal(values.cast(pa.date32(), safe=False).cast(pa.timestamp("us")), _naive(values))
    elif column_kind(exact) in {"int", "float", "timestamp"} and not pa.types.is_decimal(exact):
        plain = exact.value_type if pa.types.is_dictionary(exact) else exact
        changed = pc.not_equal(values.cast(plain, safe=False).cast(values.type, safe=False), values)
    else:
        return {}
    return {
        row: reason(name, exact, repr(values[row].as_py()), "doesn't fit unchanged") for row in _rows(mask_of(changed))
    }


def _naive(instants: pa.Array) -> pa.Array:
    return instants.cast(pa.timestamp("us"))


def _rows(mask: np.ndarray) -> list[int]:
    rows: list[int] = np.flatnonzero(mask).tolist()
    return rows
