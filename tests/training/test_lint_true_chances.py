"""Sources and spines that read the true chances of a simulated shop are found, however they come by them."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from leaky_shop import LeakyShop
from storekeeper.errors import SourceError
from storekeeper.shop.simulator.writing import TRUTH, TRUTH_COLUMNS
from storekeeper.sources import DuckDBSource
from storekeeper_training.lint import run_lints
from storekeeper_training.lint.chances import chance_tables
from storekeeper_training.lint.tables_read import statement, tables_read

TRUTHS = pa.table(
    {
        "event_id": pa.array(range(60), pa.int64()),
        "decision": ["purchase"] * 60,
        "probability": pa.array([0.5] * 60, pa.float32()),
    }
)
SOURCE = """
chances = DuckDBSource(name="chances", database="data/behaviour.duckdb", timestamp_field="since",
                       query="{query}")
chance = FeatureView(name="chance", entities=[customer], source=chances,
                     schema=[Field(name="probability", dtype=Float32)])
"""
JOINED = (
    "SELECT event_id + 1 AS customer_id, TIMESTAMP '2019-01-01' + to_days(event_id::INTEGER) AS since, probability "
    "FROM {table}"
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A simulated log's tables, a view over them, a macro, a copy, and a table of that name that is another."""
    with duckdb.connect(str(tmp_path / "log.duckdb")) as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in TRUTH_COLUMNS.items())
        connection.execute(f"CREATE TABLE {TRUTH} ({columns})")
        connection.execute("CREATE TABLE events (event_id BIGINT, event_type VARCHAR)")
        connection.execute("CREATE TABLE quiet AS SELECT *, 1 AS more FROM truth")
        connection.execute("CREATE VIEW looks AS SELECT * FROM events JOIN truth USING (event_id)")
        connection.execute("CREATE VIEW deeper AS SELECT count(*) AS n FROM looks")
        connection.execute("CREATE MACRO peek() AS TABLE SELECT * FROM truth")
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.truth (event_id BIGINT, answer VARCHAR)")
    with duckdb.connect(str(tmp_path / "log.duckdb"), read_only=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("query", "knows"),
    [
        ("SELECT * FROM truth", True),
        ("FROM main.TRUTH", True),
        ('SELECT (SELECT max(probability) FROM "truth") FROM events', True),
        ("SELECT * FROM events WHERE event_id IN (SELECT event_id FROM truth) AND false", True),
        ("SELECT event_id FROM events UNION SELECT event_id FROM truth", True),
        ("SELECT * FROM (PIVOT truth ON decision USING max(probability))", True),
        ("SELECT * FROM looks", True),
        ("SELECT * FROM deeper", True),
        ("SELECT * FROM peek()", True),
        ("SELECT * FROM query_table('truth')", True),
        ("SELECT * FROM quiet", True),
        ("SELECT * FROM events", False),
        ("SELECT 'truth' AS truth FROM events", False),
        ("WITH truth AS (SELECT 1 AS one) SELECT * FROM truth", False),
        ("SELECT * FROM other.truth", False),
    ],
)
def test_queries(log: duckdb.DuckDBPyConnection, query: str, knows: bool) -> None:
    """By name, in sub-queries, through views, macros and copies: what reads the chances is known, all else is not."""
    source = DuckDBSource(name="s", database="log.duckdb", query=f"{query} -- a comment", timestamp_field="t")
    assert bool(tables_read(log, statement(source)) & chance_tables(log)) is knows


def test_tables(log: duckdb.DuckDBPyConnection) -> None:
    """A source may name the table or a view instead of a query; a query that can't be planned is an error."""
    for table, read in (
        ("truth", {'"main"."truth"'}),
        ("main.truth", {'"main"."truth"'}),
        ("looks", {'"main"."truth"', '"main"."events"'}),
        ("other.truth", {'"other"."truth"'}),
    ):
        source = DuckDBSource(name="s", database="log.duckdb", table=table, timestamp_field="t")
        assert tables_read(log, statement(source)) == read
    with pytest.raises(SourceError, match="which tables a query reads"):
        tables_read(log, "SELECT * FROM nothing")


@pytest.mark.parametrize("table", ["truth", "renamed"])
def test_a_feature_from_the_simulators_table(tmp_path: Path, table: str) -> None:
    """A source that reads the table is an error in the task's lint, by its own name and as a copy."""
    more = SOURCE.format(query=JOINED.format(table=table))
    shop = LeakyShop(more=more, services=", chance", tables={table: TRUTHS})
    findings = run_lints(shop.evidence(tmp_path)).findings
    assert [(f.lint, f.severity, f.subject) for f in findings] == [("true-chances", "error", "chances")]


def test_a_spine_that_reads_them(tmp_path: Path) -> None:
    """Rows chosen by the chances of what they are to foretell are found as well."""
    shop = LeakyShop(tables={"truth": TRUTHS}).with_spine(
        "GROUP BY drawn.customer_id", "WHERE (SELECT min(probability) FROM truth) > 0 GROUP BY drawn.customer_id"
    )
    findings = run_lints(shop.evidence(tmp_path)).findings
    assert [(f.lint, f.severity, f.subject) for f in findings] == [("true-chances", "error", "orders")]


def test_a_file_with_its_columns(tmp_path: Path) -> None:
    """A source of another kind that has the table's columns is an export of it."""
    since = pa.array([f"2019-01-01T00:00:{second:02}" for second in range(60)]).cast(pa.timestamp("us"))
    export = TRUTHS.append_column("customer_id", pa.array(range(1, 61))).append_column("since", since)
    more = """
chances = FileSource(name="chances", path="data/export.parquet", timestamp_field="since")
chance = FeatureView(name="chance", entities=[customer], source=chances,
                     schema=[Field(name="probability", dtype=Float32)])
"""
    shop = LeakyShop(more=more, services=", chance", files={"data/export.parquet": export})
    assert ("true-chances", "chances") in {(f.lint, f.subject) for f in run_lints(shop.evidence(tmp_path)).findings}
