"""New rows for a feature view's history: checked as a whole, then appended behind what is there."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.clock import resolve_clock
from storekeeper.definitions.views import batch_source
from storekeeper.history.columns import times_us
from storekeeper.sources import stored_schema
from storekeeper.sources.fitting import fit_rows
from storekeeper.sources.writing import append_to_source, check_appendable

_TIMESTAMP = pa.timestamp("us", tz="UTC")


def append_rows(config: RepoConfig, view: Any, rows: pa.Table) -> int:
    """Append rows to the batch source of a feature view; all of them or none.

    Rows may be late: what was recorded stays, and where the source declares a knowledge time, rows that come without
    one get the clock's now. Null join keys are kept, though they match nothing. Rows that were appended before are
    appended again: the history then holds each twice.

    Parameters
    ----------
    rows
        All of the source's columns, in any order, under their mapped names (`field_mapping`) or the source's own.

    Returns
    -------
    int
        How many rows were appended.

    Raises
    ------
    UsageError
        If the source can't be appended to: a query, a single file, a remote file.
    DataError
        Missing or unknown columns, a value that its column can't hold unchanged, a null event time.
    SourceError
        If the source can't be read or written.
    """
    source = batch_source(view)
    check_appendable(source, config)
    schema = stored_schema(source, config)
    named = _own_names(_without_index(rows, {*schema.names, *source.field_mapping.values()}), source)
    now = resolve_clock(getattr(config.online_store, "clock", None)).now()
    fitted = fit_rows(_known(named, source, now), schema, f"source '{source.name}'")
    times_us(source.timestamp_field, fitted.column(source.timestamp_field))
    append_to_source(source, config, fitted)
    return int(fitted.num_rows)


def _without_index(rows: pa.Table, expected: Iterable[str]) -> pa.Table:
    """The rows without the pandas index that Arrow stores along, which Feast doesn't take off."""
    index = (rows.schema.pandas_metadata or {}).get("index_columns", [])
    return rows.drop_columns([name for name in rows.column_names if name in index and name not in set(expected)])


def _own_names(rows: pa.Table, source: DataSource) -> pa.Table:
    """Columns as the source names them."""
    original = {mapped: name for name, mapped in source.field_mapping.items()}
    return rows.rename_columns([original.get(name, name) for name in rows.column_names])


def _known(rows: pa.Table, source: DataSource, now: datetime) -> pa.Table:
    """The rows with the source's knowledge time: what came without one is known from now on."""
    column = source.created_timestamp_column
    if not column or column in rows.column_names:
        return rows
    return rows.append_column(column, pa.repeat(pa.scalar(now, _TIMESTAMP), rows.num_rows))
