"""What every kind of source gives once it is open."""

from collections.abc import Generator
from typing import Protocol

import numpy as np
import pyarrow as pa

from storekeeper.sources.request import ReadRequest

#: Name of the column that holds rows' addresses, where they are asked for.
ADDRESS = "__address__"


class Relation(Protocol):
    """An open table, query or set of files, under its own column names."""

    @property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of its columns, as they are read."""

    @property
    def stored(self) -> pa.Schema:
        """The same as they are stored: what is to be appended must be of these types."""

    @property
    def addressed(self) -> bool:
        """Whether rows have addresses: integers that ascend in the source's order, by which rows can be read again."""

    def row_count(self) -> int | None:
        """Number of rows, where it can be had without reading them."""

    def batches(self, request: ReadRequest) -> Generator[pa.RecordBatch, None, None]:
        """Read a part, in the source's own row order, a bounded number of rows at a time; at least one batch."""

    def read_at(self, addresses: np.ndarray, columns: tuple[str, ...]) -> pa.Table:
        """The rows at (n,) int64 distinct addresses, in any order, and their addresses in a last column."""
