"""What the kernel refuses, and what each refusal names."""

import pyarrow as pa
import pytest

from oracle.features import DAY_US, HOUR_US
from oracle.shops import EVENT_TIME, SPINE_TIME, event_table, spine_table
from oracle.small import NOON, ask, ask_latest, small_shop
from storekeeper.errors import DataError, DefinitionError
from storekeeper.history import WindowFeature, as_of


def test_impossible_windows_are_refused() -> None:
    """A window or hop of no length, and a hop longer than its window, are refused."""
    for window_us, hop_us in [(0, None), (-HOUR_US, None), (HOUR_US, 0), (HOUR_US, -1), (HOUR_US, DAY_US)]:
        with pytest.raises(DefinitionError):
            WindowFeature("f", "count", "", window_us, hop_us)


def test_an_infinity_is_refused() -> None:
    """An infinite value in an aggregated column is an error that names its column and row."""
    shop = small_shop([NOON, NOON + 1], [0.5, float("inf")], [NOON + 2])
    with pytest.raises(DataError, match=r"value.*infinite.*row 1"):
        ask(shop, "sum")


def test_kinds_of_keys_that_differ_are_refused() -> None:
    """Rule 14: an integer key against a string key is an error that names column and both types."""
    shop = small_shop(
        [NOON], [5], [NOON + 1], keys=pa.array([1], pa.int64()), spine_keys=pa.array(["1"], pa.string())
    )  # fmt: skip
    for question in (lambda: ask(shop, "sum"), lambda: ask_latest(shop)):
        with pytest.raises(DataError) as caught:
            question()
        for named in ("customer", "int64", "string"):
            assert named in str(caught.value)


def test_rows_without_a_time_are_refused() -> None:
    """Rule 1: a null time is an error that names the column and the row."""
    for happened, asked, named in [([NOON, None], [NOON], EVENT_TIME), ([NOON], [NOON, None], SPINE_TIME)]:
        events = event_table(
            {"customer": pa.array([1] * len(happened))}, happened, happened, {"value": pa.array(happened)}
        )  # fmt: skip
        spine = spine_table({"customer": pa.array([1] * len(asked))}, asked)
        with pytest.raises(DataError, match=f"{named}.*row 1"):
            ask((events, spine), "count")
        with pytest.raises(DataError, match=f"{named}.*row 1"):
            ask_latest((events, spine))


def test_unknown_functions_are_refused() -> None:
    """Rule 8: the refusal of an unknown function names it and those that exist."""
    shop = small_shop([NOON], [5], [NOON + 1])
    for function in ("median", "last_n", "last_n(0)", "last_n(-1)", "last_n(x)", "SUM", ""):
        with pytest.raises(DefinitionError) as caught:
            ask(shop, function)
        for named in (function, "count_distinct", "seconds_since_last", "last_n"):
            assert named in str(caught.value)


def test_unknown_columns_are_refused() -> None:
    """The refusal of a column, key or time that isn't there names it and those that exist."""
    shop = small_shop([NOON], [5], [NOON + 1])
    with pytest.raises(DefinitionError, match=r"(?s)price.*value|value.*price"):
        ask(shop, "sum", column="price")
    with pytest.raises(DefinitionError, match="price"):
        as_of(*shop, keys=["customer"], event_time=EVENT_TIME, spine_time=SPINE_TIME, columns=["price"])
    with pytest.raises(DefinitionError, match="household"):
        ask(shop, "sum", keys=["household"])
    with pytest.raises(DefinitionError, match="known since"):
        ask(shop, "sum", known_time="known since")


def test_numbers_are_asked_of_numbers_alone() -> None:
    """A sum, mean, std or var of a string column, and a maximum of no column, are refused."""
    shop = small_shop([NOON], pa.array(["a"]), [NOON + 1])
    for function in ("sum", "mean", "std", "var"):
        with pytest.raises(DefinitionError, match="value"):
            ask(shop, function)
    for function in ("sum", "max", "last", "last_n(3)", "count_distinct"):
        with pytest.raises(DefinitionError, match=function.partition("(")[0]):
            ask(shop, function, column="")
