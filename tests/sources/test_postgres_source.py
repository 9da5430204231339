"""A SQLSource over a real PostgreSQL server: columns, types, order, bounds, keys."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from projects import Project, at
from servers.postgres_server import Postgres
from storekeeper.errors import DataError, DefinitionError, SourceError
from storekeeper.sources import ReadRequest, SQLSource, check_source, read_source, source_schema
from storekeeper.sources.postgres_copy import copy_rows, copy_statement
from storekeeper.sources.sql_connection import connect
from storekeeper.sources.sql_reader import fetch_rows, sql_schema
from storekeeper.sources.sql_relation import SQLRelation, select_rows

UTC_TIME = pa.timestamp("us", tz="UTC")
TIMES = [at("1969-12-31T23:59:59.999999"), at("2020-02-01T10:30:00.000001"), at("2020-02-02"), at("2020-02-03")]
NAMES = ("user_id", "at", "known", "amount", "word", "flag")
ROWS: list[tuple[Any, ...]] = [
    (3, TIMES[0], TIMES[0], 0.5, "ä", True),
    (1, TIMES[1], TIMES[1], None, "", False),
    (2**53 + 1, TIMES[2], None, -1.5, None, None),
    (None, TIMES[3], TIMES[3], 0.1, 'o\'b "%s",\n\t\\N :x', True),
]
SCHEMA = """
CREATE TABLE rows (
    user_id BIGINT, at TIMESTAMPTZ, known TIMESTAMP, amount DOUBLE PRECISION, word TEXT, flag BOOLEAN
);
CREATE VIEW seen AS SELECT * FROM rows;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM rows;
CREATE SCHEMA "Nested one";
CREATE TABLE "Nested one"."Rows" (LIKE rows);
"""


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    """A database with the same rows in tables and views. Shared: don't change it."""
    made = postgres.make_database("sources")
    with postgres.connect("sources") as connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        for row in ROWS:
            known = row[2] and row[2].replace(tzinfo=None)
            cursor.execute("INSERT INTO rows VALUES (%s, %s, %s, %s, %s, %s)", (*row[:2], known, *row[3:]))
        cursor.execute('INSERT INTO "Nested one"."Rows" SELECT * FROM rows; REFRESH MATERIALIZED VIEW kept')
    return made


@pytest.fixture
def config(project: Project, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SHOP_URL", url)
    return project.open().config


@pytest.fixture
def execute(postgres: Postgres, url: str) -> Iterator[Callable[[str], None]]:
    """Runs statements in the database; the tables `own` and `other` are dropped in the end."""
    with postgres.connect("sources") as connection:
        yield connection.execute
        connection.execute("DROP TABLE IF EXISTS own, other CASCADE")


def _source(**options: Any) -> SQLSource:
    return SQLSource(**{"name": "s", "url": "${SHOP_URL}", "timestamp_field": "at"} | options)


SOURCES = {
    "table": _source(table="rows"),
    "view": _source(table="seen"),
    "materialised view": _source(table="kept"),
    "table in a schema": _source(table="Nested one.Rows"),
    "query": _source(query="SELECT * FROM rows"),
    "query with a comment": _source(query="SELECT * FROM rows -- all of them"),
    "query with a semicolon": _source(query="SELECT * FROM rows;\n"),
    "query with an end": _source(query="SELECT * FROM rows; -- all of them\n/* it's; /* nested */ */"),
    "query with quotes": _source(query="SELECT * FROM rows WHERE $a$;--'$a$ <> E'it\\'s; --' -- '"),
    "query with signs": _source(query="SELECT * FROM rows WHERE ' :x%' <> '%s:y' AND 5 % 3 = 2"),
    "query with casts": _source(
        query="SELECT user_id::int8, at, known, amount, word::varchar(90) AS word, flag FROM rows"
    ),
    "query with WITH": _source(query="WITH found AS (SELECT * FROM rows) SELECT * FROM found"),
}
each_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())


@each_source
def test_all_rows_in_order(source: SQLSource, config: Any) -> None:
    """Tables, views and queries give the same rows, exact to the last digit and microsecond."""
    table = read_source(source, config, ReadRequest(NAMES))
    assert table.schema.types == [pa.int64(), UTC_TIME, UTC_TIME, pa.float64(), pa.string(), pa.bool_()]
    assert [tuple(row.values()) for row in table.to_pylist()] == ROWS


@each_source
def test_only_the_wanted_columns(source: SQLSource, config: Any) -> None:
    """Columns come in the asked order, each once."""
    assert read_source(source, config, ReadRequest(("word", "at", "word"))).column_names == ["word", "at"]


