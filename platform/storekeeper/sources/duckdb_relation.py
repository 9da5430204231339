"""A table, view, query or set of files, read through DuckDB."""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from storekeeper.errors import DataError, SourceError
from storekeeper.history.keys import key_kind
from storekeeper.sources.duckdb_numbers import kernel_schema, refuse_wide, shown
from storekeeper.sources.duckdb_reader import fetch, fetch_batches, quote, relation_schema
from storekeeper.sources.parquet_files import parquet_sql
from storekeeper.sources.relation import ADDRESS
from storekeeper.sources.request import ReadRequest
from storekeeper.sources.source_files import SourceFiles

_PLACE = "__place__"
_KEYS = "__wanted_keys__"
_ADDRESSES = "__wanted_addresses__"
_BATCH_ROWS = 500_000
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = (pa.timestamp("ns"), pa.timestamp("ns", tz="UTC"))
_NANOSECOND_YEARS = (datetime(1677, 9, 22), datetime(2262, 4, 11, 23, 47, 16))  # noqa: DTZ001  (parameters are naive)
# Rows of one file come before those of the next.
_FILE_ADDRESS = f"(file_index * {1 << 40} + file_row_number)::BIGINT"


@dataclass(frozen=True)
class DuckDBRelation:
    """What stands after FROM, on an open connection.

    Attributes
    ----------
    connection
        Read-only.
    sql
        A quoted name, a query in parentheses, or a reader's call.
    address
        SQL for a row's address; None where rows have none, as those of a query or a CSV file.
    files
        Where addresses are places in files: those files.
    """

    connection: duckdb.DuckDBPyConnection
    sql: str
    address: str | None
    files: SourceFiles | None = None
    _checked: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def of_table(cls, connection: duckdb.DuckDBPyConnection, name: str) -> "DuckDBRelation":
        """A table or view; only tables have row ids."""
        parts = name.split(".")
        sql = ".".join(map(quote, parts))
        kind = fetch(connection, "SELECT 1 FROM duckdb_tables() WHERE table_name = ? AND NOT temporary", [parts[-1]])
        is_view = fetch(connection, "SELECT 1 FROM duckdb_views() WHERE view_name = ?", [parts[-1]]).num_rows
        unnamed = cls(connection, sql, None)
        taken = "rowid" in [column.lower() for column in unnamed.schema.names]
        return unnamed if taken or is_view or not kind.num_rows else cls(connection, sql, "rowid")

    @classmethod
    def of_parquet(cls, connection: duckdb.DuckDBPyConnection, files: SourceFiles) -> "DuckDBRelation":
        """Parquet files; a row's address is its file and its place there.

        Where folders name values, DuckDB leaves files out by what a query asks for, and numbers those that remain: no
        number of a file outlasts its query.
        """
        unnamed = cls(connection, parquet_sql(connection, files), None)
        taken = {"file_index", "file_row_number"} & {column.lower() for column in unnamed.schema.names}
        if taken or files.partitioned:
            return unnamed
        # One file's place alone is a plain column, by which DuckDB filters as it reads.
        address = "file_row_number" if len(files.marks) == 1 else _FILE_ADDRESS
        return cls(connection, unnamed.sql, address, files)

    @cached_property
    def stored(self) -> pa.Schema:
        """Names and Arrow types of the columns as DuckDB has them."""
        return relation_schema(self.connection, self.sql)

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns as they are read."""
        return kernel_schema(self.stored)

    @property
    def addressed(self) -> bool:
        """Whether rows can be read again by address."""
        return self.address is not None

    def row_count(self) -> int | None:
        """Number of rows, which files and tables know without being read."""
        if self.address is None:
            return None
        return int(fetch(self.connection, f"SELECT count(*) AS n FROM {self.sql}", [])["n"][0].as_py())  # noqa: S608

    def batches(self, request: ReadRequest) -> Generator[pa.RecordBatch, None, None]:
        """Read a part, in the source's own row order.

        Raises
        ------
        SourceError
            With DuckDB's own message.
        DataError
            If there are bounds, and rows without a time; or a whole number that int64 can't hold.
        """
        bounds = self._bounds(request)
        if bounds and not request.timeless:
            self._refuse_null_times(request.timestamp)
        where = " AND ".join(f"{quote(request.timestamp)} {operator} ?" for operator, _ in bounds)
        filtered = f"{self.sql} AS source" + (f" WHERE {where}" if where else "")
        parameters: list[object] = [instant for _, instant in bounds]
        address = [f"{self.address} AS {quote(ADDRESS)}"] if request.addressed else []
        keys = self._pushable(request)
        try:
            if keys is None:
                limit = "" if request.limit is None else f" LIMIT {request.limit:d}"
                sql = f"SELECT {self._shown(request.columns, address)} FROM {filtered}{limit}"  # noqa: S608  (quoted)
                yield from fetch_batches(self.connection, sql, parameters, _BATCH_ROWS)
            else:
                yield from self._of_keys(keys, request, filtered, address, parameters)
        except SourceError:
            refuse_wide(self.connection, self.sql, self.stored, request.columns)
            raise

    def _shown(self, columns: tuple[str, ...], address: list[str]) -> str:
        return ", ".join([*(shown(name, self.stored) for name in columns), *address])

    def _bounds(self, request: ReadRequest) -> list[tuple[str, datetime]]:
        """The request's bounds as the column's type can hold them.

        Nanoseconds cover fewer years, and what lies within the last microsecond counts as that (rule 1).
        """
        if not request.bounds or self.schema.field(request.timestamp).type not in _NANOSECONDS:
            return request.bounds
        least, most = _NANOSECOND_YEARS
        within = []
        for operator, instant in request.bounds:
            if operator == ">=" and instant > least:
                within.append((">=", min(instant, most)))
            if operator == "<=" and instant < most:
                within.append(("<", max(instant, least) + _MICROSECOND))
        return within

    def _pushable(self, request: ReadRequest) -> pa.Table | None:
        """The keys to join with; None where types differ, which the caller shall see for himself."""
        keys = request.keys
        if keys is None:
            return None
        alike = all(
            key_kind(keys.schema.field(name).type) == key_kind(self.schema.field(name).type)
            for name in keys.column_names
        )
        return keys if alike else None

    def _of_keys(
        self, keys: pa.Table, request: ReadRequest, filtered: str, address: list[str], parameters: list[object]
    ) -> Generator[pa.RecordBatch, None, None]:
        """A semi-join forgets the order of rows, so each takes its place along."""
        place = f"{self.address or 'row_number() OVER ()'} AS {_PLACE}"
        wanted, names = list(map(quote, request.columns)), list(map(quote, keys.column_names))
        inner = f"SELECT {', '.join([*dict.fromkeys([*wanted, *names]), *address, place])} FROM {filtered}"  # noqa: S608
        columns = self._shown(request.columns, [quote(ADDRESS)] if request.addressed else [])
        sql = (
            f"SELECT {columns} FROM ({inner}) SEMI JOIN {_KEYS} USING ({', '.join(names)}) "  # noqa: S608
            f"ORDER BY {_PLACE}"
        )
        self.connection.register(_KEYS, keys)
        try:
            yield from fetch_batches(self.connection, sql, parameters, _BATCH_ROWS)
        finally:
            self.connection.unregister(_KEYS)

    def read_at(self, addresses: np.ndarray, columns: tuple[str, ...]) -> pa.Table:
        """The rows at (n,) int64 distinct addresses, in any order, and their addresses in a last column.

        Raises
        ------
        SourceError
            If some are no longer there.
        DataError
            A whole number that int64 can't hold.
        """
        asked = self._shown(columns, [f"{self.address} AS {quote(ADDRESS)}"])
        sql = f"SELECT {asked} FROM {self.sql} WHERE {self.address} IN (SELECT address FROM {_ADDRESSES})"  # noqa: S608
        self._refuse_changed()
        self.connection.register(_ADDRESSES, pa.table({"address": addresses}))
        try:
            found = fetch(self.connection, sql, [])
        except SourceError:
            self._refuse_changed()
            refuse_wide(self.connection, self.sql, self.stored, columns)
            raise
        finally:
            self.connection.unregister(_ADDRESSES)
        self._refuse_changed()
        if found.num_rows != len(addresses):
            raise SourceError(
                f"The source changed while it was read: expected {len(addresses)} rows, found {found.num_rows}. "
                f"Run it again when nothing writes to the source."
            )
        return found

    def _refuse_changed(self) -> None:
        if self.files is not None:
            self.files.refuse_changed()

    def _refuse_null_times(self, timestamp: str) -> None:
        """A time bound would drop rows without a time in silence. Where there are none, statistics say so."""
        if timestamp in self._checked:
            return
        sql = f"SELECT 1 FROM {self.sql} AS source WHERE {quote(timestamp)} IS NULL LIMIT 1"  # noqa: S608  (quoted)
        if fetch(self.connection, sql, []).num_rows:
            raise DataError(
                f"Column '{timestamp}' has rows without a timestamp; every row needs one. Correct the data, or leave "
                f"such rows out with a query as the source."
            )
        self._checked.add(timestamp)
