"""DuckDB's wide numbers as the kernel has them: whole ones are int64, or an error; those with decimals are float64.

A `sum` of integers is a HUGEINT to DuckDB, and what has decimals a DECIMAL; Arrow knows both as decimals, and turns
them into floats with an error that DuckDB doesn't make.
"""

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from storekeeper.errors import DataError
from storekeeper.sources.duckdb_reader import fetch, quote


def kernel_schema(stored: pa.Schema) -> pa.Schema:
    """The types of columns as they are read, given those that they are stored in."""
    return pa.schema([field.with_type(_kernel_type(field.type)) for field in stored])


def shown(name: str, stored: pa.Schema) -> str:
    """SQL for a column in the type that it is read in."""
    type_ = stored.field(name).type
    if not pa.types.is_decimal(type_):
        return quote(name)
    return f"{quote(name)}::{'DOUBLE' if type_.scale else 'BIGINT'} AS {quote(name)}"


def refuse_wide(connection: duckdb.DuckDBPyConnection, sql: str, stored: pa.Schema, columns: Iterable[str]) -> None:
    """Refuse whole numbers that int64 can't hold; to be asked when reading them has failed.

    Parameters
    ----------
    sql
        What stands after FROM.

    Raises
    ------
    DataError
        Naming column, row and value.
    """
    for name in columns:
        type_ = stored.field(name).type
        if pa.types.is_decimal(type_) and not type_.scale:
            numbered = f"SELECT row_number() OVER () - 1 AS row, {quote(name)} AS value FROM {sql} AS source"  # noqa: S608
            wide = f"SELECT row, value::VARCHAR AS value FROM ({numbered}) WHERE TRY_CAST(value AS BIGINT) IS NULL "  # noqa: S608
            found = fetch(connection, f"{wide} AND value IS NOT NULL LIMIT 1", []).to_pylist()
            if found:
                raise DataError(
                    f"Column '{name}' holds an integer beyond the 64-bit signed range at row {found[0]['row']}: "
                    f"{found[0]['value']}. Correct the data, or cast the column to DOUBLE or VARCHAR in a query as the "
                    f"source."
                )


def _kernel_type(stored: pa.DataType) -> pa.DataType:
    if not pa.types.is_decimal(stored):
        return stored
    return pa.float64() if stored.scale else pa.int64()
