"""One example for each rule of point-in-time semantics, with values worked out by hand."""

import pyarrow as pa
import pytest

from oracle.features import DAY_US, HOUR_US, MINUTE_US
from oracle.shops import EVENT_TIME, KNOWN_TIME, TIMESTAMP, event_table, microseconds, spine_table
from oracle.small import NOON, ask, ask_latest, small_shop
from storekeeper.errors import DataError


def test_the_new_edge_is_strict_in_windows_and_inclusive_in_latest_values() -> None:
    """Rules 3 and 7: an event at the spine's time is no part of a window, yet is the latest value."""
    shop = small_shop([NOON - 1, NOON], [1, 2], [NOON - 1, NOON, NOON + 1])
    assert ask(shop, "count").to_pylist() == [0, 1, 2]
    assert ask_latest(shop) == [1, 2, 2]


@pytest.mark.parametrize(
    ("window_us", "hop_us", "edge"),
    [
        (HOUR_US, None, "2017-06-14T11:05:00+00:00"),
        (12 * HOUR_US - 1, None, "2017-06-14T00:10:00+00:00"),
        (12 * HOUR_US, None, "2017-06-14T00:00:00+00:00"),
        (12 * DAY_US - 1, None, "2017-06-02T12:00:00+00:00"),
        (12 * DAY_US, None, "2017-06-02T00:00:00+00:00"),
        (28 * DAY_US, 7 * DAY_US, "2017-05-11T00:00:00+00:00"),
        (DAY_US, 1, "2017-06-13T12:09:59.999999+00:00"),
    ],
)
def test_the_old_edge_is_aligned_to_the_hop(window_us: int, hop_us: int | None, edge: str) -> None:
    """Rule 7: the window starts at the hop's grid, and the event exactly there is inside."""
    first = microseconds(edge)
    # The grid is asked from just before 12:10, where no hop but the shortest has an edge.
    shop = small_shop([first - 1, first], [1, 2], [NOON + 10 * MINUTE_US - 1])
    assert ask(shop, "last_n(5)", window_us, hop_us).to_pylist() == [[2]]


def test_the_grid_goes_down_before_1970() -> None:
    """Rule 7: the floor is a floor on both sides of the epoch."""
    day = -3 * DAY_US
    shop = small_shop([day - 1, day, day + 1], [1, 2, 3], [day + 2 * DAY_US + 5])
    assert ask(shop, "last_n(5)", 2 * DAY_US, DAY_US).to_pylist() == [[2, 3]]


def test_a_hop_of_the_windows_length_is_chosen_anew() -> None:
    """Rule 7: Feast fills an unset hop with the window's length, so that means "choose for me" too."""
    first = microseconds("2017-06-14T11:05:00+00:00")
    shop = small_shop([first - 1, first], [1, 2], [NOON + 10 * MINUTE_US - 1])
    assert ask(shop, "last_n(5)", HOUR_US, HOUR_US).to_pylist() == [[2]]


def test_ties_go_by_knowledge_time_then_by_place() -> None:
    """Rule 4: of equal event times the one known last wins, then the one later in the source."""
    shop = small_shop([NOON] * 4, [1, 2, 3, 4], [NOON + 9], known=[NOON + 5, NOON + 7, NOON + 7, NOON + 6])
    assert ask_latest(shop, known_time=KNOWN_TIME) == [3]
    assert ask_latest(shop) == [4]
    assert ask(shop, "last_n(4)", known_time=KNOWN_TIME).to_pylist() == [[1, 4, 2, 3]]
    assert ask(shop, "last", known_time=KNOWN_TIME).to_pylist() == [3]
    assert ask(shop, "first", known_time=KNOWN_TIME).to_pylist() == [1]
    assert ask(shop, "last_n(4)").to_pylist() == [[1, 2, 3, 4]]


def test_a_null_knowledge_time_is_the_event_time() -> None:
    """Rule 6: what says nothing of its knowledge time was known when it happened, in ties and under the cut-off."""
    shop = small_shop([NOON] * 3, [1, 2, 3], [NOON + 1], known=[NOON + 1, None, NOON - 1])
    assert ask(shop, "last_n(3)", known_time=KNOWN_TIME).to_pylist() == [[3, 2, 1]]
    assert ask_latest(shop, known_time=KNOWN_TIME, cutoff=True) == [1]


