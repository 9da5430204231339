"""Intake turns outside tables into Arrow tables whose rows know their place."""

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from storekeeper.errors import DataError
from storekeeper.shop.intake import POSITION, register, to_arrow


def test_rows_are_numbered_in_their_order() -> None:
    """Positions start at 0, whatever the index of the frame."""
    frame = pd.DataFrame({"x": [7, 8, 9]}, index=[5, 5, 1])
    assert to_arrow(frame).to_pydict() == {"x": [7, 8, 9], POSITION: [0, 1, 2]}


def test_timestamps_become_utc_microseconds() -> None:
    """Zones are converted and then dropped, nanoseconds are cut, NaT is null."""
    when = pd.to_datetime(["2017-01-01 12:00:00.123456789", None])
    frame = pd.DataFrame({"naive": when, "zoned": when.tz_localize("America/New_York")})
    table = to_arrow(frame)
    assert table.schema.field("naive").type == table.schema.field("zoned").type == pa.timestamp("us")
    assert [str(value) for value in table["naive"]] == ["2017-01-01 12:00:00.123456", "None"]
    assert [str(value) for value in table["zoned"]] == ["2017-01-01 17:00:00.123456", "None"]


def test_mixed_objects_become_text() -> None:
    """A column of numbers, words and timestamps, as a broken export has, is kept as text with its nulls."""
    frame = pd.DataFrame({"x": [1, "two", pd.Timestamp("2017-01-01"), None, pd.NaT]}, dtype=object)
    assert to_arrow(frame)["x"].to_pylist() == ["1", "two", "2017-01-01 00:00:00", None, None]


def test_missing_columns_are_named() -> None:
    """The error says what lacks and what there is."""
    with duckdb.connect() as connection, pytest.raises(DataError, match=r"'lines' lacks the columns 'z'. It has 'x'\."):
        register(connection, "lines", pa.table({"x": [1]}), ("x", "z"))
