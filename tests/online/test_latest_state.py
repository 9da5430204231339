"""State of latest-value views: every type comes back as it went in, and time rules hold at read."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.errors import DataError, DefinitionError
from storekeeper.history.state import decode_latest, encode_latest, plan_latest

TIME = pa.timestamp("us", tz="UTC")
DAY_US = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = datetime(2017, 6, 14, 15, 9, 26, 535897, tzinfo=UTC)

_INTS = st.integers(-(2**63), 2**63 - 1)
_MOMENTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(
    lambda us: EPOCH + timedelta(microseconds=us)
)
SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), _INTS),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.float32(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]))),
    (pa.binary(), st.binary()),
    (TIME, _MOMENTS),
]
TYPES = [*SCALARS, *[(pa.list_(type_), st.lists(values, max_size=5)) for type_, values in SCALARS]]


@st.composite
def rows(draw: st.DrawFn) -> pa.Table:
    """Rows of any types, with nulls."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=6))
    count = draw(st.integers(0, 5))
    columns = {
        f"feature {i}": pa.array(draw(st.lists(st.none() | values, min_size=count, max_size=count)), type_)
        for i, (type_, values) in enumerate(types)
    }
    return pa.table({"at": pa.array([MOMENT] * count, TIME), **columns})


def _layout(table: pa.Table) -> Any:
    return plan_latest({name: table.schema.field(name).type for name in table.column_names if name != "at"})


@given(rows())
@examples(3)
def test_every_type_comes_back(table: pa.Table) -> None:
    """Values of every type, lists, nulls and unicode are read as they were written; unseen entities are null."""
    layout = _layout(table)
    blobs = encode_latest(table, layout, event_time="at", known_time=None)
    found = decode_latest([*blobs, None], layout)
    assert found.seen.tolist() == [True] * len(blobs) + [False]
    for name in layout.types:
        assert found.features[name].type == table[name].type
        assert found.features[name].to_pylist() == [*table[name].to_pylist(), None]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (pa.int64(), 2**53 + 1),
        (pa.int64(), -(2**63)),
        (pa.float64(), 5e-324),
        (pa.string(), ""),
        (pa.string(), "🛒 ß\x00 e\u0301"),
        (pa.binary(), b""),
        (pa.binary(), bytes(range(256))),
        (pa.list_(pa.int64()), []),
        (pa.list_(pa.int64()), [2**60 + 1, None, -1]),
        (pa.list_(pa.string()), ["", None, "ü"]),
        (pa.list_(pa.bool_()), [True, None, False]),
        (pa.list_(TIME), [MOMENT]),
        (TIME, datetime(1, 1, 1, tzinfo=UTC)),
        (TIME, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (pa.date32(), date(2016, 2, 29)),
    ],
    ids=str,
)
def test_awkward_values_come_back(type_: pa.DataType, value: Any) -> None:
    """Values at the ends of their types are kept exactly, beside a null."""
    table = pa.table({"at": pa.array([MOMENT] * 2, TIME), "feature": pa.array([value, None], type_)})
    layout = _layout(table)
    found = decode_latest(encode_latest(table, layout, event_time="at", known_time=None), layout)
    assert found.features["feature"].to_pylist() == [value, None]


def _one(age_us: int, known_after_us: int = 0) -> tuple[list[bytes], Any, int]:
    table = pa.table(
        {"at": pa.array([MOMENT], TIME), "known": pa.array([MOMENT], TIME), "feature": pa.array([7], pa.int64())}
    )
    now_us = int(table["at"].cast(pa.int64())[0].as_py()) + age_us
    known = table["known"].cast(pa.int64()).to_pylist()[0] + known_after_us
    table = table.set_column(1, "known", pa.array([known], pa.int64()).cast(TIME))
    layout = plan_latest({"feature": pa.int64()})
    return encode_latest(table, layout, event_time="at", known_time="known"), layout, now_us


@pytest.mark.parametrize(("age_us", "value"), [(DAY_US - 1, 7), (DAY_US, 7), (DAY_US + 1, None)])
def test_ttl_holds_at_read(age_us: int, value: int | None) -> None:
    """A row exactly as old as its ttl still counts; a microsecond later it is null (rule 5)."""
    blobs, layout, now_us = _one(age_us)
    assert decode_latest(blobs, layout, ttl_us=DAY_US, now_us=now_us).features["feature"].to_pylist() == [value]


@pytest.mark.parametrize(("age_us", "known_after_us"), [(-1, 0), (5, 6)])
def test_rows_of_the_future_are_refused(age_us: int, known_after_us: int) -> None:
    """A row that happened, or was known, later than the clock shows is an error, not a leak."""
    blobs, layout, now_us = _one(age_us, known_after_us)
    with pytest.raises(DataError, match="later"):
        decode_latest(blobs, layout, now_us=now_us)


def test_state_of_another_definition_is_refused() -> None:
    """A blob is read only with the layout that wrote it."""
    blobs, _, _ = _one(0)
    with pytest.raises(DataError, match=r"another definition.*Materialise"):
        decode_latest(blobs, plan_latest({"feature": pa.float64()}))


def test_state_of_another_format_is_refused() -> None:
    """A blob of another format version says so."""
    blobs, layout, _ = _one(0)
    other = bytearray(blobs[0])
    other[4] += 1
    with pytest.raises(DataError, match=r"format version 3 where this release reads 1 and 2"):
        decode_latest([bytes(other)], layout)


def test_types_that_cannot_be_kept_are_refused() -> None:
    """A map is no feature that the online store keeps; the message names those that are."""
    with pytest.raises(DefinitionError, match="int, float, bool"):
        plan_latest({"feature": pa.map_(pa.string(), pa.int64())})


@pytest.mark.parametrize(
    "others",
    [{"b": pa.int64()}, {"a": pa.int32()}, {"a": pa.int64(), "b": pa.int64()}, {"a": pa.list_(pa.int64())}],
    ids=str,
)
def test_fingerprints_tell_layouts_apart(others: dict[str, pa.DataType]) -> None:
    """Another name, type or number of features is another layout."""
    assert plan_latest({"a": pa.int64()}).fingerprint != plan_latest(others).fingerprint
    assert plan_latest(others).fingerprint == plan_latest(dict(others)).fingerprint
