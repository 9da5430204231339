"""Latest values as NumPy columns: dtypes, nulls, unseen and expired rows, without a copy of what has a fixed width."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples, microseconds
from storekeeper.errors import DataError
from storekeeper.history.state import LatestLayout, decode_latest, decode_latest_columns, encode_latest, plan_latest

TIME = pa.timestamp("us", tz="UTC")
MOMENT = datetime(2017, 6, 14, 12, tzinfo=UTC)
NOON = microseconds(MOMENT.isoformat())
TYPES: dict[str, pa.DataType] = {
    "price": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
    "seen": TIME,
    "word": pa.string(),
    "tags": pa.list_(pa.int64()),
    "day": pa.date32(),
    "small": pa.float32(),
}
ROW: dict[str, Any] = {
    "price": 1.5, "count": 2**60 + 1, "flag": True, "seen": MOMENT, "word": "ß", "tags": [1, None],
    "day": MOMENT.date(), "small": 0.25,
}  # fmt: skip


def _blobs(rows: list[dict[str, Any]], types: dict[str, pa.DataType] = TYPES) -> tuple[list[bytes], LatestLayout]:
    columns = {name: pa.array([row.get(name) for row in rows], type_) for name, type_ in types.items()}
    times = [MOMENT + timedelta(hours=hour) for hour in range(len(rows))]
    layout = plan_latest(types)
    return encode_latest(
        pa.table({"at": pa.array(times, TIME), **columns}), layout, event_time="at", known_time=None
    ), layout


@pytest.mark.parametrize("count", [1, 3])
def test_each_kind_has_its_own_dtype(count: int) -> None:
    """Numbers, bools and times are arrays of their own dtype, texts and lists objects; nothing is null."""
    blobs, layout = _blobs([ROW] * count)
    found = decode_latest_columns(blobs, layout)
    dtypes = {name: str(values.dtype) for name, values in found.values.items()}
    assert dtypes == {
        "price": "float64", "count": "int64", "flag": "bool", "seen": "datetime64[us]", "word": "object",
        "tags": "object", "day": "datetime64[us]", "small": "float64",
    }  # fmt: skip
    assert {name: values[-1] for name, values in found.values.items()} == ROW | {
        "seen": np.datetime64("2017-06-14T12", "us"), "day": np.datetime64("2017-06-14", "us"),
    }  # fmt: skip
    assert all(found.null(name) is None for name in TYPES)
    assert found.seen.tolist() == [True] * count
    assert len(found) == count
    assert found.event_us.tolist() == found.known_us.tolist() == [NOON + hour * 3_600_000_000 for hour in range(count)]


def test_columns_of_a_fixed_width_are_views() -> None:
    """All columns share one buffer: nothing is copied but the join of the blobs."""
    blobs, layout = _blobs([{"a": 1.0, "b": 2}] * 3, {"a": pa.float64(), "b": pa.int64()})
    found = decode_latest_columns(blobs, layout)
    bases = {id(_root(values)) for values in [*found.values.values(), found.event_us]}
    assert len(bases) == 1


def _root(values: np.ndarray) -> Any:
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values.base


def test_nulls_and_unseen_rows_have_stand_ins() -> None:
    """Null is NaN, NaT, 0, False or None, and masked; so are all features of an entity that was never seen."""
    blobs, layout = _blobs([ROW, {}])
    found = decode_latest_columns([None, *blobs], layout)
    assert found.seen.tolist() == [False, True, True]
    for name, values in found.values.items():
        null = found.null(name)
        assert null is not None
        assert null.tolist() == [True, False, True]
        for value in values[[0, 2]].tolist():
            assert value in (None, 0, False) or value != value
    assert np.isnat(found.values["seen"][0])
    assert np.isnan(found.values["price"][0])


@pytest.mark.parametrize(("name", "nulls"), [("price", [False, True]), ("count", None), ("word", None)])
def test_masks_are_of_their_own_feature(name: str, nulls: list[bool] | None) -> None:
    """A feature without nulls has no mask, whatever the others have."""
    blobs, layout = _blobs([ROW, ROW | {"price": None}])
    null = decode_latest_columns(blobs, layout).null(name)
    assert (None if null is None else null.tolist()) == nulls


@pytest.mark.parametrize("count", [63, 64, 65, 130])
def test_many_features_have_many_null_bits(count: int) -> None:
    """Beyond 64 features the null bits take further words."""
    types = {f"f{number}": pa.int64() for number in range(count)}
    rows = [{name: number for number, name in enumerate(types) if number % 3} for _ in range(2)]
    blobs, layout = _blobs(rows, types)
    found = decode_latest_columns(blobs, layout)
    assert len(blobs[0]) == 8 * (3 + -(-count // 64) + count)
    for number, name in enumerate(types):
        null = found.null(name)
        assert (null is not None and bool(null.all())) == (number % 3 == 0)
        assert found.values[name].tolist() == [number if number % 3 else 0] * 2


def test_a_view_without_features_has_rows_all_the_same() -> None:
    """Without a feature there is still whether an entity was seen."""
    blobs, layout = _blobs([{}, {}], {})
    assert decode_latest_columns([*blobs, None], layout).seen.tolist() == [True, True, False]


@pytest.mark.parametrize("ttl_hours", [1, 2, 3, 4])
def test_expired_rows_are_unseen(ttl_hours: int) -> None:
    """Rows older than their ttl are null in every column, texts too; the others keep theirs."""
    blobs, layout = _blobs([ROW | {"word": f"row {hour}"} for hour in range(4)])
    hour_us = 3_600_000_000
    found = decode_latest_columns(blobs, layout, ttl_us=ttl_hours * hour_us, now_us=NOON + 4 * hour_us)
    kept = [hour + ttl_hours >= 4 for hour in range(4)]
    assert found.seen.tolist() == kept
    assert found.values["word"].tolist() == [f"row {hour}" if keep else None for hour, keep in enumerate(kept)]
    null = found.null("price")
    assert ([True] * 4 if null is None else (~null).tolist()) == kept


@pytest.mark.parametrize("now_us", [-1, -(2**62)])
def test_unseen_rows_are_of_no_time(now_us: int) -> None:
    """Before 1970 an entity without a row is unseen, not of the future."""
    layout = plan_latest(TYPES)
    assert not decode_latest_columns([None, None], layout, ttl_us=1, now_us=now_us).seen.any()


def test_nobody_has_empty_columns() -> None:
    """No entity at all gives columns of no rows."""
    found = decode_latest_columns([], plan_latest(TYPES), ttl_us=5, now_us=NOON)
    assert [len(values) for values in found.values.values()] == [0] * len(TYPES)


def test_values_that_a_word_cannot_hold_are_refused() -> None:
    """An infinite float is refused when it is written; lists hold any float."""
    with pytest.raises(DataError, match="infinite"):
        _blobs([{"a": float("inf")}], {"a": pa.float64()})
    blobs, layout = _blobs([{"a": [float("inf"), float("nan"), None]}], {"a": pa.list_(pa.float64())})
    assert str(decode_latest_columns(blobs, layout).values["a"][0]) == "[inf, nan, None]"


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any] | None]:
    """Rows with nulls, and entities without a row."""
    value = {
        "price": st.floats(allow_nan=False, allow_infinity=False),
        "count": st.integers(-(2**63), 2**63 - 1),
        "flag": st.booleans(),
        "seen": st.datetimes(timezones=st.just(UTC)),
        "word": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "tags": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=70),
        "day": st.dates(),
        "small": st.floats(width=32, allow_nan=False, allow_infinity=False),
    }
    row = st.fixed_dictionaries({name: st.none() | values for name, values in value.items()})
    return draw(st.lists(st.none() | row, max_size=6))


@given(rows())
@examples(2)
def test_numpy_and_arrow_say_the_same(drawn: list[dict[str, Any] | None]) -> None:
    """The columns hold what the table holds, whichever entities have a row, and what was written."""
    blobs, layout = _blobs([row for row in drawn if row is not None])
    remaining = iter(blobs)
    stored = [None if row is None else next(remaining) for row in drawn]
    table = decode_latest(stored, layout).features
    assert table.to_pylist() == [dict.fromkeys(TYPES) if row is None else row for row in drawn]
    found = decode_latest_columns(stored, layout)
    for name in TYPES:
        null = found.null(name)
        expected = table[name].is_null().to_pylist()
        assert ([False] * len(drawn) if null is None else null.tolist()) == expected
    assert [found.values["count"][row] for row in range(len(drawn)) if table["count"][row].is_valid] == [
        value for value in table["count"].to_pylist() if value is not None
    ]
