"""A SQLSource over a real PostgreSQL server: which rows and columns come, in which order."""

from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from servers.postgres_server import Postgres
from sources.postgres.shop_rows import LARGE, NAMES, ROWS, TIMES, UTC_TIME, open_relation, shop_source
from storekeeper.errors import SourceError
from storekeeper.sources import ReadRequest, SQLSource, check_source, read_source, source_schema
from storekeeper.sources.postgres_copy import copy_rows
from storekeeper.sources.sql_reader import fetch_rows, sql_schema
from storekeeper.sources.sql_relation import SQLRelation

SOURCES = {
    "table": shop_source(table="rows"),
    "view": shop_source(table="seen"),
    "materialised view": shop_source(table="kept"),
    "table in a schema": shop_source(table="Nested one.Rows"),
    "query": shop_source(query="SELECT * FROM rows"),
    "query with a comment": shop_source(query="SELECT * FROM rows -- all of them"),
    "query with a semicolon": shop_source(query="SELECT * FROM rows;\n"),
    "query with an end": shop_source(query="SELECT * FROM rows; -- all of them\n/* it's; /* nested */ */"),
    "query with quotes": shop_source(query="SELECT * FROM rows WHERE $a$;--'$a$ <> E'it\\'s; --' -- '"),
    "query with signs": shop_source(query="SELECT * FROM rows WHERE ' :x%' <> '%s:y' AND 5 % 3 = 2"),
    "query with casts": shop_source(
        query="SELECT user_id::int8, at, known, amount, word::varchar(90) AS word, flag FROM rows"
    ),
    "query with WITH": shop_source(query="WITH found AS (SELECT * FROM rows) SELECT * FROM found"),
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
    assert read_source(shop_source(table="rows"), config, ReadRequest(("user_id",))).num_rows == 4


def test_options_of_a_url(config: Any, url: str, monkeypatch: Any) -> None:
    """A URL's options reach the driver."""
    monkeypatch.setenv("SHOP_URL", f"{url}?application_name=shop")
    source = shop_source(query="SELECT current_setting('application_name') AS name")
    assert read_source(source, config, ReadRequest(("name",))).to_pylist() == [{"name": "shop"}]


def test_many_blocks_in_order(config: Any) -> None:
    """Rows of many blocks come whole and in order."""
    source = shop_source(query="SELECT i, repeat('x', 100) || i AS word FROM generate_series(1, 200000) AS i")
    table = read_source(source, config, ReadRequest(("i", "word")))
    assert table.column("i").to_pylist() == list(range(1, 200_001))
    assert table.column("word")[199_999].as_py() == "x" * 100 + "200000"
    assert table.column("i").num_chunks > 3


def test_updated_rows_are_last(config: Any, execute: Any) -> None:
    """The order of rows is the table's: scans in parallel, or from the middle on, don't change it (rule 4)."""
    execute(LARGE + "ALTER TABLE own SET (parallel_workers = 4); ANALYZE own")
    read = [
        read_source(source, config, ReadRequest(("n",))).column("n").to_pylist()
        for source in (shop_source(table="own"), shop_source(query="SELECT * FROM own"), shop_source(table="own"))
    ]
    assert read == [list(range(1, 40_001))] * 3


@pytest.mark.parametrize("table", ["rows", "seen"])
def test_rows_by_any_driver_are_the_same(table: str, url: str) -> None:
    """Row by row, as with a driver that has no COPY, the same comes, through a cursor on the server."""
    relation, request = SQLRelation("s", table, None, frozenset({"at"})), ReadRequest(NAMES, "at", TIMES[0], TIMES[2])
    with open_relation(url, relation) as connection:
        schema = sql_schema(connection, relation)
        cursors: list[Any] = []
        sa.event.listen(connection, "after_cursor_execute", lambda *event: cursors.append(event[1]))
        fetched = pa.concat_tables(fetch_rows(connection, relation, request, schema))
        assert [type(cursor).__name__ for cursor in cursors] == ["ServerCursor"]
        copied = pa.concat_tables(copy_rows(connection, relation, request, schema))
        assert fetched.combine_chunks().equals(copied.combine_chunks())
    assert fetched.num_rows == 3


def test_a_source_changes_nothing(config: Any, execute: Any, postgres: Postgres) -> None:
    """A query that writes is refused."""
    execute("CREATE TABLE own (n int8)")
    source = shop_source(query="SELECT n FROM own, pg_advisory_lock(0), nextval('none')")
    with pytest.raises(SourceError, match="'s'"):
        read_source(source, config, ReadRequest(("n",)))
    with pytest.raises(SourceError, match=r"'s'.*(read-only|WITH)"):
        read_source(
            shop_source(query="WITH x AS (DELETE FROM own RETURNING n) SELECT n FROM x"), config, ReadRequest(("n",))
        )
