"""Times are microseconds of the calendar's years, or an error that names column and row (rule 1)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.errors import DataError
from storekeeper.history.columns import times_us

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    EPOCH,
    datetime(2020, 2, 29, 12, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]
EXPECTED = [(moment - EPOCH) // timedelta(microseconds=1) for moment in MOMENTS]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
YEAR_10000 = EXPECTED[-1] // 10**6 + 1
YEAR_0 = EXPECTED[0] // 10**6 - 1


def _column(values: list[int | None], unit: str, zone: str | None = "UTC") -> pa.ChunkedArray:
    """Two chunks of a timestamp column, from its own integers."""
    array = pa.array(values, pa.int64()).cast(pa.timestamp(unit, tz=zone))
    return pa.chunked_array([array[:1], array[1:]])


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_every_moment_of_the_calendar_is_a_time(unit: str, zone: str | None) -> None:
    """From the first of the year 1 to the last second of 9999, in any unit and zone."""
    column = _column([us * PER_SECOND[unit] // 10**6 for us in EXPECTED], unit, zone)
    assert times_us("at", column).tolist() == EXPECTED


def test_nanoseconds_and_dates() -> None:
    """Nanoseconds lose what is below a microsecond; dates are their midnights; categories are what they hold."""
    assert times_us("at", _column([1_999, 10**18], "ns")).tolist() == [1, 10**15]
    assert times_us("at", _column([-(2**63) + 2, 2**63 - 2], "ns")).tolist() == [-(2**63 // 1000), 2**63 // 1000]
    days = [date(1, 1, 1), date(2020, 2, 29), date(9999, 12, 31)]
    expected = [(day - date(1970, 1, 1)).days * 86_400 * 10**6 for day in days]
    for type_ in (pa.date32(), pa.date64()):
        assert times_us("at", pa.chunked_array([pa.array(days, type_)])).tolist() == expected
    encoded = pa.array([EPOCH, None], pa.timestamp("us", tz="UTC")).dictionary_encode()
    assert times_us("at", pa.chunked_array([encoded]), np.array([5, 7])).tolist() == [0, 7]


FAR = {
    f"{name} in {unit}": (unit, value * PER_SECOND[unit])
    for name, value in {"the year 10000": YEAR_10000, "the year 0": YEAR_0, "the year 12000": 316_516_291_200}.items()
    for unit in ("s", "ms", "us")
} | {
    f"{name} in {unit}": (unit, value)
    for name, value in {"infinity": 2**63 - 1, "-infinity": -(2**63) + 1}.items()
    for unit in ("s", "ms", "us", "ns")
}


@pytest.mark.parametrize(("unit", "value"), FAR.values(), ids=FAR.keys())
@pytest.mark.parametrize("place", [0, 3])
def test_times_out_of_the_calendar_name_column_and_row(unit: str, value: int, place: int) -> None:
    """None is wrapped around into the calendar, nulls before it or not."""
    values: list[int | None] = [None, 0, 5, 7]
    values[place] = value
    with pytest.raises(DataError, match=rf"Column 'at' holds a time outside the years 1 to 9999 at row {place},"):
        times_us("at", _column(values, unit), np.zeros(4, np.int64))


@pytest.mark.parametrize("day", [2**31 - 1, -(2**31) + 1, 2_932_897, -719_163])
def test_dates_out_of_the_calendar(day: int) -> None:
    """The same for dates, whose microseconds would not fit."""
    column = pa.chunked_array([pa.array([0, day], pa.int32()).cast(pa.date32())])
    with pytest.raises(DataError, match=r"'at'.*row 1,"):
        times_us("at", column)


@pytest.mark.parametrize("type_", [pa.timestamp("us"), pa.timestamp("ns", tz="UTC"), pa.date32(), pa.date64()])
def test_no_rows_and_nothing_but_nulls(type_: Any) -> None:
    """Columns without a time take the fallback's, or name the first row."""
    assert times_us("at", pa.chunked_array([], type_)).tolist() == []
    nulls = pa.chunked_array([pa.nulls(2, type_)])
    assert times_us("at", nulls, np.array([3, 4])).tolist() == [3, 4]
    with pytest.raises(DataError, match=r"'at' has no timestamp at row 0"):
        times_us("at", nulls)
