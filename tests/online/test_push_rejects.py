"""Pushed rows that can't be kept: each is told why, by its place, and the others go in."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project
from pushed_shop import DAY, PushedShop, event, order
from storekeeper.online.fitted_column import fit_column

TIME = pa.timestamp("us", "UTC")
INTS, FLOATS = pa.int64(), pa.float64()

REJECTED: list[tuple[dict[str, Any], str]] = [
    ({"at": None}, "'at' has no event time"),
    ({"at": "yesterday"}, "'at' must be timestamp.*'yesterday'.*can't be read"),
    ({"at": 1_580_000_000}, "'at' must be timestamp.*int.*another kind"),
    ({"at": NOW + timedelta(seconds=6)}, "'at' is 2020-03-01T00:00:06.*clock's now.*tolerance of 5 s"),
    ({"known": NOW + DAY}, "'known' is 2020-03-02.*later than the clock's now"),
    ({"user_id": "1"}, "'user_id' must be int64: '1'.*another kind"),
    ({"user_id": 1.5}, "'user_id' must be int64: 1.5.*no whole number"),
    ({"product": 7}, "'product' must be string: 7.*another kind"),
    ({"user_id": True}, "'user_id' must be int64: True.*another kind"),
    ({"cents": "12"}, "'cents' must be int64: '12'.*another kind"),
    ({"cents": 2**63}, "'cents' must be int64: 9223372036854775808.*64-bit"),
    ({"cents": 1e19}, "'cents'.*64-bit"),
    ({"cents": 0.5}, "'cents'.*no whole number"),
    ({"cents": float(2**53 + 2)}, "'cents'.*give it as an integer"),
    ({"price": float("inf")}, "'price' must be double: inf.*infinite"),
    ({"price": "1"}, "'price'.*another kind"),
    ({"flag": 1}, "'flag' must be bool: 1.*another kind"),
    ({"word": 5}, "'word' must be string: 5.*another kind"),
    ({"word": "\ud800"}, "'word' must be string.*can't be read"),
    ({"word": ["a"]}, "'word'.*another kind"),
    ({"moment": "soon"}, "'moment'.*can't be read"),
    ({"price": 1e39}, "'price' must be float.*out of range"),
]


@pytest.fixture
def shop(project: Project) -> PushedShop:
    return PushedShop(project)


def test_each_row_is_told_its_own_reason(shop: PushedShop) -> None:
    """Every kind of fault in one batch, between rows that go in."""
    rows = [event(1, NOW - DAY, word="first")]
    rows += [event(1, NOW - DAY, word=f"bad {number}") | fault for number, (fault, _) in enumerate(REJECTED)]
    rows += [event(1, NOW - DAY / 2, word="last")]
    report = shop.store.push("events", pd.DataFrame(rows, dtype=object))
    assert (report.accepted, report.duplicates) == (2, 0)
    assert [reject.row for reject in report.rejected] == list(range(1, len(REJECTED) + 1))
    for reject, (_, expected) in zip(report.rejected, REJECTED, strict=True):
        assert pd.Series([reject.reason]).str.contains(expected, regex=True).all(), (reject.reason, expected)
    found = shop.online([{"user_id": 1}], "of_user:n", "of_user:newest", "latest:word")
    assert [found[f"of_user__{name}"][0] for name in ("n", "newest")] == [2, ["first", "last"]]
    assert found["latest__word"] == ["last"]


def test_a_row_without_any_entity_is_told(shop: PushedShop) -> None:
    """A null key, where no view over the source does without."""
    report = shop.store.push("orders", pd.DataFrame([order(1, NOW - DAY, 1) | {"user_id": None}], dtype=object))
    assert [reject.reason for reject in report.rejected] == [
        "A join key is null ('user_id'): no view has an entity for the row."
    ]


@pytest.mark.parametrize("column", ["user_id", "at", "cents", "word"])
def test_a_column_of_another_kind_is_every_row_rejected(shop: PushedShop, column: str) -> None:
    """Of Arrow's type: each row has the reason, and nothing goes in."""
    rows = pd.DataFrame([event(1, NOW - DAY), event(2, NOW - DAY)]).assign(**{column: [True, False]})
    report = shop.store.push("events", rows)
    assert (report.accepted, [reject.row for reject in report.rejected]) == (0, [0, 1])
    assert shop.waiting("of_user") == 0


