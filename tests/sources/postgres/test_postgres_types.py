"""Values of every PostgreSQL type come as their Arrow type, exact; those that Arrow has not are refused."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from projects import at
from sources.postgres.shop_rows import UTC_TIME, open_relation, shop_source
from storekeeper.errors import DataError, DefinitionError
from storekeeper.sources import ReadRequest, check_source, read_source, source_schema
from storekeeper.sources.sql_reader import fetch_rows, sql_schema
from storekeeper.sources.sql_relation import SQLRelation

TYPES: dict[str, tuple[str, pa.DataType, Any]] = {
    "int2": ("(-32768)::int2", pa.int64(), -32768),
    "int4": ("2147483647::int4", pa.int64(), 2147483647),
    "int8": ("9223372036854775807::int8", pa.int64(), 2**63 - 1),
    "numeric": ("12345678901234567.125::numeric(30, 3)", pa.float64(), 12345678901234567.125),
    "numeric nan": ("'NaN'::numeric", pa.float64(), float("nan")),
    "real": ("1.5::real", pa.float32(), 1.5),
    "double": ("0.1::float8", pa.float64(), 0.1),
    "smallest double": ("5e-324::float8", pa.float64(), 5e-324),
    "double nan": ("'NaN'::float8", pa.float64(), float("nan")),
    "double infinite": ("'-Infinity'::float8", pa.float64(), float("-inf")),
    "bool": ("false", pa.bool_(), False),
    "text": ("'x,\"y\n'", pa.string(), 'x,"y\n'),
    "text NULL": ("'NULL'", pa.string(), "NULL"),
    "empty text": ("''", pa.string(), ""),
    "varchar": ("'ä€𝄞'::varchar(5)", pa.string(), "ä€𝄞"),
    "char": ("'ab'::char(5)", pa.string(), "ab"),
    "uuid": ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", pa.string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "json": ('\'{"b":  1, "a": "ä"}\'::json', pa.string(), '{"b":  1, "a": "ä"}'),
    "jsonb": ('\'{"b":  1, "a": null}\'::jsonb', pa.string(), '{"a": null, "b": 1}'),
    "interval": ("interval '1 day 2 hours'", pa.string(), "1 day 02:00:00"),
    "time": ("time '01:02:03.5'", pa.string(), "01:02:03.5"),
    "date": ("date '1969-02-28'", pa.date32(), date(1969, 2, 28)),
    "timestamp": ("timestamp '1900-01-01 00:00:00.000001'", UTC_TIME, datetime(1900, 1, 1, 0, 0, 0, 1, UTC)),
    "timestamptz": (
        "timestamptz '2020-03-29 02:30:00.123456+02'", UTC_TIME, datetime(2020, 3, 29, 0, 30, 0, 123456, UTC),
    ),
    "first instant": ("timestamptz '0001-01-01 00:00:00+00'", UTC_TIME, datetime(1, 1, 1, tzinfo=UTC)),
    "last instant": (
        "timestamptz '9999-12-31 23:59:59.999999+00'", UTC_TIME, datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ),
    "bytes": ("'\\xDEAD00'::bytea", pa.binary(), b"\xde\xad\x00"),
    "texts": ("ARRAY['a,\"b', NULL, '', 'ä']", pa.list_(pa.string()), ['a,"b', None, "", "ä"]),
    "chars": ("ARRAY['a'::varchar, 'b']", pa.list_(pa.string()), ["a", "b"]),
    "integers": ("ARRAY[9223372036854775807, NULL, -1]::int8[]", pa.list_(pa.int64()), [2**63 - 1, None, -1]),
    "small integers": ("ARRAY[1, 2]::int2[]", pa.list_(pa.int64()), [1, 2]),
    "no integers": ("'{}'::int4[]", pa.list_(pa.int64()), []),
    "doubles": ("ARRAY[0.1, 'Infinity', NULL]::float8[]", pa.list_(pa.float64()), [0.1, float("inf"), None]),
    "flags": ("ARRAY[true, NULL]", pa.list_(pa.bool_()), [True, None]),
}  # fmt: skip


def _same(found: Any, expected: Any) -> bool:
    """Equality in which NaN equals itself."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(_same, found, expected))
    return bool(found == expected) or (found != found and expected != expected)


