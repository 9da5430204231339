"""When two feature values count as the same."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from storekeeper.audit.compare import Difference, differences, differing_rows
from storekeeper.errors import CheckFailedError

NAN, INF = float("nan"), float("inf")
TIME = datetime(2017, 12, 25, tzinfo=UTC)


def rows(online: list[object], offline: list[object], types: tuple[pa.DataType, pa.DataType]) -> list[int]:
    """Rows that differ, by position."""
    found = differing_rows(pa.chunked_array([online], types[0]), pa.chunked_array([offline], types[1]))
    return [int(row) for row in found]


@pytest.mark.parametrize(
    ("online", "offline", "differ"),
    [
        (1.0, 1.0, False),
        (1.0, 1.0 + 1e-10, False),
        (1.0, 1.0 + 1e-8, True),
        (1e-12, 2e-12, False),
        (1e12, 1e12 + 100, False),
        (1e12, 1e12 + 10_000, True),
        (-5.0, 5.0, True),
        (None, None, False),
        (None, NAN, False),
        (NAN, NAN, False),
        (None, 0.0, True),
        (0.0, NAN, True),
        (INF, INF, False),
        (-INF, -INF, False),
        (INF, -INF, True),
        (INF, 5.0, True),
        (5.0, -INF, True),
        (INF, None, True),
    ],
)
def test_floats(online: float | None, offline: float | None, differ: bool) -> None:
    """Floats may differ by a billionth; null and NaN equal each other and nothing else; infinities only themselves."""
    assert rows([online], [offline], (pa.float64(), pa.float64())) == [0] * differ


@pytest.mark.parametrize(
    ("type_", "online", "offline"),
    [
        (pa.int64(), [2**60, 1, None, None], [2**60 + 1, 1, None, 0]),
        (pa.string(), ["a", "", None, None], ["b", "", None, ""]),
        (pa.bool_(), [True, False, None, None], [False, False, None, False]),
        (pa.timestamp("us", tz="UTC"), [TIME, TIME, None, None], [TIME.replace(microsecond=1), TIME, None, TIME]),
        (pa.list_(pa.int64()), [[1, 2], [1], None, None], [[2, 1], [1], None, []]),
        (pa.list_(pa.float64()), [[1.0], [NAN, 0.1 + 0.2], None, None], [[2.0], [NAN, 0.3], None, []]),
        (pa.list_(pa.string()), [["a", None], ["a", None], None, None], [["a"], ["a", None], None, []]),
    ],
    ids=str,
)
def test_everything_else(type_: pa.DataType, online: list[object], offline: list[object]) -> None:
    """All other values must be equal; a null equals a null only, an empty list or text is none."""
    assert rows(online, offline, (type_, type_)) == [0, 3]


def test_values_of_different_types() -> None:
    """An integer equals the same number as a float; a truth value is no number, a text neither."""
    assert rows([1, 2, None], [1.0, 2.5, None], (pa.int64(), pa.float64())) == [1]
    assert rows([True, False], [1, 0], (pa.bool_(), pa.int64())) == [0, 1]
    assert rows(["1"], [1], (pa.string(), pa.int64())) == [0]


def test_tables() -> None:
    """Cells are counted over all columns, and the first few shown; chunks and the columns' order don't matter."""
    online = pa.table({"a": pa.chunked_array([[1], [2, 3]]), "b": ["x", "y", "z"]})
    offline = pa.table({"b": ["x", "?", "!"], "more": [0, 0, 0], "a": [1, 2, 4]})
    count, examples = differences(online, offline, at_most=2)
    assert count == 3
    assert examples == [Difference("a", 2, 3, 4), Difference("b", 1, "y", "?")]
    assert differences(online.slice(0, 0), offline.slice(0, 0)) == (0, [])


@pytest.mark.parametrize("offline", [{"a": [1.0]}, {"a": [1.0, 1.0, 1.0]}, {"b": [1.0, 1.0]}])
def test_tables_of_other_shape(offline: dict[str, list[float]]) -> None:
    """A missing column or another number of rows is no proof of anything, but an error."""
    with pytest.raises(CheckFailedError):
        differences(pa.table({"a": [1.0, 1.0]}), pa.table(offline))
