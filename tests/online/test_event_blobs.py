"""Pushed events as bytes: what the kernel needs of them comes back, whatever their columns were."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from oracle.shops import microseconds
from storekeeper.errors import DataError, DefinitionError
from storekeeper.history import WindowFeature
from storekeeper.history.state import StateLayout, decode_events, encode_events, plan_state, read_state

TIME = pa.timestamp("us", tz="UTC")
NOON = microseconds("2017-06-14T12:00:00+00:00")
TYPES: dict[str, pa.DataType] = {"cents": pa.int64(), "price": pa.float64(), "word": pa.string(), "seen": TIME}


def _layout(types: dict[str, pa.DataType] = TYPES) -> StateLayout:
    return plan_state([WindowFeature(name, "last", name, None) for name in types], types)


def _events(**columns: Any) -> pa.Table:
    return pa.table({"at": pa.array([NOON], TIME), **columns})


def test_events_are_read_with_the_types_of_their_view() -> None:
    """Columns of other widths, dates and dictionaries are what state keeps of them; others are left out."""
    events = _events(
        cents=pa.array([5], pa.int16()),
        price=pa.array([Decimal("1.25")], pa.decimal128(9, 2)),
        word=pa.array(["ß"]).dictionary_encode(),
        seen=pa.array([NOON // 86_400_000_000], pa.int32()).cast(pa.date32()),
        basket=[[1, 2]],
    )
    blobs = encode_events(events, _layout(), event_time="at", known_time=None)
    found = decode_events([7], blobs, _layout())
    assert found.owner.tolist() == [7]
    assert {name: values.tolist() for name, values in found.events.values.items() if name != "seen"} == {
        "cents": [5], "price": [1.25], "word": ["ß"],
    }  # fmt: skip
    assert str(found.events.values["seen"][0]) == "2017-06-14T00:00:00.000000"
    assert found.events.event_us.tolist() == found.events.known_us.tolist() == [NOON]


def test_a_column_may_be_a_time_or_null() -> None:
    """A view may aggregate the event time itself; a column of nothing but nulls has no type."""
    types: dict[str, pa.DataType] = {"at": TIME, "cents": pa.int64()}
    known = pa.array([NOON + 5], TIME)
    blobs = encode_events(_events(cents=pa.nulls(1), known=known), _layout(types), event_time="at", known_time="known")
    found = decode_events([0], blobs, _layout(types)).events
    null = found.null("cents")
    assert null is not None
    assert null.tolist() == [True]
    assert found.known_us.tolist() == [NOON + 5]
    assert found.null("at") is None


def test_unknown_knowledge_times_are_the_event_times() -> None:
    """An event without a knowledge time was known as it happened."""
    events = _events(known=pa.array([None], TIME))
    blobs = encode_events(events, _layout({}), event_time="at", known_time="known")
    assert decode_events([0], blobs, _layout({})).events.known_us.tolist() == [NOON]


def test_missing_columns_are_named() -> None:
    """A column that the view aggregates and the events lack is an error that lists those that they have."""
    with pytest.raises(DefinitionError, match=r"no column 'cents', .*It has: 'at', 'other'"):
        encode_events(_events(other=[1]), _layout(), event_time="at", known_time=None)


def test_values_beyond_a_type_are_refused() -> None:
    """A value that the column's type can't hold names the column and the type."""
    with pytest.raises(DataError, match="Column 'cents' of pushed events can't be read as int64"):
        encode_events(_events(cents=["five"]), _layout({"cents": pa.int64()}), event_time="at", known_time=None)


def test_events_of_another_view_are_refused() -> None:
    """Events are read with the columns and types that wrote them."""
    blobs = encode_events(_events(cents=[5]), _layout({"cents": pa.int64()}), event_time="at", known_time=None)
    with pytest.raises(DataError, match="another definition"):
        decode_events([0], blobs, _layout({"cents": pa.float64()}))


def test_no_events_change_nothing() -> None:
    """No pushed event is as good as none asked for."""
    layout = _layout()
    features = [WindowFeature(name, "last", name, None) for name in TYPES]
    nothing = decode_events([], [], layout)
    assert len(nothing) == 0
    assert read_state([None], layout, features, NOON, nothing) == read_state([None], layout, features, NOON)
