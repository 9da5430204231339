"""Every kind of source is read alike: columns, types, order, time bounds, errors."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from feast import FileSource, PushSource

from projects import Project, at
from storekeeper.errors import DataError, DefinitionError, SourceError
from storekeeper.sources import DuckDBSource, ReadRequest, SQLSource, check_source, read_source, source_schema
from storekeeper.sources.duckdb_reader import fetch, open_duckdb

TIMES = [at("2020-02-01"), at("2020-02-01T10:30:00.000001"), at("2020-02-02"), at("2020-02-03")]
TABLE = pa.table(
    {
        "user_id": pa.array([3, 1, 2**53 + 1, None], pa.int64()),
        "at": pa.array(TIMES, pa.timestamp("us", tz="UTC")),
        "amount": pa.array([0.5, None, -1.5, 2.0]),
        "word": pa.array(["ä", "", None, "o'b"]),
        "flag": pa.array([True, False, None, True]),
    }
)
NAMES = ("user_id", "at", "amount", "word", "flag")
SQLITE = """
CREATE TABLE rows (user_id BIGINT, at TIMESTAMP, amount DOUBLE, word TEXT, flag BOOLEAN);
CREATE VIEW seen AS SELECT * FROM rows;
"""


def _fill_sqlite(project: Project) -> None:
    rows = [
        (
            row["user_id"],
            row["at"].replace(tzinfo=None).isoformat(" ", "microseconds"),
            row["amount"],
            row["word"],
            row["flag"],
        )
        for row in TABLE.to_pylist()
    ]
    project.add_sqlite(SQLITE, rows, "INSERT INTO rows VALUES (?, ?, ?, ?, ?)")


def _fill(project: Project) -> None:
    project.add_duckdb("rows", TABLE)
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        connection.execute("CREATE VIEW seen AS SELECT * FROM rows")
        connection.execute("CREATE SCHEMA nested; CREATE TABLE nested.rows AS SELECT * FROM rows")
    project.add_parquet("data/rows.parquet", TABLE)
    project.add_csv("data/rows.csv", TABLE)
    (project.root / "data/rows.csv.gz").write_bytes(gzip.compress((project.root / "data/rows.csv").read_bytes()))
    (project.root / "data/parts").mkdir()
    project.add_parquet("data/parts/a.parquet", TABLE.slice(0, 2))
    project.add_parquet("data/parts/b.parquet", TABLE.slice(2))
    _fill_sqlite(project)


def _duckdb(**options: Any) -> DuckDBSource:
    return DuckDBSource(**{"name": "s", "database": "data/behaviour.duckdb", "timestamp_field": "at"} | options)


def _sql(**options: Any) -> SQLSource:
    return SQLSource(**{"name": "s", "url": "sqlite:///data/shop.db", "timestamp_field": "at"} | options)


def _file(path: str, **options: Any) -> FileSource:
    return FileSource(name="s", path=path, timestamp_field="at", **options)


SOURCES = {
    "duckdb table": _duckdb(table="rows"),
    "duckdb view": _duckdb(table="seen"),
    "duckdb table in a schema": _duckdb(table="nested.rows"),
    "duckdb query": _duckdb(query="SELECT * FROM rows"),
    "duckdb query with a comment": _duckdb(query="SELECT * FROM rows -- all of them"),
    "duckdb query with a semicolon": _duckdb(query="SELECT * FROM rows;\n"),
    "sql table": _sql(table="rows"),
    "sql view": _sql(table="seen"),
    "sql query": _sql(query="SELECT * FROM rows"),
    "sql query with a comment": _sql(query="SELECT * FROM rows -- all of them"),
    "sql query with a semicolon": _sql(query="SELECT * FROM rows;"),
    "sql query with colons": _sql(query="SELECT * FROM rows WHERE ' :x' <> '%s:y'"),
    "parquet": _file("data/rows.parquet"),
    "parquet folder": _file("data/parts"),
    "csv": _file("data/rows.csv"),
    "csv.gz": _file("data/rows.csv.gz"),
    "push": PushSource(name="p", batch_source=_duckdb(table="rows")),
}
each_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same rows in every kind of source. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("sources"))
    made.configure()
    _fill(made)
    return made


@pytest.fixture(scope="module")
def config(filled: Project) -> Any:
    return filled.open().config


def _utc(table: pa.Table) -> list[dict[str, Any]]:
    """Rows, with naive times as UTC and an empty CSV text as the null that it is."""
    return [
        {k: at(v.isoformat()) if isinstance(v, datetime) and v.tzinfo is None else v for k, v in row.items()}
        for row in table.to_pylist()
    ]


@each_source
def test_all_rows_in_order(source: Any, config: Any) -> None:
    """Every kind of source gives the same rows in its own order, integers beyond 2^53 and nulls exact."""
    found = _utc(read_source(source, config, ReadRequest(NAMES)))
    expected = TABLE.to_pylist()
    if "csv" in getattr(source, "path", ""):
        found, expected = ([row | {"word": row["word"] or ""} for row in rows] for rows in (found, expected))
    assert [row | {"flag": None if row["flag"] is None else bool(row["flag"])} for row in found] == expected


@each_source
def test_only_the_wanted_columns(source: Any, config: Any) -> None:
    """Columns come in the asked order, each once, and no others."""
    table = read_source(source, config, ReadRequest(("word", "at", "word")))
    assert table.column_names == ["word", "at"]


@each_source
@pytest.mark.parametrize(("start", "end"), [(0, 3), (1, 1), (0, 0), (1, 2), (2, None), (None, 1), (3, 0)])
def test_bounds_are_inclusive(source: Any, config: Any, start: int | None, end: int | None) -> None:
    """Time bounds keep the rows at the bounds themselves."""
    bounds = [None if place is None else TIMES[place] for place in (start, end)]
    found = _utc(read_source(source, config, ReadRequest(("at",), "at", *bounds)))
    low, high = bounds[0] or TIMES[0], bounds[1] or TIMES[-1]
    assert [row["at"] for row in found] == [moment for moment in TIMES if low <= moment <= high]


@each_source
def test_missing_columns_are_named(source: Any, config: Any) -> None:
    """A column that isn't there is named, with those that are."""
    with pytest.raises(DefinitionError, match=r"no column 'nope'. It has: .*'user_id'"):
        read_source(source, config, ReadRequest(("user_id", "nope")))