@each_source
@pytest.mark.parametrize(("start", "end"), [(0, 3), (1, 1), (0, 0), (1, 2), (2, None), (None, 1), (3, 0)])
@pytest.mark.parametrize("column", ["at", "known"])
def test_bounds_are_inclusive(source: SQLSource, config: Any, start: int | None, end: int | None, column: str) -> None:
    """Bounds are instants of UTC, whatever the server's zone; rows without a time come all the same."""
    bounds = [None if place is None else TIMES[place] for place in (start, end)]
    found = read_source(source, config, ReadRequest((column,), column, *bounds)).column(column).to_pylist()
    low, high = bounds[0] or TIMES[0], bounds[1] or TIMES[-1]
    held = [row[NAMES.index(column)] for row in ROWS]
    assert found == [moment for moment in held if moment is None or low <= moment <= high]


@each_source
def test_schema_and_check(source: SQLSource, config: Any) -> None:
    """The schema has all columns; its time column holds timestamps."""
    assert source_schema(source, config).names == list(NAMES)
    assert check_source(source, config).names == list(NAMES)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_the_driver_need_not_be_named(driver: str, postgres: Postgres, config: Any, monkeypatch: Any) -> None:
    """`postgresql://` alone is psycopg."""
    monkeypatch.setenv("SHOP_URL", postgres.url("sources", driver))
    assert read_source(_source(table="rows"), config, ReadRequest(("user_id",))).num_rows == 4


def test_options_of_a_url(config: Any, url: str, monkeypatch: Any) -> None:
    """A URL's options reach the driver."""
    monkeypatch.setenv("SHOP_URL", f"{url}?application_name=shop")
    source = _source(query="SELECT current_setting('application_name') AS name")
    assert read_source(source, config, ReadRequest(("name",))).to_pylist() == [{"name": "shop"}]


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
    source = _source(query=f"SELECT v FROM (VALUES (1, {written}), (2, NULL)) AS two (n, v) ORDER BY n")
    assert source_schema(source, config).types == [type_]
    table = read_source(source, config, ReadRequest(("v",)))
    assert table.schema.types == [type_]
    assert _same(table.column("v").to_pylist(), [value, None])
    empty = _source(query=f"SELECT {written} AS v LIMIT 0")
    assert read_source(empty, config, ReadRequest(("v",))).schema == table.schema


