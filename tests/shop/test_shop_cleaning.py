"""Cleaning parts rows by named rules and loses none."""

import json
from collections.abc import Sequence
from datetime import datetime

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekeeper.errors import DataError
from storekeeper.shop import cleaning
from storekeeper.shop.cleaning import Cleaned, RepeatRule, RowRule, Rule, clean
from storekeeper.shop.intake import POSITION, register

EARLIEST, LATEST = datetime(2017, 1, 1), datetime(2018, 1, 1)  # noqa: DTZ001


def run(
    table: pd.DataFrame | pa.Table, rules: Sequence[Rule]
) -> tuple[Cleaned, list[int], list[tuple[int, str, dict[str, object]]]]:
    """What cleaning did: counts, positions kept, and rejects as (position, reason, original row)."""
    with duckdb.connect() as connection:
        register(connection, "lines", table, ())
        cleaned = clean(connection, "lines", rules)
        kept = connection.execute(f"SELECT {POSITION} FROM {cleaned.clean}").fetchall()
        rejects = connection.execute(f"FROM {cleaned.rejects}").fetchall()
    return cleaned, [row[0] for row in kept], [(place, why, json.loads(row)) for place, why, row in rejects]


def reasons(values: object, rules: Sequence[Rule]) -> list[str | None]:
    """Why each value of the column `x` was rejected; None where it was kept."""
    table = values if isinstance(values, pa.Table) else pa.table({"x": values})
    _, kept, rejects = run(table, rules)
    found: dict[int, str | None] = dict.fromkeys(kept) | {place: why for place, why, _ in rejects}
    return [found[place] for place in range(table.num_rows)]


def test_ids_must_be_whole_numbers() -> None:
    """Text and floats count by what they read as; fractions, words, NaN and overflow are broken."""
    why = "x is missing or not a whole number"
    values = ["1", " 2 ", "3.0", "1.5", "one", "", None, "nan", "9223372036854775808"]
    assert reasons(pa.array(values), cleaning.required_whole("x")) == [None, None, None, *[why] * 6]
    assert reasons(pa.array([1.0, 1.5, float("nan"), float("inf")]), cleaning.required_whole("x")) == [None, *[why] * 3]
    assert reasons(pa.array([1, -(2**63), 2**63 - 1, None]), cleaning.required_whole("x")) == [None, None, None, why]


def test_optional_ids_may_be_missing() -> None:
    """Null is kept, rubbish is not."""
    assert reasons(pa.array(["1", None, "x"]), cleaning.optional_whole("x")) == [None, None, "x is not a whole number"]


def test_quantities_must_be_positive_and_sane() -> None:
    """Zero and below are not positive, more than the most is absurd, unless the exception holds."""
    table = pa.table({"x": [1, 0, -3, 100, 101, None, 5000], "fuel": [False, True, False, False, False, False, True]})
    assert reasons(table, cleaning.positive_quantity("x", 100, unless="fuel")) == [
        None,
        "x is not positive",
        "x is not positive",
        None,
        "x is absurd",
        "x is missing or not a whole number",
        None,
    ]


def test_amounts_must_be_sane() -> None:
    """Negative, gigantic, infinite, NaN and missing amounts are broken; a missing one may be allowed."""
    values = pa.array([0.0, 9.99, 100.0, 100.01, -0.01, float("inf"), float("-inf"), float("nan"), None])
    rejected = ["x is absurd", "x is negative", "x is absurd", "x is negative"]
    missing = "x is missing or not a number"
    assert reasons(values, cleaning.amount_within("x", 10_000)) == [None, None, None, *rejected, missing, missing]
    optional = reasons(values, cleaning.amount_within("x", 10_000, required=False))
    assert optional == [None, None, None, *rejected, "x is not a number", None]
    assert reasons(pa.array(["1.5", "free", "1e300"]), cleaning.amount_within("x", 10_000)) == [
        None,
        missing,
        "x is absurd",
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("2017-01-01 00:00:00", None),
        ("2017-12-31T23:59:59.999999Z", None),
        ("2017-02-28", None),
        ("2016-12-31 23:30:00-02:00", None),
        ("2018-01-01 01:00:00+02:00", None),
        ("2017-01-01 00:30:00+02:00", "x is out of range"),
        ("2018-01-01", "x is out of range"),
        ("1970-01-01", "x is out of range"),
        ("infinity", "x is out of range"),
        ("2017-02-29", "x is missing or no timestamp"),
        ("yesterday", "x is missing or no timestamp"),
        ("", "x is missing or no timestamp"),
        (None, "x is missing or no timestamp"),
    ],
)
def test_timestamps_must_be_readable_and_in_range(value: str | None, why: str | None) -> None:
    """Text is read as UTC, its offset honoured; the range includes its start and excludes its end."""
    assert reasons(pa.array([value], pa.string()), cleaning.timestamp_within("x", EARLIEST, LATEST)) == [why]