@each_source
def test_schema_and_check(source: Any, config: Any) -> None:
    """The schema has all columns; its time column holds timestamps."""
    assert source_schema(source, config).names == list(NAMES)
    inner = getattr(source, "batch_source", source)
    assert check_source(inner, config).names == list(NAMES)


@pytest.mark.parametrize("make", [_duckdb, _sql], ids=["duckdb", "sql"])
def test_mapped_columns(make: Any, config: Any) -> None:
    """A field mapping renames what is read; the request speaks in mapped names, the bounds in the source's."""
    source = make(table="rows", field_mapping={"user_id": "customer", "at": "happened"})
    request = ReadRequest(("customer", "happened", "word"), "at", TIMES[1], TIMES[2])
    table = read_source(source, config, request)
    assert table.column_names == ["customer", "happened", "word"]
    assert table["customer"].to_pylist() == [1, 2**53 + 1]


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (_duckdb(table="rows", database="data/none.duckdb"), r"none\.duckdb.*storekeeper load"),
        (_duckdb(table="nope"), r"'s'.*nope|nope.*'s'"),
        (_duckdb(query="SELECT nope FROM rows"), r"nope"),
        (_sql(table="rows", url="sqlite:///data/none.db"), r"'s'.*none\.db"),
        (_sql(table="nope"), r"'s'.*'nope'.*'rows', 'seen'"),
        (_sql(query="SELECT nope FROM rows"), r"'s'.*nope"),
        (_file("data/none.parquet"), r"'s'.*none\.parquet"),
    ],
)
def test_missing_places_are_named(source: Any, match: str, config: Any, filled: Project) -> None:
    """A missing file, table or database is an error that names the source or the place; nothing is made."""
    before = sorted(path.name for path in (filled.root / "data").iterdir())
    with pytest.raises(SourceError, match=match):
        source_schema(source, config)
    assert sorted(path.name for path in (filled.root / "data").iterdir()) == before


