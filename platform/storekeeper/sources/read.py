"""One door to every source: only the wanted columns and the wanted time range, as Arrow."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from feast.data_source import DataSource, PushSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.errors import DefinitionError, SourceError, listing
from storekeeper.sources.access import Ask, access_duckdb, check_times, home_of, lacking
from storekeeper.sources.declared import TabularSource
from storekeeper.sources.duckdb_reader import file_relation
from storekeeper.sources.request import ReadRequest


def read_source(source: DataSource, config: RepoConfig, request: ReadRequest) -> pa.Table:
    """Read the asked part of a source.

    Returns
    -------
    pyarrow.Table
        The columns under their mapped names (`field_mapping`), in the source's row order.

    Raises
    ------
    SourceError
        If it can't be reached or read.
    DefinitionError
        If it lacks a column; the message lists those it has.
    """
    table = _access(source, config, lambda schema: _checked(source, schema, request))
    return table.rename_columns([source.field_mapping.get(name, name) for name in table.column_names])


def source_schema(source: DataSource, config: RepoConfig) -> pa.Schema:
    """Names and Arrow types of a source's columns."""
    return _access(source, config, lambda _: None)


def check_source(source: DataSource, config: RepoConfig) -> pa.Schema:
    """The schema of a source whose timestamp columns exist and hold timestamps."""
    return check_times(source, source_schema(source, config))


def _access(source: DataSource, config: RepoConfig, ask: Ask) -> Any:
    """Open a source; return its schema, or the rows that `ask` wants of it."""
    if isinstance(source, PushSource):
        if source.batch_source is None:
            raise DefinitionError(f"Push source '{source.name}' needs a batch_source with its history.")
        return _access(source.batch_source, config, ask)
    if isinstance(source, TabularSource):
        return source.access(config, ask)
    if isinstance(source, FileSource):
        home = home_of(config)
        path = source.path if "://" in source.path else str(_file(source, home, Path(config.repo_path or home)))
        return access_duckdb(source.name, None, file_relation(path), ask)
    raise DefinitionError(
        f"Source '{source.name}' is a {type(source).__name__}. Storekeeper reads "
        f"{listing(['DuckDBSource', 'SQLSource', 'FileSource', 'PushSource over one of them'])}."
    )


def _file(source: FileSource, home: Path, repo: Path) -> Path:
    """A file's place: from the project root as all paths, or from the repo as in Feast's own templates."""
    places = (home / str(source.path), repo / str(source.path))
    for place in places:
        if place.exists():
            return place
    raise SourceError(
        f"Source '{source.name}': there is no file '{places[0]}'. Correct its path, which starts at the project root."
    )


def _checked(source: DataSource, schema: pa.Schema, request: ReadRequest) -> ReadRequest:
    """The request in source column names, if the source has them all."""
    original = {mapped: name for name, mapped in source.field_mapping.items()}
    columns = tuple(dict.fromkeys(original.get(column, column) for column in request.columns))
    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise lacking(source, missing, schema)
    keys = request.keys
    if keys is not None:
        keys = keys.rename_columns([original.get(column, column) for column in keys.column_names])
    return ReadRequest(columns, request.timestamp, request.start, request.end, keys)
