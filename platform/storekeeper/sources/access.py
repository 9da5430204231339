"""Opening what a declaration names, and asking for a part of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.errors import DefinitionError, SourceError, listing
from storekeeper.settings import find_home
from storekeeper.sources.duckdb_reader import open_duckdb, read_relation, relation_schema
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.sql_connection import connect
from storekeeper.sources.sql_reader import read_sql, sql_schema
from storekeeper.sources.sql_relation import SQLRelation

#: Given a schema, the part that is wanted; None for the schema itself.
Ask = Callable[[pa.Schema], ReadRequest | None]


def home_of(config: RepoConfig) -> Path:
    """The project root of a Feast configuration: that of its repo, whatever the environment names."""
    return find_home(Path(config.repo_path), env={}) if config.repo_path else find_home()


def access_duckdb(source: str, database: Path | None, relation: str, ask: Ask) -> Any:
    """Ask for a part of a relation (what stands after FROM) in a DuckDB file, or in files that DuckDB reads."""
    with open_duckdb(database) as opened, _named(source):
        schema = relation_schema(opened, relation)
        request = ask(schema)
        return schema if request is None else read_relation(opened, relation, request)


def access_sql(source: str, url: str, relation: SQLRelation, ask: Ask) -> Any:
    """Ask for a part of a table or query in a SQL database."""
    with connect(url, source) as connection:
        schema = sql_schema(connection, relation)
        request = ask(schema)
        return schema if request is None else read_sql(connection, relation, request, schema)


def check_times(source: DataSource, schema: pa.Schema) -> pa.Schema:
    """The schema itself, if the source's timestamp columns are in it and hold timestamps.

    Raises
    ------
    DefinitionError
        If not.
    """
    for column in filter(None, (source.timestamp_field, source.created_timestamp_column)):
        if column not in schema.names:
            raise lacking(source, [column], schema)
        type_ = schema.field(column).type
        if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
            raise DefinitionError(
                f"Source '{source.name}': column '{column}' must hold timestamps. It holds {type_}. "
                f"Name another column, or cast it in the source's query."
            )
    return schema


def lacking(source: DataSource, columns: list[str], schema: pa.Schema) -> DefinitionError:
    """The error for columns that a source doesn't have."""
    return DefinitionError(
        f"Source '{source.name}' has no column {listing(columns)}. It has: {listing(schema.names)}. "
        f"Correct the declaration in the feature repo, or add the column to the source."
    )


@contextmanager
def _named(source: str) -> Iterator[None]:
    """Errors that say which source they are about."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"Source '{source}': {error}") from error.__cause__
