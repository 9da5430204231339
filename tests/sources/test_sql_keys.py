"""Keys of a read: SQLite and other databases are asked for the matching rows, and never for fewer."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from projects import Project, at
from storekeeper.sources import ReadRequest, SQLSource, read_source

ROWS = [(i % 2000, f"k{i % 20}", f"2020-01-{1 + i % 28:02} 00:00:00.000000", i) for i in range(20_000)]
NAMES = ("user_id", "word", "at", "n")


class PlainDialect(SQLiteDialect_pysqlite):
    """A database that Storekeeper knows nothing of."""

    name = "plain"
    supports_statement_cache = True


@pytest.fixture(scope="module", autouse=True)
def _plain_databases() -> Iterator[None]:
    registry.register("plain", __name__, "PlainDialect")
    registry.impls["plain"] = lambda: PlainDialect
    yield
    del registry.impls["plain"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A table of 2,000 users with 10 rows each. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("keys"))
    made.configure()
    made.add_sqlite(
        "CREATE TABLE rows (user_id BIGINT, word TEXT, at TIMESTAMP, n BIGINT);"
        "CREATE INDEX by_user ON rows (user_id, n DESC); CREATE INDEX by_word ON rows (word, n DESC);",
        ROWS,
        "INSERT INTO rows VALUES (?, ?, ?, ?)",
    )
    return made


def _sqlite(filled: Project, **options: Any) -> SQLSource:
    place = {"name": "s", "url": f"sqlite:///{filled.root}/data/shop.db", "timestamp_field": "at"}
    return SQLSource(**place | options)


@pytest.mark.parametrize("where", [{"table": "rows"}, {"query": "SELECT * FROM rows"}], ids=["table", "query"])
@pytest.mark.parametrize(
    ("keys", "fetched"),
    [
        (pa.table({"user_id": [7, 1999, -1, None]}), 20),
        (pa.table({"word": ["k3", "nö'"]}), 1000),
        (pa.table({"user_id": [3, 4], "word": ["k3", "k4"]}), 20),
        (pa.table({"user_id": range(10_001)}), 20_000),
        (pa.table({"user_id": range(10_001), "word": ["k1"] * 10_001}), 1000),
        (pa.table({"user_id": ["7"]}), 20_000),
        (pa.table({"word": [7]}), 20_000),
        (pa.table({"user_id": pa.array([], pa.int64())}), 0),
    ],
    ids=["ints", "texts", "both", "too many", "one too many", "text for int", "int for text", "none"],
)
def test_sqlite(keys: pa.Table, fetched: int, where: dict[str, str], filled: Project) -> None:
    """Only rows that match come, in the source's order; too many keys, or those of another type, restrict nothing."""
    source, config = _sqlite(filled, **where), filled.open().config
    every = read_source(source, config, ReadRequest(NAMES))
    found = read_source(source, config, ReadRequest(NAMES, keys=keys))
    assert found.num_rows == fetched
    kept = set(found["n"].to_pylist())
    assert found.to_pylist() == [row for row in every.to_pylist() if row["n"] in kept]
    wanted = {tuple(row.values()) for row in keys.to_pylist()}
    assert {row["n"] for row in every.to_pylist() if tuple(map(row.get, keys.column_names)) in wanted} <= kept


def test_sqlite_rows_keep_the_order_of_the_table(project: Project) -> None:
    """An index that holds all that is asked for is not read in the table's place: its order is another (rule 4)."""
    rows = [(1, "2020-02-01", amount, "x" * 100) for amount in (3, 1, 2)]
    project.add_sqlite(
        "CREATE TABLE rows (user_id BIGINT, at TIMESTAMP, amount BIGINT, word TEXT);"
        "CREATE INDEX small ON rows (user_id, at, amount)",
        rows,
        "INSERT INTO rows VALUES (?, ?, ?, ?)",
    )
    source, config = SQLSource(name="s", url="sqlite:///data/shop.db", table="rows"), project.open().config
    for keys in (None, pa.table({"user_id": [1]})):
        request = ReadRequest(("amount",), "at", at("2020-02-01"), at("2020-02-01"), keys)
        assert read_source(source, config, request)["amount"].to_pylist() == [3, 1, 2]


def test_sqlite_within_its_limit(filled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite that takes fewer parameters is asked for no more than it takes."""
    limits: list[int] = []

    @sa.event.listens_for(sa.Engine, "connect")
    def lower(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            limits.append(connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100))

    try:
        source, config = _sqlite(filled, table="rows"), filled.open().config
        bounds = ("at", at("2020-01-01"), at("2020-01-28"))
        for count, fetched in ((90, 900), (91, 20_000)):
            keys = pa.table({"user_id": range(count)})
            assert read_source(source, config, ReadRequest(("n",), *bounds, keys)).num_rows == fetched
    finally:
        sa.event.remove(sa.Engine, "connect", lower)
    assert limits


@pytest.mark.parametrize(
    ("type_", "stored", "key"),
    [
        ("TEXT", ["ab", "AB", "ab ", 12, None, b"ab"], "ab"),
        ("TEXT", [12, "12"], "12"),
        ("", [12, "12", 12.0], "12"),
        ("JSON", ['{"a":1}', 12, "12"], "12"),
        ("TEXT COLLATE NOCASE", ["ab", "AB"], "ab"),
        ("BIGINT", [12, 12.0, "12", None], 12),
        ("BIGINT", [2**63 - 1, 2**53, 2**53 + 1], 2**53 + 1),
    ],
)
def test_sqlite_keeps_any_value_in_any_column(type_: str, stored: list[Any], key: Any, project: Project) -> None:
    """Whatever a row holds, if it is read as the key, it is read with that key, too."""
    project.add_sqlite(
        f"CREATE TABLE rows (k {type_}, n BIGINT)",
        [(value, n) for n, value in enumerate(stored)],
        "INSERT INTO rows VALUES (?, ?)",
    )
    source, config = SQLSource(name="s", url="sqlite:///data/shop.db", table="rows"), project.open().config
    every = read_source(source, config, ReadRequest(("k", "n"))).to_pylist()
    found = read_source(source, config, ReadRequest(("k", "n"), keys=pa.table({"k": [key]}))).to_pylist()
    matching = [row for row in every if row["k"] == key]
    assert matching
    assert [row for row in found if row["k"] == key] == matching


@pytest.mark.parametrize(
    ("keys", "start", "fetched"),
    [
        (None, None, 20_000),
        (None, at("2020-01-28"), 714),
        (pa.table({"user_id": [7, 8]}), None, 20),
        (pa.table({"user_id": [7, 8]}), at("2020-01-28"), 1),
        (pa.table({"user_id": range(501)}), None, 20_000),
        (pa.table({"word": ["k1"]}), None, 20_000),
    ],
    ids=["all", "bounds", "keys", "both", "too many", "texts"],
)
def test_any_other_database(keys: pa.Table | None, start: datetime | None, fetched: int, filled: Project) -> None:
    """A dialect of which nothing is known is read, too; text is compared here, for who knows how it is there."""
    source = _sqlite(filled, url=f"plain:///{filled.root}/data/shop.db", table="rows")
    config = filled.open().config
    table = read_source(source, config, ReadRequest(NAMES, "at", start, None, keys))
    assert table.num_rows == fetched
    sqlite = read_source(_sqlite(filled, table="rows"), config, ReadRequest(NAMES, "at", start)).to_pylist()
    assert all(row in sqlite for row in table.to_pylist()[:20])