def test_a_row_expires_after_its_ttl() -> None:
    """Rule 5: a row counts as long as its age is no more than the ttl, and no older one replaces it."""
    shop = small_shop([NOON - 1, NOON], [1, 2], [NOON + HOUR_US, NOON + HOUR_US + 1])
    assert ask_latest(shop, ttl_us=HOUR_US) == [2, None]
    assert ask_latest(shop, ttl_us=0) == [2, 2]


def test_what_is_known_later_is_invisible_under_the_cutoff() -> None:
    """Rule 6: rows known after the spine's time count for nothing, those known at it do."""
    shop = small_shop(
        [NOON - 3, NOON - 2, NOON - 1], [1, 2, 3], [NOON, NOON + 5, NOON + 6], known=[NOON, NOON + 6, NOON + 5]
    )
    assert ask_latest(shop, known_time=KNOWN_TIME, cutoff=True) == [1, 3, 3]
    assert ask_latest(shop, known_time=KNOWN_TIME) == [3, 3, 3]
    assert ask(shop, "sum", known_time=KNOWN_TIME, cutoff=True).to_pylist() == [1, 4, 6]
    assert ask(shop, "sum", known_time=KNOWN_TIME).to_pylist() == [6, 6, 6]


_EMPTY = [
    ("count", pa.int64(), 0), ("count_distinct", pa.int64(), 0), ("sum", pa.int64(), 0), ("last_n(2)", None, []),
    ("mean", pa.float64(), None), ("min", pa.int64(), None), ("max", pa.int64(), None), ("std", pa.float64(), None),
    ("var", pa.float64(), None), ("first", pa.int64(), None), ("last", pa.int64(), None),
    ("seconds_since_last", pa.float64(), None), ("seconds_since_first", pa.float64(), None),
]  # fmt: skip


@pytest.mark.parametrize(("function", "kind", "empty"), _EMPTY)
def test_empty_windows(function: str, kind: pa.DataType | None, empty: object) -> None:
    """Rules 9 and 11: nulls alone, an unseen customer, no key, or no events at all make an empty window."""
    nulls = pa.array([None, None], pa.int64())
    theirs = pa.array([1, 2, None], pa.int64())
    shop = small_shop([NOON, NOON], nulls, [NOON + 1] * 3, spine_keys=theirs)
    for events in (shop[0], shop[0].slice(0, 0)):
        found = ask((events, shop[1]), function)
        assert found.to_pylist() == [empty] * 3
        assert found.type == (kind or pa.list_(pa.int64()))
        assert len(ask((events, shop[1].slice(0, 0)), function)) == 0


def test_a_sum_of_no_floats_is_zero() -> None:
    """Rule 9: the empty sum of a float column is 0.0, not null."""
    found = ask(small_shop([NOON], pa.array([float("nan")]), [NOON + 1]), "sum")
    assert found.to_pylist() == [0.0]
    assert found.type == pa.float64()


def test_nulls_and_nan_are_skipped() -> None:
    """Rule 9: a null or NaN is no value, though its event is an event."""
    values = pa.array([1.0, None, float("nan"), 3.0])
    shop = small_shop([NOON, NOON + 1, NOON + 2, NOON + 3], values, [NOON + 4])
    wanted = {"count": 2, "mean": 2.0, "var": 1.0, "std": 1.0, "max": 3.0, "last_n(9)": [1.0, 3.0], "count_distinct": 2}
    for function, value in wanted.items():
        assert ask(shop, function).to_pylist() == [value]
    assert ask(shop, "count", column="").to_pylist() == [4]
    late = small_shop([NOON, NOON + 1], pa.array([1.0, None]), [NOON + 2_000_000])
    assert ask(late, "seconds_since_last").to_pylist() == [2.0]
    assert ask(late, "seconds_since_last", column="").to_pylist() == [1.999999]
    assert ask(late, "last").to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("values", "function", "kind", "value"),
    [
        (pa.array([True, True, False]), "sum", pa.int64(), 2),
        (pa.array([True, False, False]), "max", pa.bool_(), True),
        (pa.array(["b", "", "ä"]), "min", pa.string(), ""),
        (pa.array(["b", "", "ä"]), "max", pa.string(), "ä"),
        (pa.array([1, 2, 3], pa.int32()), "sum", pa.int64(), 6),
        (pa.array([1, 2, 3], pa.int32()), "max", pa.int32(), 3),
        (pa.array([2**31 - 1] * 3, pa.int32()), "sum", pa.int64(), 3 * (2**31 - 1)),
        (pa.array([2**53 + 1, None, 5]), "max", pa.int64(), 2**53 + 1),
        (pa.array([2**53 + 1, None, 1]), "sum", pa.int64(), 2**53 + 2),
    ],
)
def test_results_keep_their_types(values: pa.Array, function: str, kind: pa.DataType, value: object) -> None:
    """Rules 8 and 10: types follow the column, and integers are exact beyond 2^53, nulls or not."""
    found = ask(small_shop([NOON] * 3, values, [NOON + 1]), function)
    assert found.to_pylist() == [value]
    assert found.type == kind


