"""Parquet files as one table."""

import duckdb

from storekeeper.sources.duckdb_reader import fetch
from storekeeper.sources.source_files import SourceFiles

# What a column's values are, file by file; whether they may be null doesn't matter.
_COLUMNS = "name, type, type_length, converted_type, scale, precision, logical_type::VARCHAR, num_children"


def parquet_sql(connection: duckdb.DuckDBPyConnection, files: SourceFiles) -> str:
    """What stands after FROM.

    Of files that differ in their columns a column is of the type that holds the values of all, and null in those that
    lack it: by itself DuckDB would make the others' values those of the first file's columns, rounding 1.5 to 2.
    """
    options = ", hive_partitioning = true" if files.is_set else ""
    if len(files.paths) > 1 and not _alike(connection, files):
        options += ", union_by_name = true"
    return f"read_parquet({files.sql}{options})"


def _alike(connection: duckdb.DuckDBPyConnection, files: SourceFiles) -> bool:
    sql = (
        f"SELECT count(DISTINCT columns) AS kinds FROM "  # noqa: S608  (quoted)
        f"(SELECT list(found ORDER BY found) AS columns FROM "
        f"(SELECT file_name, ({_COLUMNS}) AS found FROM parquet_schema({files.sql})) GROUP BY file_name)"
    )
    return bool(fetch(connection, sql, [])["kinds"][0].as_py() == 1)
