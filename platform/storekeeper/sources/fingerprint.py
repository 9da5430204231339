"""A hash of what a source holds: it changes when any row does."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.sources.duckdb_reader import open_duckdb, quote
from storekeeper.sources.read import read_source, source_schema
from storekeeper.sources.request import ReadRequest


def source_fingerprint(
    source: DataSource, config: RepoConfig, end: datetime | None = None, ties: Iterable[str | None] = ()
) -> str:
    """SHA-256 (hex) over the rows of a source up to `end` (event time, inclusive).

    Stable for one release of DuckDB, whose row hash it uses.

    Parameters
    ----------
    ties
        Columns by whose values rows are ordered in time: keys, event time, knowledge time. Among rows that are equal in
        all of them the source's order counts (rule 4), so it is part of the hash; no other order is.
    """
    columns = tuple(source_schema(source, config).names)
    rows = read_source(source, config, ReadRequest(columns, source.timestamp_field, None, end))
    with open_duckdb(None) as connection:
        connection.register("source_rows", rows)
        code = connection.table("source_rows").select("hash(source_rows) AS code")
        if equal := [quote(name) for name in ties if name]:
            numbered = {name: f"key_{number}" for number, name in enumerate(equal)}
            keys = ", ".join(f"{name} AS {key}" for name, key in numbered.items())
            # Numbered first: a window over partitions alone may forget in which order the rows came.
            placed = connection.table("source_rows").select(
                f"{keys}, hash(source_rows) AS code, row_number() OVER () AS place"
            )
            within = f"row_number() OVER (PARTITION BY {', '.join(numbered.values())} ORDER BY place)"
            code = placed.select(f"hash(code, {within}) AS code")
        found = code.aggregate("count(*), sum(code::HUGEINT), bit_xor(code)").fetchall()[0]
        version = connection.sql("SELECT version()").fetchall()[0][0]
    text = f"{version}|{columns}|{'|'.join(map(str, found))}"
    return hashlib.sha256(text.encode()).hexdigest()
