"""The bytes of state: a change of format is noticed here before it meets stored state."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from oracle.features import DAY_US, HOUR_US
from oracle.shops import microseconds
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.state import (
    build_state,
    decode_latest,
    encode_latest,
    plan_latest,
    plan_state,
    read_state,
    row_times,
)
from storekeeper.history.state.words import section

TIME = pa.timestamp("us", tz="UTC")
UNTIL = microseconds("2017-06-14T12:00:00+00:00")
FEATURES = [
    WindowFeature("n", "count", "", DAY_US),
    WindowFeature("spend", "sum", "cents", DAY_US),
    WindowFeature("average", "mean", "cents", DAY_US),
    WindowFeature("spread", "std", "price", DAY_US),
    WindowFeature("words", "count_distinct", "word", 7 * DAY_US),
    WindowFeature("last", "last_n(2)", "word", None),
]
TYPES = {"cents": pa.int64(), "price": pa.float64(), "word": pa.string()}
EVENTS = pa.table(
    {
        "key": pa.array([1, 1, 1], pa.int64()),
        "at": pa.array([UNTIL - 2 * HOUR_US, UNTIL - HOUR_US, UNTIL - HOUR_US], TIME),
        "cents": pa.array([5, None, 7], pa.int64()),
        "price": pa.array([0.5, 1.5, None], pa.float64()),
        "word": pa.array(["b", "ä", "b"], pa.string()),
    }
)
WINDOWED = (
    "d4bbe13101000000 00d0a34aea510500 0200000000000000 0200000000000000 0200000000000000 0200000000000000 "
    "00887c9de8510500 0100000000000000 0000000000001440 0100000000000000 0500000000000000 0000000000000000 "
    "000000000000e03f 0000000000000000 0100000000000000 002c1074e9510500 0200000000000000 0000000000001c40 "
    "0100000000000000 0700000000000000 0000000000000000 000000000000f83f 0000000000000000 0100000000000000 "
    "0000000000000000 002c1074e9510500 0100000000000000 002c1074e9510500 002c1074e9510500 0100000000000000 "
    "002c1074e9510500 0000000000000000 0100000000000000 0200000000000000 62c3a40000000000 "
)
# Of every kind of column and function, as version 1 keeps it and, with knowledge times, version 2.
MANY = [
    *FEATURES,
    WindowFeature("first word", "first", "word", 7 * DAY_US),
    WindowFeature("least", "min", "word", None),
    WindowFeature("first price", "first", "price", 7 * DAY_US),
    WindowFeature("seen", "max", "seen at", DAY_US),
    WindowFeature("flag", "last", "flag", None),
    WindowFeature("age", "seconds_since_first", "", None),
    WindowFeature("gap", "seconds_since_last", "cents", 7 * DAY_US),
]
MANY_TYPES = {**TYPES, "seen at": TIME, "flag": pa.bool_()}
MANY_EVENTS = pa.table(
    {
        "key": pa.array([1] * 4, pa.int64()),
        "at": pa.array([UNTIL - hours * HOUR_US for hours in (30, 2, 1, 1)], TIME),
        "known": pa.array([UNTIL - 30 * HOUR_US, UNTIL - 2 * HOUR_US, UNTIL - 1, UNTIL - HOUR_US], TIME),
        "cents": pa.array([5, None, 7, -2], pa.int64()),
        "price": pa.array([0.5, 1.5, None, 1e9], pa.float64()),
        "word": pa.array(["b", "ä", "b", None], pa.string()),
        "seen at": pa.array([None, UNTIL, 1, -1], TIME),
        "flag": pa.array([True, None, False, None], pa.bool_()),
    }
)
MANY_VALUES = {
    "n": 3, "spend": 5, "average": 2.5, "spread": 499999999.25, "words": 2, "last": ["ä", "b"], "first word": "b",
    "least": "b", "first price": 0.5, "seen": datetime(2017, 6, 14, 12, tzinfo=UTC), "flag": False, "age": 108000.0,
    "gap": 3600.0,
}  # fmt: skip
MANY_1 = (
    "39dca61d01000000 00d0a34aea510500 0100000000000000 0300000000000000 0200000000000000 0100000000000000 "
    "0100000000000000 0200000000000000 0200000000000000 00000000000000c0 00985625d1510500 0400000000000000 "
    "0000000000000000 0300000000000000 00985625d1510500 0100000000000000 0000000000001440 0100000000000000 "
    "0500000000000000 000000000000e03f 00985625d1510500 0000000000000000 000000000000e03f 0000000000000000 "
    "0100000000000000 0000000000000000 0000000000000000 0000000000000000 00985625d1510500 0100000000000000 "
    "00887c9de8510500 0100000000000000 0000000000000000 0000000000000000 0000000000000000 000000000000f83f "
    "00887c9de8510500 0000000000000000 000000000000f83f 0000000000000000 0100000000000000 00d0a34aea510500 "
    "0100000000000000 0100000000000000 00887c9de8510500 0100000000000000 002c1074e9510500 0200000000000000 "
    "0000000000001440 0200000000000000 0500000000000000 0000000065cdcd41 002c1074e9510500 0000000000000000 "
    "0000000065cdcd41 0000000000000000 0100000000000000 0100000000000000 0200000000000000 0000000000000000 "
    "002c1074e9510500 0100000000000000 0000000000000000 002c1074e9510500 0100000000000000 00887c9de8510500 "
    "002c1074e9510500 feffffffffffffff 002c1074e9510500 0000000000000000 00887c9de8510500 0100000000000000 "
    "002c1074e9510500 0000000000000000 0100000000000000 0200000000000000 62c3a40000000000 "
)
MANY_2 = (
    "39dca61d02000000 00d0a34aea510500 0100000000000000 0300000000000000 0200000000000000 0100000000000000 "
    "0100000000000000 0200000000000000 0200000000000000 0300000000000000 0100000000000000 0100000000000000 "
    "0200000000000000 00000000000000c0 00985625d1510500 0400000000000000 0000000000000000 0300000000000000 "
    "00985625d1510500 0100000000000000 0000000000001440 0100000000000000 0500000000000000 000000000000e03f "
    "00985625d1510500 0000000000000000 000000000000e03f 0000000000000000 0100000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 00985625d1510500 0100000000000000 00887c9de8510500 0100000000000000 "
    "0000000000000000 0000000000000000 0000000000000000 000000000000f83f 00887c9de8510500 0000000000000000 "
    "000000000000f83f 0000000000000000 0100000000000000 00d0a34aea510500 0100000000000000 0100000000000000 "
    "00887c9de8510500 0100000000000000 002c1074e9510500 0200000000000000 0000000000001440 0200000000000000 "
    "0500000000000000 0000000065cdcd41 002c1074e9510500 0000000000000000 0000000065cdcd41 0000000000000000 "
    "0100000000000000 0100000000000000 0200000000000000 0000000000000000 002c1074e9510500 0100000000000000 "
    "0000000000000000 002c1074e9510500 0100000000000000 00887c9de8510500 002c1074e9510500 0700000000000000 "
    "002c1074e9510500 0000000000000000 00887c9de8510500 0100000000000000 002c1074e9510500 0000000000000000 "
    "0100000000000000 0200000000000000 00985625d1510500 00985625d1510500 00887c9de8510500 00887c9de8510500 "
    "002c1074e9510500 ffcfa34aea510500 ffcfa34aea510500 ffcfa34aea510500 00887c9de8510500 ffcfa34aea510500 "
    "62c3a40000000000 "
)

LATEST_TYPES = {
    "flag": pa.bool_(),
    "count": pa.int64(),
    "price": pa.float64(),
    "seen": TIME,
    "day": pa.date32(),
    "word": pa.string(),
    "raw": pa.binary(),
    "tags": pa.list_(pa.int32()),
    "words": pa.list_(pa.string()),
}
MOMENT = datetime(2017, 6, 14, 15, 9, 26, 535897, tzinfo=UTC)
LATEST_VALUES: list[dict[str, Any]] = [
    {
        "flag": True, "count": -(2**63), "price": -0.5, "seen": MOMENT, "day": date(2016, 2, 29), "word": "ß🛒",
        "raw": b"\x00\xff", "tags": [1, None, -1], "words": ["a", None, ""],
    },
    dict.fromkeys(LATEST_TYPES),
]  # fmt: skip
LATEST_KNOWN = [MOMENT + timedelta(hours=1), None]
# As releases before the second format wrote them, lists as Arrow streams.
LATEST_1 = [
    (
        "1174482901000000 0000000000000000 0100000000000000 d96223f0ec510500 d906b7c6ed510500 0100000000000000 "
        "0100000000000000 0100000000000000 0000000000000080 0100000000000000 000000000000e0bf 0100000000000000 "
        "d96223f0ec510500 0100000000000000 00807654dd2c0500 0100000000000000 0600000000000000 0100000000000000 "
        "0200000000000000 0100000000000000 3801000000000000 0100000000000000 4001000000000000 c39ff09f9b9200ff "
        "ffffffff80000000 1000000000000a00 0c00060005000800 0a00000000010400 0c00000008000800 0000040008000000 "
        "0400000001000000 1400000010001400 0800060007000c00 0000100010000000 0000010210000000 2000000004000000 "
        "0000000004000000 6974656d00000000 08000c0008000700 0800000000000001 2000000000000000 ffffffff88000000 "
        "1400000000000000 0c00160006000500 08000c000c000000 0003040018000000 1800000000000000 00000a0018000c00 "
        "040008000a000000 3c00000010000000 0300000000000000 0000000002000000 0000000000000000 0100000000000000 "
        "0800000000000000 0c00000000000000 0000000001000000 0300000000000000 0100000000000000 0500000000000000 "
        "0100000000000000 ffffffff00000000 ffffffff00000000 ffffffff70000000 1000000000000a00 0c00060005000800 "
        "0a00000000010400 0c00000008000800 0000040008000000 0400000001000000 1400000010001400 0800060007000c00 "
        "0000100010000000 0000010510000000 1c00000004000000 0000000004000000 6974656d00000000 0400040004000000 "
        "ffffffff98000000 1400000000000000 0c00160006000500 08000c000c000000 0003040018000000 2000000000000000 "
        "00000a0018000c00 040008000a000000 4c00000010000000 0300000000000000 0000000003000000 0000000000000000 "
        "0100000000000000 0800000000000000 1000000000000000 1800000000000000 0100000000000000 0000000001000000 "
        "0300000000000000 0100000000000000 0500000000000000 0000000001000000 0100000001000000 6100000000000000 "
        "ffffffff00000000 "
    ),
    (
        "1174482901000000 0000000000000000 0100000000000000 d96223f0ec510500 d96223f0ec510500 0000000000000000 "
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    ),
]
LATEST_2 = [
    (
        "1174482902000000 d96223f0ec510500 d906b7c6ed510500 0000000000000000 0100000000000000 0000000000000080 "
        "000000000000e0bf d96223f0ec510500 00807654dd2c0500 0600000000000000 0200000000000000 2800000000000000 "
        "2900000000000000 c39ff09f9b9200ff 0700000000000000 0200000000000000 0100000000000000 0000000000000000 "
        "ffffffffffffffff 0700000000000000 0200000000000000 0100000000000000 0000000000000000 0000000000000000 "
        "6100000000000000 "
    ),
    (
        "1174482902000000 d96223f0ec510500 d96223f0ec510500 ff01000000000000 0000000000000000 0000000000000000 "
        "000000000000f87f 0000000000000080 0000000000000080 0000000000000000 0000000000000000 0000000000000000 "
        "0000000000000000 "
    ),
]


def _windowed_blob(until_us: int = UNTIL) -> bytes:
    layout = plan_state(FEATURES, TYPES)
    built = build_state(EVENTS, layout, keys=["key"], event_time="at", until_us=until_us)
    return built.blobs[0]


def test_windowed_state_is_these_bytes() -> None:
    """A small shop's state is byte for byte what it was; a new format needs a new FORMAT_VERSION."""
    assert _windowed_blob().hex() == WINDOWED.replace(" ", "")