def test_sums_overflow_only_by_window() -> None:
    """Rule 10: a window's sum outside int64 is refused; histories that are longer than the window never matter."""
    big = 2**62
    shop = small_shop([NOON + i * DAY_US for i in range(4)], [big] * 4, [NOON + 4 * DAY_US])
    assert ask(shop, "sum", DAY_US, 1).to_pylist() == [big]
    for window_us in (2 * DAY_US, 3 * DAY_US, None):
        with pytest.raises(DataError, match="value"):
            ask(shop, "sum", window_us, 1)
    fitting = small_shop([NOON, NOON + 1, NOON + 2], [2**63 - 1, 1, -1], [NOON + 3])
    assert ask(fitting, "sum").to_pylist() == [2**63 - 1]


def test_variance_survives_a_large_offset() -> None:
    """Rule 10: the spread of values around a billion is found to nine digits."""
    values = [1e9 + 0.25, 1e9 + 0.5, 1e9 + 0.75]
    shop = small_shop([NOON] * 3, values, [NOON + 1])
    assert ask(shop, "var").to_pylist() == [pytest.approx(1 / 24, abs=1e-9)]
    alone = ask(small_shop([NOON], [1e9 + 0.1], [NOON + 1]), "std")
    assert alone.to_pylist() == [0.0]


def test_far_values_of_others_leave_small_sums_alone() -> None:
    """Rule 10: neither another customer's 1e300, nor one's own before the window, blurs a small sum."""
    happened = [NOON - 9 * DAY_US, NOON, NOON + 1, NOON, NOON + 1]
    shop = small_shop(
        happened, [1e300, 0.1, 0.2, -1e300, 1e300], [NOON + 2], keys=pa.array([1, 1, 1, 0, 0], pa.int64())
    )  # fmt: skip
    assert ask(shop, "sum", DAY_US).to_pylist() == [pytest.approx(0.3, abs=1e-9)]
    assert ask(shop, "mean", DAY_US).to_pylist() == [pytest.approx(0.15, abs=1e-9)]


@pytest.mark.parametrize("far", [1e12, 1e18, 1e150, 1e300])
def test_far_values_of_others_leave_small_variances_alone(far: float) -> None:
    """Rule 10: neither another customer's far value, nor one's own before the window, blurs a small variance."""
    others = small_shop(
        [NOON, NOON, NOON + 1], [far, 0.5, 1.0], [NOON + 2], keys=pa.array([0, 1, 1], pa.int64())
    )  # fmt: skip
    assert ask(others, "var").to_pylist() == [pytest.approx(0.0625, abs=1e-9)]
    own = small_shop([NOON - 9 * DAY_US, NOON, NOON + 1], [far, 0.5, 1.0], [NOON + 2])
    assert ask(own, "var", DAY_US).to_pylist() == [pytest.approx(0.0625, abs=1e-9)]
    assert ask(own, "std", DAY_US).to_pylist() == [pytest.approx(0.25, abs=1e-9)]


@pytest.mark.parametrize("far", [2**40, 2**62])
def test_far_integers_leave_small_variances_alone(far: int) -> None:
    """Rule 10: the variance of integers is that of their small differences, however far from zero they are."""
    shop = small_shop([NOON - 9 * DAY_US, NOON, NOON + 1], [-far, far, far + 1], [NOON + 2])
    assert ask(shop, "var", DAY_US).to_pylist() == [pytest.approx(0.25, abs=1e-9)]


