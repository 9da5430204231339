"""Sources opened once for a piece of work, however often they are read in it."""

from collections.abc import Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from feast.data_source import DataSource, PushSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.errors import DefinitionError, listing
from storekeeper.sources.access import lacking, named
from storekeeper.sources.csv_files import CsvColumns, csv_sql
from storekeeper.sources.declared import TabularSource
from storekeeper.sources.duckdb_reader import open_duckdb
from storekeeper.sources.duckdb_relation import DuckDBRelation
from storekeeper.sources.relation import ADDRESS, Relation
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.source_files import Mark, files_of
from storekeeper.sources.sql_connection import connect


class OpenSources:
    """A context within which each source is opened once, and each DuckDB file too.

    Parameters
    ----------
    database_bytes
        How much memory DuckDB may use; None for its own default.

    Examples
    --------
    ``with OpenSources(config) as sources: rows = sources.open(source).read(request)``
    """

    def __init__(self, config: RepoConfig, database_bytes: int | None = None) -> None:
        self._config = config
        self._database_bytes = database_bytes
        self._stack = ExitStack()
        self._databases: dict[Path | None, duckdb.DuckDBPyConnection] = {}
        self._csv: dict[tuple[str, Mark], CsvColumns] = {}
        self._open: dict[tuple[type[DataSource], str, str], OpenSource] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def open(self, source: DataSource) -> "OpenSource":
        """A declared source, open for reading.

        Raises
        ------
        SourceError
            If it can't be reached.
        DefinitionError
            If Storekeeper reads no such source.
        """
        inner = _inner(source)
        address = (type(inner), inner.name, repr(inner.to_proto()))
        if address not in self._open:
            self._open[address] = OpenSource(inner, self._relation(inner))
        return self._open[address]

    def _relation(self, source: DataSource) -> Relation:
        with named(source.name):
            if isinstance(source, TabularSource):
                return source.relation(self._config, self)
            if isinstance(source, FileSource):
                return self._files(source)
        raise DefinitionError(
            f"Source '{source.name}' is a {type(source).__name__}. Storekeeper reads "
            f"{listing(['DuckDBSource', 'SQLSource', 'FileSource', 'PushSource over one of them'])}."
        )

    def _files(self, source: FileSource) -> Relation:
        connection = self.duckdb(None)
        files = files_of(source, self._config, connection)
        if files.are_csv:
            return DuckDBRelation(connection, csv_sql(connection, files, self._csv), None)
        return DuckDBRelation.of_parquet(connection, files)

    def duckdb(self, database: Path | None) -> duckdb.DuckDBPyConnection:
        """A read-only connection to a DuckDB file, or to none."""
        if database not in self._databases:
            connection = self._stack.enter_context(open_duckdb(database))
            if self._database_bytes is not None:
                connection.execute(f"SET memory_limit = '{self._database_bytes // 1_000_000:d}MB'")
            self._databases[database] = connection
        return self._databases[database]

    def sql(self, url: str, source: str) -> sa.Connection:
        """A connection to a SQL database, for one source."""
        return self._stack.enter_context(connect(url, source))


@dataclass(frozen=True)
class OpenSource:
    """A source under the names that feature views use (`field_mapping`)."""

    source: DataSource
    relation: Relation

    @cached_property
    def _original(self) -> dict[str, str]:
        return {mapped: name for name, mapped in self.source.field_mapping.items()}

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, under the source's own names."""
        with named(self.source.name):
            return self.relation.schema

    @property
    def stored(self) -> pa.Schema:
        """The same, in the types that rows to be appended must have."""
        with named(self.source.name):
            return self.relation.stored

    @property
    def addressed(self) -> bool:
        """Whether rows can be read again by their addresses."""
        return self.relation.addressed

    def row_count(self) -> int | None:
        """Number of rows, where it can be had without reading them."""
        with named(self.source.name):
            return self.relation.row_count()

    def require(self, columns: Iterable[str]) -> None:
        """Refuse columns that the source doesn't have.

        Raises
        ------
        DefinitionError
            The message lists those it has.
        """
        missing = [own for own in map(self._own, columns) if own not in self.schema.names]
        if missing:
            raise lacking(self.source, missing, self.schema)

    def read(self, request: ReadRequest) -> pa.Table:
        """Read a part, in the source's row order.

        Raises
        ------
        DefinitionError
            If the source lacks a column; the message lists those it has.
        SourceError, DataError
            If it can't be read.
        """
        return pa.Table.from_batches(list(self.batches(request)))

    def batches(self, request: ReadRequest) -> Generator[pa.RecordBatch, None, None]:
        """The same in batches, at least one; read as they are asked for."""
        asked = self._asked(request)
        names = [*request.columns, *([ADDRESS] if request.addressed else [])]
        with named(self.source.name), closing(self.relation.batches(asked)) as batches:
            for batch in batches:
                yield _as_named(batch, [*asked.columns, *names[len(request.columns) :]], self.source.field_mapping)

    def read_at(self, addresses: np.ndarray, columns: tuple[str, ...]) -> pa.Table:
        """The rows at (n,) int64 distinct addresses, in any order, and their addresses in a last column."""
        with named(self.source.name):
            rows = self.relation.read_at(addresses, tuple(self._own(column) for column in columns))
        return rows.rename_columns([*columns, ADDRESS])

    def _own(self, column: str) -> str:
        return self._original.get(column, column)

    def _asked(self, request: ReadRequest) -> ReadRequest:
        """The request in the source's own names, if it has them all."""
        columns = tuple(dict.fromkeys(self._own(column) for column in request.columns))
        self.require(columns)
        keys = request.keys
        if keys is not None:
            keys = keys.rename_columns([self._own(column) for column in keys.column_names])
        return replace(request, columns=columns, keys=keys)


def _as_named(batch: pa.RecordBatch, columns: list[str], mapping: dict[str, str]) -> pa.RecordBatch:
    return batch.rename_columns([mapping.get(name, name) for name in columns])


def _inner(source: DataSource) -> DataSource:
    if not isinstance(source, PushSource):
        return source
    if source.batch_source is None:
        raise DefinitionError(f"Push source '{source.name}' needs a batch_source with its history.")
    return _inner(source.batch_source)
