"""A state reader answers alike in both of its ways, refuses alike, and chooses by a rule."""

from typing import Any

import pyarrow as pa
import pytest

from online.state_ways import WAYS, read_by
from oracle.features import DAY_US, HOUR_US
from oracle.shops import microseconds
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.state import StateReader, build_state, encode_events, plan_state, reader
from storekeeper.history.state.reader import FEW_BYTES, FEW_ENTITIES, FEW_EVENTS, is_few

TIME = pa.timestamp("us", tz="UTC")
NOON = microseconds("2017-06-14T12:00:00+00:00")
TYPES: dict[str, pa.DataType] = {"cents": pa.int64(), "price": pa.float64(), "word": pa.string(), "seen": TIME}
FEATURES = [
    WindowFeature(f"{function} {column} {window}", function, column, window)
    for window in (DAY_US, 7 * DAY_US, None)
    for function, column in [
        ("count", ""), ("sum", "cents"), ("std", "price"), ("max", "word"), ("first", "word"), ("last", "seen"),
        ("last_n(3)", "seen"), ("count_distinct", "word"),
    ]
]  # fmt: skip
LAYOUT = plan_state(FEATURES, TYPES)


def _events(count: int, until_us: int, known_after_us: int | None = None) -> pa.Table:
    times = [until_us - (1 + 7 * number) * HOUR_US for number in range(count)]
    columns: dict[str, Any] = {
        "cents": range(count),
        "price": [number / 3 for number in range(count)],
        "word": [f"wörd {number % 4}" for number in range(count)],
        "seen": pa.array(times, TIME),
    }
    table = pa.table({"key": [1] * count, "at": pa.array(times, TIME), **columns})
    known = None if known_after_us is None else [at + known_after_us for at in times]
    return table if known is None else table.append_column("known", pa.array(known, TIME))


def _blob(known_after_us: int | None = None) -> bytes:
    known = None if known_after_us is None else "known"
    table = _events(30, NOON, known_after_us)
    return build_state(table, LAYOUT, keys=["key"], event_time="at", until_us=NOON, known_time=known).blobs[0]


PUSHED = encode_events(_events(3, NOON + DAY_US), LAYOUT, event_time="at", known_time=None)


@pytest.mark.parametrize("known_after_us", [None, 0, HOUR_US])
@pytest.mark.parametrize("entities", [1, 2, FEW_ENTITIES, FEW_ENTITIES + 1])
def test_the_way_does_not_matter(entities: int, known_after_us: int | None) -> None:
    """State of either format, unseen entities and pushed events of some: all ways say the same."""
    blobs = [None if number % 3 == 2 else _blob(known_after_us) for number in range(entities)]
    owners, pushed = [0, 0, entities - 1], PUSHED
    tables = [read_by(way, blobs, LAYOUT, FEATURES, NOON + DAY_US, owners, pushed) for way in WAYS]
    exact = [feature.name for feature in FEATURES if feature.function != "std"]
    for table in tables[1:]:
        assert table.select(exact).to_pylist() == tables[0].select(exact).to_pylist()
        for feature in FEATURES:
            if feature.function == "std":
                theirs = tables[0][feature.name]
                assert table[feature.name].is_null() == theirs.is_null()
                assert table[feature.name].drop_null().to_pylist() == pytest.approx(theirs.drop_null().to_pylist())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kept", [0, 7, 8, 80, 121, 600])
def test_blobs_that_were_cut_short_are_refused(way: str, kept: int) -> None:
    """A blob that lost its end is an error in every way, not some other features."""
    with pytest.raises(DataError, match="cut short"):
        read_by(way, [_blob(HOUR_US)[:kept]], LAYOUT, FEATURES, NOON)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_this_views_state_is_refused(way: str) -> None:
    """Another definition, a newer format, and a time before the state's are errors in every way."""
    other = plan_state(FEATURES[:5], TYPES)
    with pytest.raises(DataError, match="another definition"):
        read_by(way, [_blob()], other, FEATURES[:5], NOON)
    newer = bytearray(_blob())
    newer[4] = 9
    with pytest.raises(DataError, match="format version 9"):
        read_by(way, [bytes(newer)], LAYOUT, FEATURES, NOON)
    with pytest.raises(DataError, match="later time than the clock"):
        read_by(way, [_blob()], LAYOUT, FEATURES, NOON - 1)


@pytest.mark.parametrize("way", WAYS)
def test_events_that_were_cut_short_or_are_of_other_columns_are_refused(way: str) -> None:
    """A pushed event is checked as state is."""
    with pytest.raises(DataError, match="cut short"):
        read_by(way, [None], LAYOUT, FEATURES, NOON, [0], [PUSHED[0][:40]])
    types = {**TYPES, "cents": pa.float64()}
    floats = _events(1, NOON).set_column(2, "cents", pa.array([1.0]))
    others = encode_events(floats, plan_state(FEATURES, types), event_time="at", known_time=None)
    with pytest.raises(DataError, match="another definition"):
        read_by(way, [None], LAYOUT, FEATURES, NOON, [0], others)


@pytest.mark.parametrize(
    ("entities", "size", "events", "expected"),
    [
        (0, 0, 0, True),
        (FEW_ENTITIES, FEW_BYTES // FEW_ENTITIES, FEW_EVENTS, True),
        (FEW_ENTITIES + 1, 8, 0, False),
        (1, FEW_BYTES + 1, 0, False),
        (1, 8, FEW_EVENTS + 1, False),
    ],
)
def test_few_are_read_one_by_one(entities: int, size: int, events: int, expected: bool) -> None:
    """Few entities, of few bytes and few pushed events, are read in plain Python."""
    assert is_few([bytes(size)] * entities, [b""] * events) is expected
    assert is_few([None] * min(entities, 1), []) is True


def test_python_does_not_read_words_that_lie_the_other_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a big-endian processor NumPy reads everything."""
    monkeypatch.setattr(reader.sys, "byteorder", "big")
    assert is_few([b""], []) is False


def test_a_reader_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """`columns` answers in the way that the rule says."""
    made = StateReader(LAYOUT, FEATURES)
    monkeypatch.setattr(made, "all_at_once", lambda *_: "all at once")
    monkeypatch.setattr(made, "one_by_one", lambda *_: "one by one")
    assert made.columns([None], NOON) == "one by one"
    assert made.columns([None] * (FEW_ENTITIES + 1), NOON) == "all at once"