def test_enums_and_domains(config: Any, execute: Any) -> None:
    """A type of the database's own is text; a domain is the type below it."""
    execute("CREATE TYPE own_mood AS ENUM ('glad', 'sad'); CREATE DOMAIN own_count AS int4 CHECK (VALUE >= 0)")
    try:
        table = read_source(
            _source(query="SELECT 'sad'::own_mood AS mood, 3::own_count AS n"), config, ReadRequest(("mood", "n"))
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
        read_source(_source(query=query), config, ReadRequest(("n", "at")))


def test_lists_within_lists_are_refused(config: Any) -> None:
    """PostgreSQL's type doesn't tell an array's dimensions; one with several names source and column."""
    with pytest.raises(DataError, match=r"'s'.*'v'.*list"):
        read_source(_source(query="SELECT ARRAY[ARRAY[1], ARRAY[2]] AS v"), config, ReadRequest(("v",)))


def test_a_text_longer_than_a_block(config: Any) -> None:
    """A single value may be larger than what is parsed at once."""
    table = read_source(
        _source(query="SELECT repeat('ä', 5000000) AS word, 1 AS n"), config, ReadRequest(("word", "n"))
    )
    assert table.to_pylist() == [{"word": "ä" * 5_000_000, "n": 1}]


def test_many_blocks_in_order(config: Any) -> None:
    """Rows of many blocks come whole and in order."""
    source = _source(query="SELECT i, repeat('x', 100) || i AS word FROM generate_series(1, 200000) AS i")
    table = read_source(source, config, ReadRequest(("i", "word")))
    assert table.column("i").to_pylist() == list(range(1, 200_001))
    assert table.column("word")[199_999].as_py() == "x" * 100 + "200000"
    assert table.column("i").num_chunks > 3


def _open(url: str, relation: SQLRelation) -> Any:
    return connect(url, relation.source)


@pytest.mark.parametrize("table", ["rows", "seen"])
def test_rows_by_any_driver_are_the_same(table: str, url: str) -> None:
    """Row by row, as with a driver that has no COPY, the same comes, through a cursor on the server."""
    relation, request = SQLRelation("s", table, None, frozenset({"at"})), ReadRequest(NAMES, "at", TIMES[0], TIMES[2])
    with _open(url, relation) as connection:
        schema = sql_schema(connection, relation)
        cursors: list[Any] = []
        sa.event.listen(connection, "after_cursor_execute", lambda *event: cursors.append(event[1]))
        fetched = pa.concat_tables(fetch_rows(connection, relation, request, schema))
        assert [type(cursor).__name__ for cursor in cursors] == ["ServerCursor"]
        copied = pa.concat_tables(copy_rows(connection, relation, request, schema))
        assert fetched.combine_chunks().equals(copied.combine_chunks())
    assert fetched.num_rows == 3


@pytest.mark.parametrize(("written", "type_", "value"), TYPES.values(), ids=TYPES.keys())
def test_types_by_any_driver_are_the_same(written: str, type_: pa.DataType, value: Any, url: str) -> None:
    """So are values of every type."""
    relation = SQLRelation("s", None, f"SELECT {written} AS v UNION ALL SELECT NULL", frozenset())
    if written.endswith("json"):
        relation = SQLRelation("s", None, f"SELECT {written} AS v", frozenset())
    with _open(url, relation) as connection:
        schema = sql_schema(connection, relation)
        found = pa.concat_tables(fetch_rows(connection, relation, ReadRequest(("v",)), schema)).column("v")
    assert found.type == type_
    assert _same(found[0].as_py(), value)


def test_times_that_no_driver_has(url: str) -> None:
    """An infinite time is an error of the data row by row, too."""
    relation = SQLRelation("s", None, "SELECT timestamptz 'infinity' AS at", frozenset())
    with _open(url, relation) as connection, pytest.raises(DataError, match=r"'s'.*'at'.*infinity"):
        list(fetch_rows(connection, relation, ReadRequest(("at",)), sql_schema(connection, relation)))


LARGE = """
CREATE TABLE own AS
SELECT (i * 7919) % 5000 AS user_id, 'k' || i % 50 AS word, i AS n,
    timestamptz '2020-01-01 00:00:00+00' + (i % 1000) * interval '1 hour' AS at
FROM generate_series(1, 40000) AS i;
"""


def _plan(url: str, request: ReadRequest) -> str:
    """How PostgreSQL would carry out a read of the table `own`."""
    relation = SQLRelation("s", "own", None, frozenset())
    with _open(url, relation) as connection:
        schema = sql_schema(connection, relation)
        rows = select_rows(relation, request, schema, connection, lambda column, _: column)
        text, parameters = copy_statement(connection, rows)
        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        cursor.execute(f"EXPLAIN {text.removeprefix('COPY (').rpartition(') TO')[0]}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_bounds_and_keys_reach_the_indexes(url: str, execute: Any) -> None:
    """A time range, and keys of either type, are searched in indexes, by bitmaps, which keep the table's order."""
    execute(LARGE)
    execute("CREATE INDEX ON own (at); CREATE INDEX ON own (user_id); CREATE INDEX ON own (word); ANALYZE own")
    range_ = {"timestamp": "at", "start": at("2020-01-05"), "end": at("2020-01-05T01:00:00")}
    by_time = _plan(url, ReadRequest(("n",), **range_))
    assert "Bitmap Index Scan on own_at_idx" in by_time
    assert "Seq Scan" not in by_time
    assert "Bitmap Index Scan on own_user_id_idx" in _plan(url, ReadRequest(("n",), keys=pa.table({"user_id": [1, 2]})))
    assert "Bitmap Index Scan on own_word_idx" in _plan(url, ReadRequest(("n",), keys=pa.table({"word": ["k1"]})))


@pytest.mark.parametrize("indexes", ["", "CREATE INDEX ON own (at, n DESC); CREATE INDEX ON own (user_id, n DESC);"])
@pytest.mark.parametrize(
    "keys",
    [
        pa.table({"user_id": [7, 4999, -1, None]}),
        pa.table({"word": ["k3", "k49", "", "nö'", None]}),
        pa.table({"user_id": range(100), "word": [f"k{n % 7}" for n in range(100)]}),
        pa.table({"user_id": pa.array([7, 8], pa.uint16()), "word": pa.array(["k7", "k8"]).dictionary_encode()}),
        pa.table({"user_id": pa.array([], pa.int64())}),
        pa.table({"user_id": pa.array([None, 3], pa.int64()), "word": ["k1", None]}),
        pa.table({"user_id": pa.array([2**63, 7], pa.uint64())}),
        pa.table({"user_id": range(20_000)}),
        pa.table({"user_id": range(20_000), "word": ["k1"] * 20_000}),
        pa.table({"word": ["k\0", "k1"]}),
        pa.table({"word": [1, 2]}),
        pa.table({"user_id": ["1"]}),
        pa.table({"nowhere": [1]}),
    ],
    ids=["ints", "texts", "both", "other types", "none", "nulls", "beyond", "many", "one many", "nul", "int for text",
         "text for int", "unknown"],
)  # fmt: skip
def test_keys_keep_every_match_in_order(keys: pa.Table, indexes: str, config: Any, execute: Any) -> None:
    """Rows of the wanted entities are those that a read of everything has, in its order, ties included."""
    execute(LARGE + indexes + "ANALYZE own")
    names, bounds = ("user_id", "word", "at", "n"), ("at", at("2020-01-03"), at("2020-02-01"))
    every = read_source(_source(table="own"), config, ReadRequest(names, *bounds)).to_pylist()
    found = read_source(_source(table="own"), config, ReadRequest(names, *bounds, keys)).to_pylist()
    wanted = {tuple(row.values()) for row in keys.to_pylist()}
    assert [row for row in found if tuple(map(row.get, keys.column_names)) in wanted] == [
        row for row in every if tuple(map(row.get, keys.column_names)) in wanted
    ]
    assert [row["n"] for row in found] == sorted({row["n"] for row in found} & {row["n"] for row in every})


@pytest.mark.parametrize(
    ("keys", "fetched"),
    [
        (pa.table({"user_id": [7]}), 8),
        (pa.table({"user_id": range(5000)}), 40_000),
        (pa.table({"user_id": range(20_000)}), 40_000),
        (pa.table({"user_id": range(20_000), "word": ["k1"] * 20_000}), 800),
        (pa.table({"user_id": pa.array([], pa.int64())}), 0),
        (pa.table({"word": ["1"]}), 0),
        (pa.table({"word": [1]}), 40_000),
    ],
    ids=["one", "all", "too many", "one column too many", "none", "no match", "another type"],
)
def test_few_keys_are_few_rows(keys: pa.Table, fetched: int, config: Any, execute: Any) -> None:
    """Only rows that match leave the server; too many keys, or keys of another type, restrict nothing."""
    execute(LARGE)
    assert read_source(_source(table="own"), config, ReadRequest(("n",), keys=keys)).num_rows == fetched


def test_keys_compare_what_is_read(config: Any, execute: Any) -> None:
    """Types that come as text are found by that text: a UUID, an enum, a padded char."""
    execute("CREATE TABLE own (a uuid, b char(4), c jsonb)")
    execute("INSERT INTO own VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'ab', '{\"x\":1}')")
    every = read_source(_source(table="own"), config, ReadRequest(("a", "b", "c")))
    for name in ("a", "b", "c"):
        found = read_source(_source(table="own"), config, ReadRequest(("a", "b", "c"), keys=every.select([name])))
        assert found.equals(every)
        other = pa.table({name: ["no such key"]})
        assert read_source(_source(table="own"), config, ReadRequest(("a",), keys=other)).num_rows == 0


def test_mapped_columns(config: Any) -> None:
    """A field mapping renames what is read; keys are given by their mapped names."""
    source = _source(table="rows", field_mapping={"user_id": "customer"})
    request = ReadRequest(("customer", "word"), keys=pa.table({"customer": [1, 2**53 + 1]}))
    assert read_source(source, config, request)["customer"].to_pylist() == [1, 2**53 + 1]


def test_updated_rows_are_last(config: Any, execute: Any) -> None:
    """The order of rows is the table's: scans in parallel, or from the middle on, don't change it (rule 4)."""
    execute(LARGE + "ALTER TABLE own SET (parallel_workers = 4); ANALYZE own")
    read = [
        read_source(source, config, ReadRequest(("n",))).column("n").to_pylist()
        for source in (_source(table="own"), _source(query="SELECT * FROM own"), _source(table="own"))
    ]
    assert read == [list(range(1, 40_001))] * 3


def test_a_source_changes_nothing(config: Any, execute: Any, postgres: Postgres) -> None:
    """A query that writes is refused."""
    execute("CREATE TABLE own (n int8)")
    source = _source(query="SELECT n FROM own, pg_advisory_lock(0), nextval('none')")
    with pytest.raises(SourceError, match="'s'"):
        read_source(source, config, ReadRequest(("n",)))
    with pytest.raises(SourceError, match=r"'s'.*(read-only|WITH)"):
        read_source(
            _source(query="WITH x AS (DELETE FROM own RETURNING n) SELECT n FROM x"), config, ReadRequest(("n",))
        )


def test_times_as_text_are_refused(config: Any) -> None:
    """A time column of text is a wrong declaration, told as such."""
    with pytest.raises(DefinitionError, match=r"'at' must hold timestamps.*string"):
        check_source(_source(query="SELECT '2020-01-01' AS at"), config)


def test_dates_as_times(config: Any) -> None:
    """A date is its first instant in UTC, for bounds too."""
    source = _source(query="SELECT date '2020-01-01' + n AS at, n FROM generate_series(0, 9) AS n ORDER BY n")
    bounds = (at("2020-01-03"), at("2020-01-05") + timedelta(hours=3))
    assert check_source(source, config).field("at").type == pa.date32()
    assert read_source(source, config, ReadRequest(("n",), "at", *bounds))["n"].to_pylist() == [2, 3, 4]
