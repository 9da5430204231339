"""A table or query of a SQL database, on an open connection."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from storekeeper.sources.request import ReadRequest
from storekeeper.sources.sql_reader import read_sql, sql_schema
from storekeeper.sources.sql_relation import SQLRelation


@dataclass(frozen=True)
class OpenSQL:
    """What `SQLSource` opens."""

    connection: sa.Connection
    described: SQLRelation

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns."""
        return sql_schema(self.connection, self.described)

    @property
    def stored(self) -> pa.Schema:
        """The same: the database turns them into its own."""
        return self.schema

    @property
    def addressed(self) -> bool:
        """SQL has no addresses that last."""
        return False

    def row_count(self) -> int | None:
        """Counting would read them."""
        return None

    def batches(self, request: ReadRequest) -> Generator[pa.RecordBatch, None, None]:
        """Read a part, streaming; an empty one is one batch without rows."""
        given = False
        for table in read_sql(self.connection, self.described, request, self.schema):
            for batch in table.to_batches():
                given = True
                yield batch
        if not given:
            wanted = pa.schema([self.schema.field(column) for column in request.columns])
            yield pa.RecordBatch.from_pylist([], schema=wanted)

    def read_at(self, addresses: np.ndarray, columns: tuple[str, ...]) -> pa.Table:
        """Not to be had."""
        raise NotImplementedError("Rows of a SQL database have no addresses.")