@pytest.mark.parametrize("keep", [0, 100, 4096, 12288, 20000, -1])
def test_a_truncated_duckdb_file_is_refused(project: Project, keep: int) -> None:
    """A file cut off anywhere is an error already when its schema is asked for."""
    rows = 50_000
    project.add_duckdb("rows", pa.table({"user_id": range(rows), "at": pa.array([TIMES[0]] * rows)}))
    path = project.root / "data/behaviour.duckdb"
    content = path.read_bytes()
    path.write_bytes(content[: keep if keep >= 0 else len(content) - 100])
    with pytest.raises(SourceError, match=r"behaviour\.duckdb.*--force"):
        source_schema(_duckdb(table="rows"), project.open().config)


@pytest.mark.parametrize("damage", [b"", b"text", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_broken_parquet_file_is_refused(project: Project, damage: bytes) -> None:
    """So is a Parquet file that is none."""
    (project.root / "data/rows.parquet").write_bytes(damage)
    with pytest.raises(SourceError, match=r"rows\.parquet|Parquet|parquet"):
        source_schema(_file("data/rows.parquet"), project.open().config)


def test_a_broken_sqlite_file_is_refused(project: Project) -> None:
    """And a SQLite file that is none."""
    (project.root / "data/shop.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceError, match=r"'s'.*shop\.db"):
        source_schema(_sql(table="rows"), project.open().config)


def test_an_unreachable_database_shows_no_password(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a database that can't be reached, or has no driver, never shows its password."""
    monkeypatch.setenv("SHOP_URL", "postgresql://anna:geheim@localhost:1/db?password=auch&krbsrvname=auch")
    with pytest.raises(SourceError, match="'s'") as caught:
        source_schema(_sql(table="rows", url="${SHOP_URL}"), project.open().config)
    shown = "".join(map(str, [caught.value, caught.value.__cause__ or ""]))
    assert "geheim" not in shown
    assert "auch" not in str(caught.value)


@pytest.mark.parametrize(
    "texts",
    [
        ["2020-02-01 00:00:00", "2020-02-01 10:30:00.000001", "2020-02-02 00:00:00", "2020-02-03 00:00:00"],
        ["2020-02-01T00:00:00", "2020-02-01T10:30:00.000001", "2020-02-02T00:00:00", "2020-02-03T00:00:00"],
        ["2020-02-01T00:00:00Z", "2020-02-01T10:30:00.000001Z", "2020-02-02T00:00:00Z", "2020-02-03T00:00:00Z"],
        ["2020-02-01T02:00:00+02:00", "2020-02-01T12:30:00.000001+02:00", "2020-02-01T19:00:00-05:00", "2020-02-03"],
    ],
    ids=["space", "T", "Z", "zones"],
)
@pytest.mark.parametrize(("start", "end"), [(0, 3), (1, 1), (0, 0), (1, 2), (2, 3)])
def test_times_as_sqlite_text_keep_their_order(project: Project, texts: list[str], start: int, end: int) -> None:
    """SQLite keeps times as text of any ISO form; bounds compare instants, not letters."""
    project.add_sqlite(
        "CREATE TABLE rows (n INTEGER, at TIMESTAMP)", list(enumerate(texts)), "INSERT INTO rows VALUES (?, ?)"
    )
    for source in (_sql(table="rows"), _sql(query="SELECT * FROM rows")):
        table = read_source(source, project.open().config, ReadRequest(("n", "at"), "at", TIMES[start], TIMES[end]))
        assert table["n"].to_pylist() == list(range(start, end + 1))
        assert table["at"].to_pylist() == TIMES[start : end + 1]


@pytest.mark.parametrize("value", ["soon", 12, 1.5, b"x"])
def test_times_that_are_none_name_the_column(project: Project, value: Any) -> None:
    """A time that can't be read names source and column (rule 1)."""
    project.add_sqlite("CREATE TABLE rows (n INTEGER, at TIMESTAMP)", [(1, value)], "INSERT INTO rows VALUES (?, ?)")
    with pytest.raises(DataError, match=r"'s'.*'at'"):
        read_source(_sql(table="rows"), project.open().config, ReadRequest(("n", "at"), "at", TIMES[0], TIMES[3]))


@pytest.mark.parametrize(
    ("type_", "value"), [("INTEGER", "many"), ("DOUBLE", "much"), ("BOOLEAN", "perhaps"), ("BIGINT", 1.5)]
)
def test_values_of_another_type_name_the_column(project: Project, type_: str, value: Any) -> None:
    """SQLite keeps any value in any column; one that isn't of the declared type names source and column."""
    project.add_sqlite(f"CREATE TABLE rows (n {type_}, at TIMESTAMP)", [(value,)], "INSERT INTO rows (n) VALUES (?)")
    with pytest.raises(DataError, match=r"'s'.*'n'"):
        read_source(_sql(table="rows"), project.open().config, ReadRequest(("n",)))


def test_column_types_of_a_sql_table(project: Project) -> None:
    """Declared types become Arrow's; what Arrow has no type for is text."""
    project.add_sqlite(
        "CREATE TABLE rows (a INTEGER, b NUMERIC(10, 2), c FLOAT, d VARCHAR(3), e BOOLEAN, f DATE, g DATETIME, h BLOB, "
        "i JSON, j TIME)",
        [(1, 2.5, 3.5, "x", 1, "2020-02-29", "2020-02-29 01:02:03", b"\x00", '{"k": 1}', "01:02:03.000000")],
        "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    table = read_source(_sql(table="rows"), project.open().config, ReadRequest(tuple("abcdefghij")))
    utc = pa.timestamp("us", tz="UTC")
    types = [pa.int64(), pa.float64(), pa.float64(), pa.string(), pa.bool_(), pa.date32(), utc, pa.binary()]
    assert [table.schema.field(name).type for name in "abcdefgh"] == types
    row = table.to_pylist()[0]
    assert (row["b"], row["e"], row["g"], row["h"]) == (2.5, True, at("2020-02-29T01:02:03"), b"\x00")
    assert row["i"] == '{"k": 1}'
    assert row["j"].startswith("01:02:03")


def test_types_of_a_sql_query_come_from_all_its_rows(project: Project) -> None:
    """A column that starts with nulls, or with integers, has the type of all its values."""
    rows = [(i, None if i < 200 else "x", 1 if i < 200 else 1.5) for i in range(300)]
    project.add_sqlite("CREATE TABLE rows (i, word, amount)", rows, "INSERT INTO rows VALUES (?, ?, ?)")
    source = SQLSource(name="s", url="sqlite:///data/shop.db", query="SELECT i, word, amount FROM rows")
    table = read_source(source, project.open().config, ReadRequest(("i", "word", "amount")))
    assert table.schema.types == [pa.int64(), pa.string(), pa.float64()]
    assert table.slice(299).to_pylist() == [{"i": 299, "word": "x", "amount": 1.5}]


def test_a_home_in_the_environment_does_not_move_an_opened_project(
    filled: Project, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store opened by its path reads that project's data, whatever STOREKEEPER_HOME says."""
    monkeypatch.setenv("STOREKEEPER_HOME", str(tmp_path))
    table = read_source(_file("data/rows.parquet"), filled.open().config, ReadRequest(("user_id",)))
    assert table.num_rows == 4


def test_threads_that_open_one_file_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One opens after the other: of two at once, one may get a connection that reads no Arrow tables."""
    project.add_duckdb("rows", pa.table({"n": [1]}))
    keys, together, inside, most = pa.table({"n": [1]}), Barrier(2, timeout=60), [0], [0]
    connect = duckdb.connect

    def watched(*given: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            return connect(*given, **options)
        finally:
            inside[0] -= 1

    def ask(_: int) -> int:
        found = 0
        for _ in range(20):
            together.wait()
            with open_duckdb(project.root / "data/behaviour.duckdb") as connection:
                connection.register("keys", keys)
                found += fetch(connection, "SELECT * FROM rows SEMI JOIN keys USING (n)", []).num_rows
            # The file is closed by both, so that each round opens it anew.
            together.wait()
        return found

    monkeypatch.setattr(duckdb, "connect", watched)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(2))) == [20, 20]
    assert most == [1]
