"""What all kinds of source share: the project root, and errors that say which source they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.errors import DataError, DefinitionError, SourceError, listing
from storekeeper.settings import find_home


def home_of(config: RepoConfig) -> Path:
    """The project root of a Feast configuration: that of its repo, whatever the environment names."""
    return find_home(Path(config.repo_path), env={}) if config.repo_path else find_home()


def file_roots(config: RepoConfig) -> tuple[Path, Path]:
    """Where the path of a file may start."""
    home = home_of(config)
    return home, Path(config.repo_path or home)


def file_place(source: FileSource, config: RepoConfig) -> Path:
    """Where a file or folder lies: from the project root as all paths, or else from the repo as in Feast's templates.

    The first where neither is there.
    """
    places = [root / str(source.path) for root in file_roots(config)]
    return next((place for place in places if place.exists()), places[0])


def check_times(source: DataSource, schema: pa.Schema) -> pa.Schema:
    """The schema itself, if the source's timestamp columns are in it and hold timestamps, or nothing at all.

    Raises
    ------
    DefinitionError
        If not.
    """
    for column in filter(None, (source.timestamp_field, source.created_timestamp_column)):
        if column not in schema.names:
            raise lacking(source, [column], schema)
        type_ = schema.field(column).type
        if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_) or pa.types.is_null(type_)):
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
def named(source: str) -> Iterator[None]:
    """Errors that say which source they are about."""
    try:
        yield
    except (SourceError, DataError) as error:
        if str(error).startswith(f"Source '{source}'"):
            raise
        raise type(error)(f"Source '{source}': {error}") from error.__cause__