@pytest.mark.parametrize(("known", "expected"), [(None, MANY_1), ("known", MANY_2)], ids=["version 1", "version 2"])
def test_state_of_every_function_is_these_bytes(known: str | None, expected: str) -> None:
    """So is that of every kind of column; where knowledge times may differ from event times, in format version 2."""
    layout = plan_state(MANY, MANY_TYPES)
    built = build_state(MANY_EVENTS, layout, keys=["key"], event_time="at", until_us=UNTIL, known_time=known)
    assert built.blobs[0].hex() == expected.replace(" ", "")


def _latest_table() -> pa.Table:
    columns = {name: pa.array([row[name] for row in LATEST_VALUES], type_) for name, type_ in LATEST_TYPES.items()}
    return pa.table({"at": pa.array([MOMENT] * 2, TIME), "known": pa.array(LATEST_KNOWN, TIME), **columns})


def test_latest_state_is_these_bytes() -> None:
    """The same for a latest-value view, a row of every type and one of nulls."""
    blobs = encode_latest(_latest_table(), plan_latest(LATEST_TYPES), event_time="at", known_time="known")
    assert [blob.hex() for blob in blobs] == [text.replace(" ", "") for text in LATEST_2]


@pytest.mark.parametrize("stored", [LATEST_1, LATEST_2, [LATEST_1[0], LATEST_2[1]], [LATEST_2[0], LATEST_1[1]]])
def test_stored_rows_of_any_version_are_read(stored: list[str]) -> None:
    """Rows that were stored in the first format are read, also beside rows of the second."""
    blobs = [bytes.fromhex(text) for text in stored]
    found = decode_latest([*blobs, None, blobs[0]], plan_latest(LATEST_TYPES))
    assert found.features.to_pylist() == [*LATEST_VALUES, dict.fromkeys(LATEST_TYPES), LATEST_VALUES[0]]
    assert found.seen.tolist() == [True, True, False, True]
    moment = microseconds(MOMENT.isoformat())
    assert found.event_time[:2].tolist() == [moment] * 2
    assert found.known_time[:2].tolist() == [moment + HOUR_US, moment]
    assert [row_times(blob) for blob in blobs] == [(moment, moment + HOUR_US), (moment, moment)]


