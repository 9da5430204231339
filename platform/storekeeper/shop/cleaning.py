"""Cleaning: named rules part a source's rows into clean ones and rejects, each with its reason; none is lost.

Rules are judged in order and a row carries the reason of the first that it breaks. A repeated row is judged among
those that no earlier rule took out, so that a broken twin never costs the good one its place; of equal rows the
first stays. Everything runs as SQL in DuckDB, whatever types the source has: text that should be a number or a
timestamp is judged by what it reads as.
"""
# ruff: noqa: S608 (identifiers are quoted, reasons are literals)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from storekeeper.errors import DataError
from storekeeper.shop.intake import POSITION

_REASON = "__reason"
_FLOATS = {"FLOAT", "DOUBLE"}


def quote(name: str) -> str:
    """A SQL identifier.

    >>> quote('two words')
    '"two words"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | datetime) -> str:
    """A SQL literal.

    >>> literal("it's")
    "'it''s'"
    """
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def whole(column: str) -> str:
    """SQL for a column read as an int64; null where it is no whole number."""
    name = quote(column)
    real = f"TRY_CAST({name} AS DOUBLE)"
    return f"CASE WHEN {real} = floor({real}) THEN TRY_CAST({name} AS BIGINT) END"


def cents(column: str) -> str:
    """SQL for a column of currency units read as integer cents, halves away from zero; null stays null."""
    return f"TRY_CAST(round(TRY_CAST({quote(column)} AS DOUBLE) * 100) AS BIGINT)"


def instant(column: str) -> str:
    """SQL for a column read as a UTC timestamp; null where it is none. Text with an offset is converted."""
    name = quote(column)
    # DuckDB's own cast of text to TIMESTAMP ignores the offset.
    return (
        f"CASE WHEN typeof({name}) = 'TIMESTAMP' THEN TRY_CAST({name} AS TIMESTAMP) "
        f"ELSE timezone('UTC', TRY_CAST(CAST({name} AS VARCHAR) AS TIMESTAMPTZ)) END"
    )


def text(column: str) -> str:
    """SQL for a column read as trimmed text; null where it only spells that nothing is known."""
    trimmed = f"trim(CAST({quote(column)} AS VARCHAR))"
    return f"CASE WHEN lower({trimmed}) NOT IN ('', 'none', 'null', 'nan', 'na', 'n/a') THEN {trimmed} END"


@dataclass(frozen=True)
class RowRule:
    """A rule about a row by itself.

    Attributes
    ----------
    reason
        Why a row that breaks it is rejected.
    broken
        SQL predicate over the source's columns, true for such a row; null counts as kept.
    """

    reason: str
    broken: str


@dataclass(frozen=True)
class RepeatRule:
    """A rule that rejects all but the first of the rows that agree in some columns; nulls agree.

    Attributes
    ----------
    reason
        Why the others are rejected.
    columns
        The columns to compare; None compares all.
    """

    reason: str
    columns: tuple[str, ...] | None = None


Rule = RowRule | RepeatRule


def required_whole(*columns: str) -> list[Rule]:
    """Each column must hold a whole number: keys and other ids."""
    return [RowRule(f"{name} is missing or not a whole number", f"({whole(name)}) IS NULL") for name in columns]


def optional_whole(*columns: str) -> list[Rule]:
    """Each column must hold a whole number or nothing."""
    return [
        RowRule(f"{name} is not a whole number", f"{quote(name)} IS NOT NULL AND ({whole(name)}) IS NULL")
        for name in columns
    ]


def timestamp_within(column: str, earliest: datetime, latest: datetime) -> list[Rule]:
    """The column must be a timestamp in `[earliest, latest)`, UTC."""
    value = instant(column)
    return [
        RowRule(f"{column} is missing or no timestamp", f"({value}) IS NULL"),
        RowRule(
            f"{column} is out of range",
            f"({value}) < {literal(earliest)} OR ({value}) >= {literal(latest)}",
        ),
    ]


def positive_quantity(column: str, most: int, unless: str = "FALSE") -> list[Rule]:
    """The column must be a whole number from 1 to `most`; `unless` is a predicate that lifts the upper bound."""
    value = whole(column)
    return [
        *required_whole(column),
        RowRule(f"{column} is not positive", f"({value}) <= 0"),
        RowRule(f"{column} is absurd", f"({value}) > {most} AND NOT coalesce({unless}, FALSE)"),
    ]


def amount_within(column: str, most_cents: int, required: bool = True) -> list[Rule]:
    """The column must be an amount from 0 to `most_cents`, in currency units; missing only if not required."""
    name, value = quote(column), cents(column)
    unreadable = f"({value}) IS NULL" if required else f"{name} IS NOT NULL AND ({value}) IS NULL"
    # An infinite or gigantic amount has no cents, yet it is a number and its own reason says more.
    huge = f"coalesce(TRY_CAST({name} AS DOUBLE) > {most_cents / 100}, FALSE) AND NOT isnan(TRY_CAST({name} AS DOUBLE))"
    return [
        RowRule(f"{column} is negative", f"TRY_CAST({name} AS DOUBLE) < 0"),
        RowRule(f"{column} is absurd", huge),
        RowRule(f"{column} is {'missing or ' if required else ''}not a number", unreadable),
    ]


def no_repeats(*keys: str) -> list[Rule]:
    """No row twice: neither in all columns nor, if given, in the key."""
    rules: list[Rule] = [RepeatRule("exact duplicate")]
    return [*rules, RepeatRule(f"second row for the same {', '.join(keys)}", keys)] if keys else rules


@dataclass(frozen=True)
class Cleaned:
    """What cleaning made of one source.

    Attributes
    ----------
    source
        The source's name.
    clean
        Name of the temporary view with the rows kept, in the source's columns and order, with their position.
    rejects
        Name of the temporary table with the rest: position, `reason`, `row` (the original as JSON).
    rows
        How many rows the source had.
    kept
        How many are clean.
    rejected
        How many broke which rule.
    """

    source: str
    clean: str
    rejects: str
    rows: int
    kept: int
    rejected: Mapping[str, int]


def clean(connection: duckdb.DuckDBPyConnection, source: str, rules: Sequence[Rule]) -> Cleaned:
    """Part the rows of a registered source (see `intake.register`) by the rules.

    Raises
    ------
    DataError
        If the source lacks a column that a rule needs, or if a row got lost (which would be our fault).
    """
    connection.execute("SET TimeZone = 'UTC'")
    columns = _columns(connection, source)
    judged, kept, rejects = f"{source}_judged", f"{source}_clean", f"{source}_rejects"
    try:
        connection.execute(f"CREATE TEMP TABLE {quote(judged)} AS {_judge(source, list(columns), rules)}")
    except duckdb.BinderException as error:
        raise DataError(
            f"The source '{source}' can't be cleaned: {str(error).splitlines()[0]}. "
            f"It has the columns {', '.join(columns)}."
        ) from error
    connection.execute(
        f"CREATE TEMP VIEW {quote(kept)} AS SELECT * EXCLUDE ({_REASON}) FROM {quote(judged)} WHERE {_REASON} IS NULL"
    )
    connection.execute(
        f"CREATE TEMP TABLE {quote(rejects)} AS SELECT {POSITION}, {_REASON} AS reason, {_as_json(columns)} AS row "
        f"FROM {quote(judged)} WHERE {_REASON} IS NOT NULL ORDER BY {POSITION}"
    )
    return _count(connection, source, judged, kept, rejects)


def _judge(source: str, columns: Iterable[str], rules: Sequence[Rule]) -> str:
    """SQL that adds to each row the reason of the first rule that it breaks."""
    everything = ", ".join(quote(name) for name in columns)
    query = f"SELECT *, CAST(NULL AS VARCHAR) AS {_REASON} FROM {quote(source)}"
    for rule in rules:
        if isinstance(rule, RowRule):
            broken = rule.broken
        else:
            keys = everything if rule.columns is None else ", ".join(quote(name) for name in rule.columns)
            broken = f"row_number() OVER (PARTITION BY {_REASON} IS NULL, {keys} ORDER BY {POSITION}) > 1"
        reason = f"CASE WHEN {_REASON} IS NULL AND ({broken}) THEN {literal(rule.reason)} ELSE {_REASON} END"
        query = f"SELECT * REPLACE ({reason} AS {_REASON}) FROM ({query})"
    return f"{query} ORDER BY {POSITION}"


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """The source's own columns with their types."""
    described = connection.execute(f"DESCRIBE {quote(source)}").fetchall()
    return {str(row[0]): str(row[1]) for row in described if row[0] != POSITION}


