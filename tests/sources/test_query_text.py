"""What stands at a query's end, comments and semicolons, is left out of it; what only looks so is not."""

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from feast.repo_config import load_repo_config
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import Project
from storekeeper.sources import DuckDBSource, ReadRequest, SQLSource, read_source
from storekeeper.sources.duckdb_reader import query_relation
from storekeeper.sources.query_text import statement

ENDS = [
    "",
    ";",
    " ;; \n",
    "; -- done",
    "-- done;",
    " /* ; */",
    "; /* a\n-- b */ ; -- c\n",
    "--",
    "; /* it's */",
    " -- it's;",
]
QUERIES = [
    "SELECT n, '--; /*' AS word FROM rows",
    "SELECT n, 'it''s; -- no' AS word FROM rows",
    'SELECT n, word AS "a;--b" FROM rows',
    "SELECT n -- the number\n, word /* the word; */ FROM rows",
    "-- all of them\nSELECT n, word FROM rows",
    "/* a ' */ SELECT n, word || ';' AS word FROM rows WHERE word <> '/*'",
    "SELECT n - -1 AS n, word FROM rows",
    "SELECT n, word FROM rows WHERE word <> ';--'",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("end", ENDS)
def test_a_query_with_an_end_is_the_query(query: str, end: str) -> None:
    """What a database answers in parentheses is what it answers without them, whatever follows the query."""
    assert statement(f"\n {query}{end}") == query
    for connect in (duckdb.connect, sqlite3.connect):
        connection: Any = connect(":memory:")
        connection.execute("CREATE TABLE rows (n INTEGER, word VARCHAR)")
        connection.execute("INSERT INTO rows VALUES (1, 'x'), (2, ';--')")
        expected = connection.execute(query).fetchall()
        assert connection.execute(f"SELECT * FROM {query_relation(query + end)} AS source").fetchall() == expected
        connection.close()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT $$;--$$", "SELECT $a$ $$ ; -- $a$", r"SELECT E'it\'s; --'", "SELECT `;--`", "SELECT a$b$ FROM t$b$",
        "SELECT 1 /* /* nested */ -- */ + 1", "SELECT 'unfinished ; --", "", "SELECT 1; SELECT 2",
    ],
)  # fmt: skip
def test_other_dialects_quotes(query: str) -> None:
    """Dollar quotes, escapes, backquotes and nested comments hold what they hold; two statements stay two."""
    assert statement(query) == query
    assert "unfinished" in query or statement(f"{query} ; -- $$ ' \" end") == query


PIECES = st.lists(
    st.sampled_from(
        ["'--'", "';'", "'it''s'", '"a;"', "1", "- ", "/* ' */", "/*;*/", "--'\n", "--;\n", " ", "+", "''", ","]
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(PIECES, st.lists(st.sampled_from([";", " ", "\n", "-- x'\n", "/* ' ; */", "/**/"]), max_size=6))
def test_ends_are_cut_off_and_nothing_else(pieces: list[str], end: list[str]) -> None:
    """A query cut once is cut for good, ends with a word, and differs from what came in blanks and comments alone."""
    query = "SELECT " + " ".join(pieces) + " x"
    found = statement(query + "".join(end))
    assert found == query
    assert statement(found) == found


@pytest.mark.parametrize("end", ["; -- done", " -- done", ";", "; /* done; */ -- 'x"])
def test_declared_queries_may_end_so(end: str, project: Project) -> None:
    """Every source takes such a query."""
    project.add_duckdb("rows", pa.table({"n": [1, 2]}))
    project.add_sqlite("CREATE TABLE rows (n INTEGER); INSERT INTO rows VALUES (1), (2)")
    query, config = (
        f"SELECT n FROM rows{end}",
        load_repo_config(project.repo, Path(project.repo / "feature_store.yaml")),
    )
    for source in (
        DuckDBSource(name="s", database="data/behaviour.duckdb", query=query),
        SQLSource(name="s", url="sqlite:///data/shop.db", query=query),
    ):
        assert read_source(source, config, ReadRequest(("n",)))["n"].to_pylist() == [1, 2]