KEPT: list[tuple[list[Any], pa.DataType, list[Any]]] = [
    ([1, 2.0, None, float("nan"), np.int8(4), Decimal(3), 2**63 - 1], INTS, [1, 2, None, None, 4, 3, 2**63 - 1]),
    ([1, 2.5, None, Decimal("0.1"), np.float32(0.5), -0.0], FLOATS, [1.0, 2.5, None, 0.1, 0.5, 0.0]),
    ([True, None, np.bool_(False)], pa.bool_(), [True, None, False]),
    (["a", None, float("nan"), pd.NA], pa.string(), ["a", None, None, None]),
    ([b"a", None], pa.binary(), [b"a", None]),
    ([[1, 2], [], None, np.array([3])], pa.list_(INTS), [[1, 2], [], None, [3]]),
    ([["a", None]], pa.list_(pa.string()), [["a", None]]),
    ([], TIME, []),
    ([None, pd.NaT], TIME, [None, None]),
]


@pytest.mark.parametrize(("given", "wanted", "kept"), KEPT)
def test_values_of_one_kind_are_kept(given: list[Any], wanted: pa.DataType, kept: list[Any]) -> None:
    """Whatever Python types stand side by side; NaN and NA are null."""
    fitted = fit_column("x", given, wanted)
    assert (fitted.values.type, fitted.values.to_pylist(), fitted.refused) == (wanted, kept, {})


def test_times_of_every_kind_are_kept() -> None:
    """Zones, dates, ISO 8601 texts of any precision; what is below a microsecond is cut off."""
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    given = [
        noon, noon.replace(tzinfo=None), noon.astimezone(timezone(timedelta(hours=5))), "2020-01-01T12:00:00",
        "2020-01-01T12:00:00Z", "2020-01-01 13:00:00.000000999+01:00", pd.Timestamp(noon),
    ]  # fmt: skip
    fitted = fit_column("x", given, TIME)
    assert (fitted.values.to_pylist(), fitted.refused) == ([noon] * len(given), {})
    midnight = noon.replace(hour=0)
    assert fit_column("x", [date(2020, 1, 1), noon], TIME).values.to_pylist() == [midnight, noon]


@pytest.mark.parametrize(
    ("given", "wanted", "refused"),
    [
        (pa.array([1, 2**63, None], pa.uint64()), INTS, [1]),
        (pa.array([1, 2**40]), pa.int32(), [1]),
        (pa.array([1.0, 1.5, float("inf"), None]), INTS, [1, 2]),
        (pa.array(["a", "b"]).dictionary_encode(), INTS, [0, 1]),
        (pa.array([2**62, None], pa.timestamp("s")), TIME, [0]),
        (pa.array([1e300, 1.0]), pa.float32(), [0]),
        (pa.array([Decimal("1.5"), Decimal("2.0")]), INTS, [0]),
        (pa.array([[1.5], [2.0]]), pa.list_(INTS), [0]),
        (pa.array([["1"], None]), pa.list_(INTS), [0]),
        (pa.array([1, 2]), pa.list_(INTS), [0, 1]),
        (pa.array(["1.55", "x"]), pa.decimal128(5, 1), [0, 1]),
        (pa.array([1.55, 1.5, 1e9]), pa.decimal128(5, 1), [0, 2]),
        (pa.array([10**9, 1]), pa.decimal128(5, 1), [0]),
    ],
)
def test_values_that_cannot_be_kept_are_told(given: pa.Array, wanted: pa.DataType, refused: list[int]) -> None:
    """The others are what they were; a refused one is null."""
    fitted = fit_column("x", pa.chunked_array([given.slice(0, 1), given.slice(1)]), wanted)
    assert sorted(fitted.refused) == refused
    assert [row for row in refused if fitted.values[row].is_valid] == []
    assert fitted.values.type == wanted


def test_a_reason_shows_no_more_of_a_value_than_helps() -> None:
    """Long ones are cut."""
    reason = fit_column("x", ["long " * 100], INTS).refused[0]
    assert len(reason) < 120
