"""Which tables of a DuckDB file a query reads, through views, macros and names that are made up on the way."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
from feast.repo_config import RepoConfig

from storekeeper.errors import SourceError
from storekeeper.settings import expand_references
from storekeeper.sources import DuckDBSource, home_of
from storekeeper.sources.duckdb_reader import query_relation, quote


def tables_read(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> frozenset[str]:
    """Tables of the database that a SELECT reads, as quoted SQL with their schema.

    Raises
    ------
    SourceError
        If DuckDB can't plan the query.
    """
    try:
        # Before it is optimised, a plan has every table that is named, those of no use to the answer too.
        connection.execute("SET explain_output = 'all'")
        plans = connection.execute(f"EXPLAIN (FORMAT json) {query}", parameters).fetchall()
    except duckdb.Error as error:
        raise SourceError(f"DuckDB can't tell which tables a query reads: {str(error).splitlines()[0]}") from error
    rows = connection.execute("SELECT database_name, schema_name, table_name FROM duckdb_tables()").fetchall()
    tables = {".".join(row): f"{quote(row[1])}.{quote(row[2])}" for row in rows}
    if plans:
        scanned = set(_scanned(json.loads(plans[0][1])))
        return frozenset(text for name, text in tables.items() if name in scanned)
    # DuckDB 1.5 explains no PIVOT whose columns come from the data: every table that is named counts.
    words = set(re.findall(r"\w+", query.lower()))
    return frozenset(text for (*_, table), text in zip(rows, tables.values(), strict=True) if table.lower() in words)


def statement(source: DuckDBSource) -> str:
    """A SELECT of all that a source holds."""
    relation = ".".join(map(quote, source.table.split("."))) if source.table else query_relation(source.query)
    return f"SELECT * FROM {relation} AS source"  # noqa: S608  (quoted)


def database_of(source: DuckDBSource, config: RepoConfig) -> Path:
    """A source's file."""
    return Path(home_of(config) / expand_references(source.location)).resolve()


def _scanned(node: Any) -> Iterator[str]:
    """Full names of the tables that a plan scans."""
    if isinstance(node, dict):
        extra = node.get("extra_info")
        if isinstance(extra, dict) and isinstance(extra.get("Table"), str):
            yield extra["Table"]
        node = node.get("children", ())
    for part in node:
        yield from _scanned(part)
