"""One door for new rows: they are added behind what a source holds, whole or not at all; nothing is rewritten."""

from pathlib import Path

import pyarrow as pa
from feast.data_source import DataSource, PushSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.errors import UsageError
from storekeeper.settings import expand_references, rooted_url
from storekeeper.sources.access import file_place, home_of
from storekeeper.sources.declared import DuckDBSource, SQLSource, TabularSource
from storekeeper.sources.duckdb_writer import insert_duckdb
from storekeeper.sources.file_order import CSV, files_below
from storekeeper.sources.parts import append_parts, partition_keys
from storekeeper.sources.sql_writer import insert_sql


def check_appendable(source: DataSource, config: RepoConfig) -> None:
    """Refuse a source that can't take rows without rewriting what it holds.

    Raises
    ------
    UsageError
        A query, a single file, a remote file or another kind of source; the message names what to declare instead.
    """
    if isinstance(source, TabularSource):
        if source.table is None:
            raise UsageError(
                f"Source '{source.name}' is a query, which rows can't be appended to. Declare the table that holds "
                f"them: {type(source).__name__}(name=..., table=...)."
            )
    elif isinstance(source, FileSource):
        _check_folder(source, writable_place(source, config))
    else:
        raise UsageError(
            f"Source '{source.name}' is a {type(source).__name__}. Rows can be appended to a DuckDBSource(table=...), "
            f"an SQLSource(table=...) or a FileSource of a folder of Parquet parts."
        )


def _check_folder(source: FileSource, place: Path) -> None:
    if not place.is_dir():
        raise UsageError(
            f"Source '{source.name}' is the single file or pattern '{source.path}': appending would rewrite the file, "
            f"or write what the pattern leaves out. Move it into a folder of Parquet parts, and "
            f"declare that: FileSource(path='<folder>')."
        )
    if files_below(place, CSV):
        raise UsageError(
            f"Source '{source.name}' is a folder of CSV files, and rows are appended as Parquet parts. Turn the files "
            f"into such parts."
        )


def append_to_source(source: DataSource, config: RepoConfig, rows: pa.Table) -> None:
    """Add rows, which have the source's own columns and types (see `fit_rows`), behind those it holds.

    All are added or, on any error, none. Rows that it holds already are added again: two equal rows are two events.

    Raises
    ------
    UsageError
        As `check_appendable`.
    SourceError
        If the source can't be written to, such as a DuckDB file that another process holds.
    DataError
        If a database refuses a value, by a constraint of its table.
    """
    check_appendable(source, config)
    if not rows.num_rows:
        return
    if isinstance(source, DuckDBSource):
        database = home_of(config) / expand_references(source.location)
        insert_duckdb(f"source '{source.name}'", database, str(source.table), rows)
    elif isinstance(source, SQLSource):
        url = rooted_url(expand_references(source.location), home_of(config))
        insert_sql(f"source '{source.name}'", url, str(source.table), rows)
    else:
        folder = writable_place(source, config)
        append_parts(folder, rows, partition_keys(folder))


def history_of(source: DataSource) -> DataSource:
    """The source that holds a push source's history; any other source itself."""
    while isinstance(source, PushSource) and source.batch_source is not None:
        source = source.batch_source
    return source


def writable_place(source: FileSource, config: RepoConfig) -> Path:
    """Where a file or folder lies (`file_place`).

    Raises
    ------
    UsageError
        If it is not on this machine.
    """
    if "://" in source.path:
        raise UsageError(f"Source '{source.name}' lies at '{source.path}'. Rows are appended on this machine only.")
    return file_place(source, config)
