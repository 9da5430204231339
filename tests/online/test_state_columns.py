"""Windowed features as NumPy columns say what the table says."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.state_ways import WAYS
from oracle.features import DAY_US, HOUR_US
from oracle.shops import examples, microseconds
from storekeeper.history import WindowFeature
from storekeeper.history.state import StateColumns, StateReader, build_state, plan_state, read_state

TIME = pa.timestamp("us", tz="UTC")
NOON = microseconds("2017-06-14T12:00:00+00:00")
TYPES: dict[str, pa.DataType] = {
    "price": pa.float64(),
    "cents": pa.int64(),
    "flag": pa.bool_(),
    "seen": TIME,
    "word": pa.string(),
}
_NUMERIC = {"price", "cents", "flag"}
FUNCTIONS = ["count", "sum", "mean", "var", "std", "min", "max", "first", "last", "count_distinct", "last_n(2)"]
FUNCTIONS += ["seconds_since_last", "seconds_since_first"]


def _takes(function: str, column: str) -> bool:
    numeric = {"sum", "mean", "var", "std"}
    return not (function in numeric and column not in _NUMERIC) and not (
        function in {"min", "max"} and column == "flag"
    )


FEATURES = [
    WindowFeature(f"{function} {column} {window}", function, column, window)
    for function in FUNCTIONS
    for column in TYPES
    for window in (DAY_US, None)
    if _takes(function, column)
]
LAYOUT = plan_state(FEATURES, TYPES)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "price": st.sampled_from([0.5, -1.5, 1e9]),
    "cents": st.integers(-9, 9),
    "flag": st.booleans(),
    "seen": st.sampled_from([NOON, 0, -1]),
    "word": st.sampled_from(["a", "ß", ""]),
}


@st.composite
def states(draw: st.DrawFn) -> list[bytes | None]:
    """Blobs of some entities, with and without events, and of some that have none."""
    event = st.fixed_dictionaries(
        {"key": st.integers(0, 2), "hours": st.integers(1, 60), **{n: st.none() | v for n, v in _VALUES.items()}}
    )
    events = draw(st.lists(event, max_size=8))
    table = pa.table(
        {
            "key": pa.array([row["key"] for row in events], pa.int64()),
            "at": pa.array([NOON - row["hours"] * HOUR_US for row in events], TIME),
            **{name: pa.array([row[name] for row in events], type_) for name, type_ in TYPES.items()},
        }
    )
    built = build_state(table, LAYOUT, keys=["key"], event_time="at", until_us=NOON)
    return draw(st.lists(st.sampled_from([None, *built.blobs]), max_size=4))


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9)
    return type(ours) is type(theirs) and bool(ours == theirs)


def _read(way: str, blobs: list[bytes | None]) -> StateColumns:
    reader = StateReader(LAYOUT, FEATURES)
    return reader.one_by_one(blobs, NOON) if way == "one by one" else reader.all_at_once(blobs, NOON)


@given(states())
@examples()
def test_numpy_columns_are_the_tables_columns(blobs: list[bytes | None]) -> None:
    """Every function over every kind of column: the same values, the same nulls, in both ways."""
    table = read_state(blobs, LAYOUT, FEATURES, NOON)
    for way in WAYS[1:]:
        columns = _read(way, blobs)
        assert list(columns.values) == table.column_names
        for name, values in columns.values.items():
            null, theirs = columns.nulls.get(name), table[name]
            assert ([False] * len(blobs) if null is None else null.tolist()) == theirs.is_null().to_pylist()
            expected = theirs.cast(pa.timestamp("us")) if theirs.type == TIME else theirs
            nulls = theirs.is_null().to_pylist()
            present = [value for value, is_null in zip(values.tolist(), nulls, strict=True) if not is_null]
            assert all(map(_same, present, expected.drop_null().to_pylist())), (way, name)


@pytest.mark.parametrize("way", WAYS[1:])
@pytest.mark.parametrize("count", [1, 2])
def test_each_kind_has_its_own_dtype(count: int, way: str) -> None:
    """Dtypes follow the function and the column; what is null is NaN, NaT, 0, False or None."""
    columns = _read(way, [None] * count)
    dtypes = {"price": "float64", "cents": "int64", "flag": "bool", "seen": "datetime64[us]", "word": "object"}
    for feature in FEATURES:
        values, null = columns.values[feature.name], columns.nulls.get(feature.name)
        function, column = feature.base_function, feature.column
        assert (null is None) == (function in {"count", "count_distinct", "sum", "last_n"})
        if function in {"min", "max", "first", "last"}:
            assert str(values.dtype) == dtypes[column]
            assert values[0] is None or values[0] == 0 or np.isnan(values[0]) or np.isnat(values[0])
        elif function != "last_n":
            assert values.dtype == (
                np.int64 if "count" in function or (function == "sum" and column != "price") else np.float64
            )


def test_features_may_be_asked_for_in_any_number_and_order() -> None:
    """A part of a view's features, turned around, has the values that the whole has."""
    events = pa.table(
        {"key": [1], "at": pa.array([NOON - HOUR_US], TIME), "price": [0.5], "cents": [7], "flag": [True]}
    )
    events = events.append_column("seen", pa.array([NOON], TIME)).append_column("word", pa.array(["ß"]))
    blobs = build_state(events, LAYOUT, keys=["key"], event_time="at", until_us=NOON).blobs
    whole = read_state(blobs, LAYOUT, FEATURES, NOON)
    for some in (FEATURES[::-1], FEATURES[::7], FEATURES[:1]):
        assert read_state(blobs, LAYOUT, some, NOON).to_pylist() == whole.select([f.name for f in some]).to_pylist()
