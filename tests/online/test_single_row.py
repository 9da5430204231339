"""A single latest-value row is looked at where it needs no decoding, and says what decoding says."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples, microseconds
from storekeeper.history.state import decode_latest_columns, encode_latest, plan_latest
from storekeeper.online.compiled.single_row import SingleRowReader, side_by_side

TIME = pa.timestamp("us", tz="UTC")
NOON = microseconds("2017-06-14T12:00:00+00:00")
FLOATS = {f"f{number}": pa.float64() for number in range(70)}
MIXED = {"price": pa.float64(), "count": pa.int64(), "flag": pa.bool_(), "seen": TIME, "half": pa.float32()}
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "price": st.floats(allow_nan=False, allow_infinity=False),
    "count": st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "seen": st.integers(-(2**40), 2**50),
    "half": st.floats(width=32, allow_nan=False, allow_infinity=False),
}


def _blob(row: dict[str, Any], types: dict[str, pa.DataType]) -> bytes:
    columns = {name: pa.array([row.get(name)], type_) for name, type_ in types.items()}
    times = pa.array([NOON], TIME)
    table = pa.table({"at": times, **columns})
    return encode_latest(table, plan_latest(types), event_time="at", known_time=None)[0]


@given(st.fixed_dictionaries({name: st.none() | values for name, values in _VALUES.items()}), st.permutations([*MIXED]))
@examples()
def test_values_are_those_of_decoding(row: dict[str, Any], features: list[str]) -> None:
    """Any row without a null, and any choice of its features: the same arrays; one with a null is left to decoding."""
    layout, blob, chosen = plan_latest(MIXED), _blob(row, MIXED), tuple(features[:3])
    found = SingleRowReader(layout, chosen, 0).answer(blob, NOON)
    assert (found is None) == (None in row.values())
    expected = decode_latest_columns([blob], layout)
    for name, values in () if found is None else found.arrays():
        assert values.dtype == expected.values[name].dtype
        assert values.tolist() == expected.values[name].tolist()
        assert found is not None
        assert found.column(name).null is None
    assert found is None or tuple(name for name, _ in found.arrays()) == chosen


@pytest.mark.parametrize("nulls", [[], ["f0"], ["f0", "f69"]])
def test_floats_say_themselves_that_they_are_null(nulls: list[str]) -> None:
    """A row of floats is looked at with its nulls, beyond 64 features too; rows lie side by side."""
    layout = plan_latest(FLOATS)
    blob = _blob({name: None if name in nulls else 1.5 for name in FLOATS}, FLOATS)
    found = SingleRowReader(layout, tuple(FLOATS), 0).answer(blob, NOON)
    assert found is not None
    assert {name for name in FLOATS if found.column(name).null is not None} == set(nulls)
    assert {name for name, values in found.arrays() if np.isnan(values[0])} == set(nulls)
    assert found.floats is not None
    joined = [values.item() for values in side_by_side([found.floats, found.floats])]
    assert joined == pytest.approx([values.item() for _, values in found.arrays()] * 2, nan_ok=True)
    assert (found.event_us, found.seen) == (np.array([NOON]), np.array([True]))


@pytest.mark.parametrize(
    ("now_us", "ttl_us", "is_current"),
    [(NOON, 0, True), (NOON - 1, 0, False), (NOON + 5, 5, True), (NOON + 6, 5, False), (NOON + 6, 0, True)],
)
def test_only_a_current_row_is_looked_at(now_us: int, ttl_us: int, is_current: bool) -> None:
    """What is later than now, or older than its ttl, is left to decoding, which refuses or hides it."""
    reader = SingleRowReader(plan_latest(MIXED), tuple(MIXED), ttl_us)
    blob = _blob({"price": 1.0, "count": 2, "flag": True, "seen": 3, "half": 0.5}, MIXED)
    assert (reader.answer(blob, now_us) is not None) is is_current
    assert reader.answer(None, now_us) is None
    assert reader.answer(blob[:-8], now_us) is None
    assert reader.answer(bytes(len(blob)), now_us) is None


def test_texts_are_decoded() -> None:
    """A view with a text is left to decoding."""
    types = {"word": pa.string(), "price": pa.float64()}
    reader = SingleRowReader(plan_latest(types), ("price",), 0)
    assert reader.answer(_blob({"word": "", "price": 1.0}, types), NOON) is None
    nothing = plan_latest({})
    assert SingleRowReader(nothing, (), 0).answer(_blob({}, {}), NOON) is None