def _as_json(columns: Mapping[str, str]) -> str:
    """SQL for a row as a JSON object; NaN and the infinities, which JSON lacks, as text."""
    fields = []
    for name, kind in columns.items():
        value = quote(name)
        if kind in _FLOATS:
            value = f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE to_json(CAST({value} AS VARCHAR)) END"
        fields.append(f"{quote(name)} := {value}")
    return f"to_json(struct_pack({', '.join(fields)}))"


def _count(connection: duckdb.DuckDBPyConnection, source: str, judged: str, kept: str, rejects: str) -> Cleaned:
    """Count what went where and make sure that nothing got lost."""
    counts = connection.execute(f"SELECT {_REASON}, count(*) FROM {quote(judged)} GROUP BY ALL").fetchall()
    rows = connection.execute(f"SELECT count(*) FROM {quote(source)}").fetchall()[0][0]
    rejected = dict(sorted((reason, count) for reason, count in counts if reason is not None))
    kept_rows = sum(count for reason, count in counts if reason is None)
    if rows != kept_rows + sum(rejected.values()):
        raise DataError(
            f"Cleaning '{source}' lost rows: {rows} came, {kept_rows} were kept and {sum(rejected.values())} rejected."
        )
    return Cleaned(source, kept, rejects, rows, kept_rows, rejected)
