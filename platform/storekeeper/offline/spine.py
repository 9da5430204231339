"""The spine: the rows that ask, each with entity keys and its own time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError, UsageError, listing
from storekeeper.history.columns import column_kind
from storekeeper.retrieval import check_columns
from storekeeper.sources.duckdb_reader import fetch, open_duckdb

EVENT_TIMESTAMP = "event_timestamp"
TIMESTAMP = pa.timestamp("us", tz="UTC")
# From here on a float64 may stand for more than one integer.
_AMBIGUOUS = 2.0**53


@dataclass(frozen=True)
class Spine:
    """Rows that ask for features.

    Attributes
    ----------
    table
        All of the caller's columns, in the caller's order.
    time
        Name of the column with each row's time.
    index
        The caller's pandas index, or None.
    """

    table: pa.Table
    time: str
    index: pd.Index | None = None

    def with_floats(self, names: Collection[str]) -> "Spine":
        """The same rows, decimals in the named columns as floats: to DuckDB the literal 1.5 is a decimal."""
        table = self.table
        for position, field in enumerate(table.schema):
            if field.name in names and pa.types.is_decimal(field.type):
                table = table.set_column(position, field.name, table.column(position).cast(pa.float64()))
        return replace(self, table=table)

    def typed_if_empty(self, types: Mapping[str, pa.DataType]) -> "Spine":
        """The same spine; one without rows, whose columns pandas gives any type, has the named columns in these."""
        if self.table.num_rows:
            return self
        schema = pa.schema([field.with_type(types.get(field.name, field.type)) for field in self.table.schema])
        return replace(self, table=schema.empty_table())

    def key(self, name: str, declared: pa.DataType) -> pa.ChunkedArray:
        """A join key's column, whose floats are integers where integers are declared, and every value is one.

        A missing value is enough for pandas to make floats of integers. Whole numbers below 2^53 came from one integer
        only; NaN is null. Any other column is as it is in the table.
        """
        column = self.table.column(name)
        return _whole(column) if pa.types.is_float64(column.type) and pa.types.is_integer(declared) else column


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as int64 if all are whole numbers, unchanged otherwise."""
    numbers = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    largest = pc.max(pc.abs(numbers)).as_py()
    if largest is not None and largest >= _AMBIGUOUS:
        return column
    try:
        return numbers.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def spine_from_frame(frame: pd.DataFrame) -> Spine:
    """A DataFrame as a spine; nothing about its rows changes.

    Raises
    ------
    UsageError
        If two columns have one name.
    DataError
        If a timestamp can't be read (naming column and row), or a column mixes types.
    """
    check_columns(frame.columns)
    time = timestamp_column({str(name): pd.api.types.is_datetime64_any_dtype(t) for name, t in frame.dtypes.items()})
    frame = frame.assign(**{time: _timestamps(frame[time], time)})
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"A column of the spine can't be read: {error}. Give each column one type.") from error
    return Spine(table, time, frame.index)


def spine_from_sql(query: str, database: Path) -> Spine:
    """The result of a SELECT in a DuckDB file as a spine, in the query's order."""
    with open_duckdb(database) as connection:
        _check_select(connection, query)
        table = fetch(connection, query, [])
    check_columns(table.column_names)
    time = timestamp_column({field.name: column_kind(field.type) == "timestamp" for field in table.schema})
    return Spine(table, time)


def _check_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse anything but one SELECT."""
    try:
        kinds = [statement.type for statement in connection.extract_statements(query)]
    except duckdb.Error as error:
        raise UsageError(f"The spine's SQL can't be read: {error}") from error
    if kinds != [duckdb.StatementType.SELECT]:
        raise UsageError(
            f"A SQL spine must be one SELECT. Received: {listing(kind.name for kind in kinds)} in '{query.strip()}'."
        )


def timestamp_column(is_time: dict[str, bool]) -> str:
    """`event_timestamp` where it exists, else the only timestamp column.

    Raises
    ------
    UsageError
        If there is neither.
    """
    if EVENT_TIMESTAMP in is_time:
        return EVENT_TIMESTAMP
    candidates = [name for name, yes in is_time.items() if yes]
    if len(candidates) == 1:
        return candidates[0]
    raise UsageError(
        f"The spine needs a column '{EVENT_TIMESTAMP}' (or exactly one timestamp column) with each row's time. "
        f"It has: {listing(is_time)}."
    )


def _timestamps(column: pd.Series, name: str) -> pd.Series:
    """Any readable timestamps in UTC."""
    if pd.api.types.is_datetime64_any_dtype(column):
        parsed = column
    else:
        parsed = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    broken = parsed.isna().to_numpy()
    if broken.any():
        row = int(broken.argmax())
        raise DataError(
            f"Column '{name}' of the spine has no readable timestamp at row {row}. Received: {column.iloc[row]!r}. "
            f"Expected a datetime or ISO 8601 text between the years 1677 and 2262."
        )
    moved: pd.Series = parsed.dt.tz_localize("UTC") if parsed.dt.tz is None else parsed.dt.tz_convert("UTC")
    return moved