@pytest.mark.parametrize("stored", [[MANY_1], [MANY_2], [MANY_1, MANY_2, MANY_1], [MANY_2, MANY_1]])
def test_windowed_state_of_any_version_is_read(stored: list[str]) -> None:
    """State of the first format is read, also beside state of the second."""
    layout = plan_state(MANY, MANY_TYPES)
    found = read_state([bytes.fromhex(text) for text in stored], layout, MANY, UNTIL)
    assert found.to_pylist() == [MANY_VALUES] * len(stored)


@pytest.mark.parametrize("count", [1, 2])
def test_state_of_a_newer_release_is_refused(count: int) -> None:
    """A format version that this release doesn't know is an error that says what to do, whichever view it is of."""
    expected = r"format version 3 where this release reads 1 and 2\. Materialise the view again"
    windowed, latest = bytearray.fromhex(MANY_2), bytearray.fromhex(LATEST_2[0])
    windowed[4] = latest[4] = 3
    others = [MANY_1] * (count - 1), [LATEST_1[0]] * (count - 1)
    with pytest.raises(DataError, match=expected):
        read_state([*map(bytes.fromhex, others[0]), bytes(windowed)], plan_state(MANY, MANY_TYPES), MANY, UNTIL)
    with pytest.raises(DataError, match=expected):
        decode_latest([*map(bytes.fromhex, others[1]), bytes(latest)], plan_latest(LATEST_TYPES))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kept", [0, 8, 80, 120, 600])