def test_timestamps_of_every_arrow_type_are_read_alike() -> None:
    """Seconds, nanoseconds, zoned and date columns all mean the same instant."""
    for kind in (pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", tz="Asia/Tokyo"), pa.date32()):
        column = pa.array([EARLIEST], pa.timestamp("s")).cast(kind)
        assert reasons(column, cleaning.timestamp_within("x", EARLIEST, LATEST)) == [None]
    just_before = pa.array([EARLIEST.timestamp()], pa.float64())
    assert reasons(just_before, cleaning.timestamp_within("x", EARLIEST, LATEST)) == ["x is missing or no timestamp"]


def test_the_first_of_equal_rows_stays() -> None:
    """Rows that agree in everything are exact duplicates; those that agree in the key are second rows; nulls agree."""
    table = pa.table({"x": [1, 2, 1, 1, None, None], "y": [5, 5, 5, 6, None, None]})
    assert reasons(table, cleaning.no_repeats("x")) == [
        None,
        None,
        "exact duplicate",
        "second row for the same x",
        None,
        "exact duplicate",
    ]


def test_a_broken_twin_does_not_cost_the_good_row_its_place() -> None:
    """Repeats are judged among the rows that earlier rules left."""
    table = pa.table({"x": [1, 1, 1], "y": [0, 5, 6]})
    rules = [*cleaning.positive_quantity("y", 100), RepeatRule("again", ("x",))]
    assert reasons(table, rules) == ["y is not positive", None, "again"]


def test_a_row_carries_the_first_reason() -> None:
    """A row that breaks two rules is rejected once, by the first in order; a null predicate breaks nothing."""
    rules = [RowRule("unknown", "CAST(NULL AS BOOLEAN)"), RowRule("it's small", "x < 5"), RowRule("even", "x % 2 = 0")]
    assert reasons(pa.array([4, 5, 6]), rules) == ["it's small", None, "even"]


def test_rejects_hold_the_original_row() -> None:
    """The row is JSON of the source's own columns as they came, in their order; NaN, which JSON lacks, is text."""
    table = pd.DataFrame({"id": [None], "when": ["2017-02-30"], 'odd "name"': ["ü'\""], "price": [1.5]})
    _, kept, rejects = run(table, cleaning.required_whole("id"))
    assert kept == []
    assert rejects == [
        (
            0,
            "id is missing or not a whole number",
            {"id": None, "when": "2017-02-30", 'odd "name"': "ü'\"", "price": 1.5},
        )
    ]
    _, _, rejects = run(pa.table({"x": [float("nan"), float("-inf")]}), [RowRule("all", "TRUE")])
    assert [row for _, _, row in rejects] == [{"x": "nan"}, {"x": "-inf"}]


def test_a_rule_about_a_missing_column_names_those_that_exist() -> None:
    """The error says which source and what it has."""
    with pytest.raises(DataError, match=r"The source 'lines' can't be cleaned.*It has the columns x, y\."):
        run(pa.table({"x": [1], "y": [2]}), cleaning.required_whole("z"))


def test_no_rows_are_no_trouble() -> None:
    """An empty source has nothing to keep or reject."""
    cleaned, kept, rejects = run(pa.table({"x": pa.array([], pa.int64())}), cleaning.positive_quantity("x", 5))
    assert (cleaned.rows, cleaned.kept, dict(cleaned.rejected), kept, rejects) == (0, 0, {}, [], [])


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (cleaning.whole, "9007199254740993", 9007199254740993),
        (cleaning.whole, 9007199254740993, 9007199254740993),
        (cleaning.cents, 3.49, 349),
        (cleaning.cents, 0.125, 13),
        (cleaning.cents, "-0.125", -13),
        (cleaning.cents, None, None),
        (cleaning.text, "  SOUP ", "SOUP"),
        (cleaning.text, "None", None),
        (cleaning.text, "n/a", None),
        (cleaning.text, " ", None),
        (cleaning.text, "Nonesuch", "Nonesuch"),
        (cleaning.text, 0, "0"),
        (cleaning.instant, "2017-01-01 02:00:00+02:00", datetime(2017, 1, 1)),  # noqa: DTZ001
    ],
)
def test_values_are_read_exactly(read: object, value: object, expected: object) -> None:
    """Ids beyond 2^53 survive, cents round half away from zero, words for nothing become null."""
    assert callable(read)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("t", pa.table({"x": [value]}))
        assert connection.execute(f"SELECT {read('x')} FROM t").fetchall() == [(expected,)]


ROW = st.fixed_dictionaries(
    {
        "key": st.sampled_from([None, "1", "2", "x"]),
        "when": st.sampled_from([None, "2017-05-01", "1999-01-01", "?"]),
        "quantity": st.sampled_from([None, 0.0, 1.0, 2.5, -1.0, 1e6]),
        "price": st.sampled_from([None, 0.0, 5.0, -1.0, 1e12, float("nan"), float("inf")]),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=25))
def test_every_row_ends_in_exactly_one_place(rows: list[dict[str, object]]) -> None:
    """Whatever comes in, kept and rejected positions part the input, and the counts say the same."""
    schema = pa.schema({"key": pa.string(), "when": pa.string(), "quantity": pa.float64(), "price": pa.float64()})
    rules = [
        *cleaning.required_whole("key"),
        *cleaning.timestamp_within("when", EARLIEST, LATEST),
        *cleaning.positive_quantity("quantity", 100),
        *cleaning.amount_within("price", 10_000, required=False),
        *cleaning.no_repeats("key", "when"),
    ]
    cleaned, kept, rejects = run(pa.Table.from_pylist(rows, schema), rules)
    assert sorted(kept + [place for place, _, _ in rejects]) == list(range(len(rows)))
    assert (cleaned.rows, cleaned.kept, sum(cleaned.rejected.values())) == (len(rows), len(kept), len(rejects))
    assert len({(rows[place]["key"], rows[place]["when"]) for place in kept}) == len(kept)