def test_composite_keys_never_collide() -> None:
    """Rule 13: parts of a key are told apart, and a null part matches nothing."""
    parts = [(1, "23"), (12, "3"), (123, ""), (None, "3"), (1, None), (3, "12")]
    table = {
        "a": pa.array([a for a, _ in parts], pa.int64()),
        "b": pa.array([b for _, b in parts], pa.string()),
    }
    events = event_table(table, [NOON] * 6, [None] * 6, {"value": pa.array([1, 2, 3, 4, 5, 6])})
    spine = spine_table(table, [NOON + 1] * 6)
    found = ask((events, spine), "last_n(9)", keys=["a", "b"])
    assert found.to_pylist() == [[1], [2], [3], [], [], [6]]


def test_a_null_key_is_no_empty_string_and_no_zero() -> None:
    """Rule 13: null join keys match neither each other nor the value that fills their place."""
    for pool in (pa.array(["", None]), pa.array([0, None], pa.int64()), pa.array([-1, None], pa.int64())):
        shop = small_shop([NOON, NOON], [1, 2], [NOON + 1] * 2, keys=pool, spine_keys=pool)
        assert ask(shop, "last_n(9)").to_pylist() == [[1], []]
        assert ask_latest(shop) == [1, None]


def test_nearby_keys_stay_apart() -> None:
    """Rule 13: keys beyond 2^53 next to a null are compared as integers."""
    keys = pa.array([2**53, 2**53 + 1, None], pa.int64())
    shop = small_shop([NOON] * 3, [1, 2, 3], [NOON + 1] * 3, keys=keys, spine_keys=keys)
    assert ask(shop, "last_n(9)").to_pylist() == [[1], [2], []]
    assert ask_latest(shop) == [1, 2, None]


def test_widths_of_keys_do_not_matter() -> None:
    """Rule 14 is about kinds: int32 meets int64, and a large or a dictionary string meets a string."""
    narrow = small_shop(
        [NOON], [5], [NOON + 1], keys=pa.array([7], pa.int64()), spine_keys=pa.array([7], pa.int32())
    )  # fmt: skip
    assert ask(narrow, "sum").to_pylist() == [5]
    for other in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        shop = small_shop(
            [NOON], [5], [NOON + 1], keys=pa.array(["a"], pa.string()), spine_keys=pa.array(["a"]).cast(other)
        )  # fmt: skip
        assert ask(shop, "sum").to_pylist() == [5]
        assert ask_latest(shop) == [5]


def test_spans_that_fill_an_int64_are_no_trouble() -> None:
    """Eighty customers over ten thousand years: key code times span of time leaves int64."""
    ends = [microseconds("0002-01-01T00:00:00+00:00"), NOON, microseconds("9998-12-31T00:00:00+00:00")]
    keys = [key for key in range(80) for _ in ends]
    shop = small_shop(
        ends * 80, list(range(240)), [NOON + 1] * 80, keys=pa.array(keys), spine_keys=pa.array(range(80))
    )  # fmt: skip
    assert ask(shop, "last_n(9)").to_pylist() == [[3 * key, 3 * key + 1] for key in range(80)]
    assert ask(shop, "count", DAY_US).to_pylist() == [1] * 80
    assert ask_latest(shop) == [3 * key + 1 for key in range(80)]


def test_keys_and_times_can_be_aggregated_too() -> None:
    """A feature's column may be the event time or a join key itself."""
    shop = small_shop([NOON, NOON + 1], [1, 2], [NOON + 2])
    assert ask(shop, "count_distinct", column="customer").to_pylist() == [1]
    latest = ask(shop, "max", column=EVENT_TIME)
    assert latest.type == TIMESTAMP
    assert latest.cast(pa.int64()).to_pylist() == [NOON + 1]


def test_latest_rows_are_whole_rows() -> None:
    """Rule 3: the latest row is taken as it is, with its nulls, and never filled from an older one."""
    shop = small_shop([NOON, NOON + 1], pa.array([5, None], pa.int64()), [NOON, NOON + 1])
    assert ask_latest(shop) == [5, None]
