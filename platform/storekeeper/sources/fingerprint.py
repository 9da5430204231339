"""A hash of what a source holds: it changes when any row does."""

import hashlib
from datetime import datetime

from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.sources.duckdb_reader import open_duckdb
from storekeeper.sources.read import read_source, source_schema
from storekeeper.sources.request import ReadRequest


def source_fingerprint(source: DataSource, config: RepoConfig, end: datetime | None = None) -> str:
    """SHA-256 (hex) over the rows of a source up to `end` (event time, inclusive), whatever their order.

    Stable for one release of DuckDB, whose row hash it uses.
    """
    columns = tuple(source_schema(source, config).names)
    rows = read_source(source, config, ReadRequest(columns, source.timestamp_field, None, end))
    with open_duckdb(None) as connection:
        connection.register("source_rows", rows)
        found = connection.sql(
            "SELECT count(*), sum(hash(source_rows)::HUGEINT), bit_xor(hash(source_rows)) FROM source_rows"
        ).fetchall()[0]
        version = connection.sql("SELECT version()").fetchall()[0][0]
    text = f"{version}|{columns}|{'|'.join(map(str, found))}"
    return hashlib.sha256(text.encode()).hexdigest()