def test_state_that_was_cut_short_is_refused(kept: int, count: int) -> None:
    """A blob that lost its end is an error, not some other features."""
    blobs = [bytes.fromhex(MANY_2)] * (count - 1) + [bytes.fromhex(MANY_2)[:kept]]
    with pytest.raises(DataError, match="Materialise the view again"):
        read_state(blobs, plan_state(MANY, MANY_TYPES), MANY, UNTIL)
    rows = [bytes.fromhex(LATEST_2[0])] * (count - 1) + [bytes.fromhex(LATEST_2[0])[: kept // 8]]
    with pytest.raises(DataError, match="Materialise the view again"):
        decode_latest(rows, plan_latest(LATEST_TYPES))


def test_stored_bytes_are_still_read() -> None:
    """State that was stored as those bytes gives the features that it was built for."""
    found = read_state([bytes.fromhex(WINDOWED)], plan_state(FEATURES, TYPES), FEATURES, UNTIL)
    assert found.to_pylist() == [
        {"n": 3, "spend": 12, "average": 6.0, "spread": 0.5, "words": 2, "last": ["ä", "b"]},
    ]


def test_state_built_later_than_now_is_refused() -> None:
    """State never answers for a time before it was built, not by a microsecond."""
    layout = plan_state(FEATURES, TYPES)
    read_state([_windowed_blob()], layout, FEATURES, UNTIL)
    with pytest.raises(DataError, match="later time than the clock"):
        read_state([_windowed_blob()], layout, FEATURES, UNTIL - 1)


def test_state_is_the_same_however_rows_lie() -> None:
    """The same events in another order, or rebuilt, give the same bytes."""
    layout = plan_state(FEATURES, TYPES)
    again = build_state(EVENTS.take([1, 0, 2]), layout, keys=["key"], event_time="at", until_us=UNTIL)
    assert again.blobs[0] == _windowed_blob()


def test_only_what_a_window_reaches_is_kept() -> None:
    """A thousand days of events leave a state no larger than the longest window needs."""
    features = [WindowFeature("n", "count", "", 7 * DAY_US)]
    layout = plan_state(features, {})

    def size(days: int) -> int:
        times = UNTIL - 1 - np.arange(days * 24) * HOUR_US
        events = pa.table({"key": pa.array([1] * len(times)), "at": pa.array(times, pa.int64()).cast(TIME)})
        return len(build_state(events, layout, keys=["key"], event_time="at", until_us=UNTIL).blobs[0])

    assert size(1000) == size(10)


def test_no_entities_need_no_state() -> None:
    """Unseen entities have empty windows (rule 11), and nobody at all gives an empty table of the same columns."""
    layout = plan_state(FEATURES, TYPES)
    empty = {"n": 0, "spend": 0, "average": None, "spread": None, "words": 0, "last": []}
    assert read_state([None, None], layout, FEATURES, UNTIL).to_pylist() == [empty, empty]
    nobody = read_state([], layout, FEATURES, UNTIL)
    assert nobody.num_rows == 0
    assert nobody.schema == read_state([None], layout, FEATURES, UNTIL).schema
    assert nobody.schema == read_state([_windowed_blob()], layout, FEATURES, UNTIL).schema


def test_seen_and_unseen_entities_keep_their_places() -> None:
    """Answers stand where their entities stood, repeated ones too."""
    blob = _windowed_blob()
    found = read_state([None, blob, None, blob], plan_state(FEATURES, TYPES), FEATURES, UNTIL)
    assert found["n"].to_pylist() == [0, 3, 0, 3]
    assert found["last"].to_pylist() == [[], ["ä", "b"], [], ["ä", "b"]]


@pytest.mark.parametrize(
    "changed",
    [
        replace(FEATURES[0], window_us=2 * DAY_US),
        replace(FEATURES[0], hop_us=2 * HOUR_US),
        replace(FEATURES[0], function="seconds_since_first"),
        replace(FEATURES[5], function="last_n(3)"),
        replace(FEATURES[5], column="cents"),
    ],
    ids=str,
)
def test_fingerprints_tell_windows_apart(changed: WindowFeature) -> None:
    """A changed window, hop, function, length or column refuses the state of before."""
    features = [changed if feature.name == changed.name else feature for feature in FEATURES]
    layout = plan_state(features, TYPES)
    with pytest.raises(DataError, match="another definition"):
        read_state([_windowed_blob()], layout, features, UNTIL)


def test_types_tell_layouts_apart() -> None:
    """A column that becomes another type refuses the state of before."""
    layout = plan_state(FEATURES, {**TYPES, "cents": pa.float64()})
    with pytest.raises(DataError, match="another definition"):
        read_state([_windowed_blob()], layout, FEATURES, UNTIL)


def test_sections_keep_the_bits_of_floats() -> None:
    """Floats are stored as their bits, so that the smallest and the negative zero survive."""
    values = np.array([5e-324, -0.0, 1e308])
    kept = section([values], np.array([0, 3])).floats(0)
    assert kept.tobytes() == values.tobytes()


def test_state_of_an_entity_is_its_own() -> None:
    """What an entity's blob holds doesn't depend on whom it was built beside, null tiles and texts included."""
    layout = plan_state(MANY, MANY_TYPES)
    others = MANY_EVENTS.set_column(0, "key", pa.array([0, 0, 2, 3], pa.int64()))
    others = others.set_column(5, "word", pa.array(["zz", "a", None, "c"], pa.string()))
    nulls = {name: pa.nulls(1, type_) for name, type_ in MANY_TYPES.items()}
    nothing = pa.table({"key": [1], "at": pa.array([UNTIL - 5 * HOUR_US], TIME), "known": pa.nulls(1, TIME), **nulls})
    alone = pa.concat_tables([MANY_EVENTS, nothing.select(MANY_EVENTS.column_names)])
    for known in (None, "known"):
        built = [
            build_state(table, layout, keys=["key"], event_time="at", until_us=UNTIL, known_time=known)
            for table in (alone, pa.concat_tables([others, alone]))
        ]
        place = built[1].keys["key"].to_pylist().index(1)
        assert built[0].blobs == [built[1].blobs[place]]
