"""The bytes of state: a change of format is noticed here before it meets stored state."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from oracle.features import DAY_US, HOUR_US
from oracle.shops import microseconds
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.state import build_state, encode_latest, plan_latest, plan_state, read_state
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
LATEST = (
    "1ee5800501000000 0000000000000000 0100000000000000 00887c9de8510500 00887c9de8510500 0100000000000000 "
    "0200000000000000 0000000000000000 0000000000000000 0100000000000000 3001000000000000 c3a4 "
)


def _windowed_blob(until_us: int = UNTIL) -> bytes:
    layout = plan_state(FEATURES, TYPES)
    built = build_state(EVENTS, layout, keys=["key"], event_time="at", until_us=until_us)
    return built.blobs[0]


def test_windowed_state_is_these_bytes() -> None:
    """A small shop's state is byte for byte what it was; a new format needs a new FORMAT_VERSION."""
    assert _windowed_blob().hex() == WINDOWED.replace(" ", "")


def test_latest_state_is_these_bytes() -> None:
    """The same for a latest-value view."""
    layout = plan_latest({"word": pa.string(), "cents": pa.int64(), "tags": pa.list_(pa.int32())})
    table = pa.table(
        {"at": EVENTS["at"][:1], "word": ["ä"], "cents": pa.array([None], pa.int64()), "tags": [[1, None]]},
        schema=pa.schema([("at", TIME), ("word", pa.string()), ("cents", pa.int64()), ("tags", pa.list_(pa.int32()))]),
    )
    blob = encode_latest(table, layout, event_time="at", known_time=None)[0]
    # The list is an Arrow stream, whose bytes are Arrow's business: its head and the words before it are ours.
    assert blob.hex().startswith(LATEST.replace(" ", ""))


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
