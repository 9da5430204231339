"""One door to every source: only the wanted columns and the wanted time range, as Arrow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast.data_source import DataSource, PushSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.errors import DefinitionError, SourceError, listing
from storekeeper.settings import expand_references, find_home, rooted_url
from storekeeper.sources.declared import DuckDBSource, SQLSource
from storekeeper.sources.duckdb_reader import (
    file_relation,
    open_duckdb,
    query_relation,
    quote,
    read_relation,
    relation_schema,
)
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.sql_reader import SQLRelation, connect, read_sql, sql_schema


def home_of(config: RepoConfig) -> Path:
    """The project root of a Feast configuration: that of its repo, whatever the environment names."""
    return find_home(Path(config.repo_path), env={}) if config.repo_path else find_home()


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
    schema = source_schema(source, config)
    for column in filter(None, (source.timestamp_field, source.created_timestamp_column)):
        if column not in schema.names:
            raise _missing(source, [column], schema)
        type_ = schema.field(column).type
        if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
            raise DefinitionError(
                f"Source '{source.name}': column '{column}' must hold timestamps. It holds {type_}. "
                f"Name another column, or cast it in the source's query."
            )
    return schema


def _access(source: DataSource, config: RepoConfig, ask: Callable[[pa.Schema], ReadRequest | None]) -> Any:
    """Open a source; return its schema, or the rows that `ask` wants of it."""
    if isinstance(source, PushSource):
        if source.batch_source is None:
            raise DefinitionError(f"Push source '{source.name}' needs a batch_source with its history.")
        return _access(source.batch_source, config, ask)
    home = home_of(config)
    if isinstance(source, SQLSource):
        url = rooted_url(expand_references(source.location), home)
        times = frozenset(filter(None, (source.timestamp_field, source.created_timestamp_column)))
        declared = SQLRelation(source.name, source.table, source.query, times)
        with connect(url, source.name) as connection:
            schema = sql_schema(connection, declared)
            request = ask(schema)
            return schema if request is None else read_sql(connection, declared, request, schema)
    database, relation = _duckdb_location(source, home, Path(config.repo_path or home))
    with open_duckdb(database) as opened, _named(source.name):
        schema = relation_schema(opened, relation)
        request = ask(schema)
        return schema if request is None else read_relation(opened, relation, request)


@contextmanager
def _named(source: str) -> Iterator[None]:
    """Errors that say which source they are about."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"Source '{source}': {error}") from error.__cause__


def _duckdb_location(source: DataSource, home: Path, repo: Path) -> tuple[Path | None, str]:
    if isinstance(source, DuckDBSource):
        relation = ".".join(map(quote, source.table.split("."))) if source.table else query_relation(source.query)
        return home / expand_references(source.location), relation
    if isinstance(source, FileSource):
        return None, file_relation(source.path if "://" in source.path else str(_file(source, home, repo)))
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
        raise _missing(source, missing, schema)
    return ReadRequest(columns, request.timestamp, request.start, request.end)


def _missing(source: DataSource, columns: list[str], schema: pa.Schema) -> DefinitionError:
    return DefinitionError(
        f"Source '{source.name}' has no column {listing(columns)}. It has: {listing(schema.names)}. "
        f"Correct the declaration in the feature repo, or add the column to the source."
    )