@pytest.mark.parametrize(("written", "type_", "value"), TYPES.values(), ids=TYPES.keys())
def test_types(written: str, type_: pa.DataType, value: Any, config: Any) -> None:
    """Each type has its Arrow type, found without a row; values are exact and nulls null."""
    source = shop_source(query=f"SELECT v FROM (VALUES (1, {written}), (2, NULL)) AS two (n, v) ORDER BY n")
    assert source_schema(source, config).types == [type_]
    table = read_source(source, config, ReadRequest(("v",)))
    assert table.schema.types == [type_]
    assert _same(table.column("v").to_pylist(), [value, None])
    empty = shop_source(query=f"SELECT {written} AS v LIMIT 0")
    assert read_source(empty, config, ReadRequest(("v",))).schema == table.schema


def test_enums_and_domains(config: Any, execute: Any) -> None:
    """A type of the database's own is text; a domain is the type below it."""
    execute("CREATE TYPE own_mood AS ENUM ('glad', 'sad'); CREATE DOMAIN own_count AS int4 CHECK (VALUE >= 0)")
    try:
        table = read_source(
            shop_source(query="SELECT 'sad'::own_mood AS mood, 3::own_count AS n"), config, ReadRequest(("mood", "n"))
        )
        assert table.to_pylist() == [{"mood": "sad", "n": 3}]
    finally:
        execute("DROP TYPE own_mood; DROP DOMAIN own_count")


@pytest.mark.parametrize(
    "value", ["infinity", "-infinity", "10000-01-01", "4000-01-01 BC"], ids=["infinity", "-infinity", "late", "early"]
)
@pytest.mark.parametrize("type_", ["timestamptz", "timestamp", "date"])
def test_times_that_arrow_has_not(value: str, type_: str, config: Any) -> None:
    """An infinite time, or one beyond the years 1 to 9999, names source, column and value (rule 1)."""
    query = f"SELECT 1 AS n, {type_} '{value}' AS at"
    with pytest.raises(DataError, match=rf"'s'.*'at'.*{value.split()[0]}"):
        read_source(shop_source(query=query), config, ReadRequest(("n", "at")))


def test_lists_within_lists_are_refused(config: Any) -> None:
    """PostgreSQL's type doesn't tell an array's dimensions; one with several names source and column."""
    with pytest.raises(DataError, match=r"'s'.*'v'.*list"):
        read_source(shop_source(query="SELECT ARRAY[ARRAY[1], ARRAY[2]] AS v"), config, ReadRequest(("v",)))


def test_a_text_longer_than_a_block(config: Any) -> None:
    """A single value may be larger than what is parsed at once."""
    table = read_source(
        shop_source(query="SELECT repeat('ä', 5000000) AS word, 1 AS n"), config, ReadRequest(("word", "n"))
    )
    assert table.to_pylist() == [{"word": "ä" * 5_000_000, "n": 1}]


@pytest.mark.parametrize(("written", "type_", "value"), TYPES.values(), ids=TYPES.keys())
def test_types_by_any_driver_are_the_same(written: str, type_: pa.DataType, value: Any, url: str) -> None:
    """So are values of every type."""
    relation = SQLRelation("s", None, f"SELECT {written} AS v UNION ALL SELECT NULL", frozenset())
    if written.endswith("json"):
        relation = SQLRelation("s", None, f"SELECT {written} AS v", frozenset())
    with open_relation(url, relation) as connection:
        schema = sql_schema(connection, relation)
        found = pa.concat_tables(fetch_rows(connection, relation, ReadRequest(("v",)), schema)).column("v")
    assert found.type == type_
    assert _same(found[0].as_py(), value)


def test_times_that_no_driver_has(url: str) -> None:
    """An infinite time is an error of the data row by row, too."""
    relation = SQLRelation("s", None, "SELECT timestamptz 'infinity' AS at", frozenset())
    with open_relation(url, relation) as connection, pytest.raises(DataError, match=r"'s'.*'at'.*infinity"):
        list(fetch_rows(connection, relation, ReadRequest(("at",)), sql_schema(connection, relation)))


def test_times_as_text_are_refused(config: Any) -> None:
    """A time column of text is a wrong declaration, told as such."""
    with pytest.raises(DefinitionError, match=r"'at' must hold timestamps.*string"):
        check_source(shop_source(query="SELECT '2020-01-01' AS at"), config)


def test_dates_as_times(config: Any) -> None:
    """A date is its first instant in UTC, for bounds too."""
    source = shop_source(query="SELECT date '2020-01-01' + n AS at, n FROM generate_series(0, 9) AS n ORDER BY n")
    bounds = (at("2020-01-03"), at("2020-01-05") + timedelta(hours=3))
    assert check_source(source, config).field("at").type == pa.date32()
    assert read_source(source, config, ReadRequest(("n",), "at", *bounds))["n"].to_pylist() == [2, 3, 4]
