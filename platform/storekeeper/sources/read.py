"""Reading a source once: only the wanted columns and the wanted time range, as Arrow."""

import pyarrow as pa
from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.sources.access import check_times
from storekeeper.sources.opened import OpenSources
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
    with OpenSources(config) as sources:
        return sources.open(source).read(request)


def source_schema(source: DataSource, config: RepoConfig) -> pa.Schema:
    """Names and Arrow types of a source's columns, as they are read."""
    with OpenSources(config) as sources:
        return sources.open(source).schema


def stored_schema(source: DataSource, config: RepoConfig) -> pa.Schema:
    """Names and Arrow types of a source's columns as it keeps them, such as decimals, which are read as numbers."""
    with OpenSources(config) as sources:
        return sources.open(source).stored


def check_source(source: DataSource, config: RepoConfig) -> pa.Schema:
    """The schema of a source whose timestamp columns exist and hold timestamps."""
    return check_times(source, source_schema(source, config))
