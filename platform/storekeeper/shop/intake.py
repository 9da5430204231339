"""Intake: tables from outside become Arrow tables whose rows know their place, so that results can be traced back."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from duckdb import DuckDBPyConnection

from storekeeper.errors import DataError, listing

POSITION = "__position"


def to_arrow(table: pd.DataFrame | pa.Table) -> pa.Table:
    """The table as Arrow, plus `__position`: each row's place, from 0, int64.

    Timestamps become UTC without zone, in microseconds; those with a zone are converted. A column of mixed Python
    objects becomes text. Nulls stay nulls, NaN stays NaN in Arrow input and becomes null in pandas input.
    """
    arrow = table if isinstance(table, pa.Table) else _from_pandas(table)
    for place, field in enumerate(arrow.schema):
        if pa.types.is_timestamp(field.type):
            # DuckDB's TIMESTAMP is microseconds; sub-microsecond parts are cut.
            column = arrow.column(place).cast(pa.timestamp("us", tz=field.type.tz), safe=False)
            arrow = arrow.set_column(place, field.name, column.cast(pa.timestamp("us")))
    return arrow.append_column(POSITION, pa.array(np.arange(arrow.num_rows, dtype=np.int64)))


def register(
    connection: DuckDBPyConnection, name: str, table: pd.DataFrame | pa.Table, columns: tuple[str, ...]
) -> None:
    """Make a table readable under a name in a DuckDB connection.

    Raises
    ------
    DataError
        If it lacks one of the columns; the message names those that it has.
    """
    arrow = to_arrow(table)
    missing = set(columns) - set(arrow.column_names)
    if missing:
        have = set(arrow.column_names) - {POSITION}
        raise DataError(f"The source '{name}' lacks the columns {listing(missing)}. It has {listing(have)}.")
    connection.register(name, arrow)


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    columns = {str(name): _column(frame[name]) for name in frame.columns}
    return pa.table(columns)


def _column(series: "pd.Series[Any]") -> pa.Array | pa.ChunkedArray:
    """One column; mixed Python objects, which Arrow refuses, as text."""
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None or value is pd.NaT else str(value) for value in series], pa.string())
