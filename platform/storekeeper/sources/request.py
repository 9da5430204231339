"""What a reader asks of a source: columns, a time range, and nothing it doesn't need."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa


@dataclass(frozen=True)
class ReadRequest:
    """Which part of a source to read.

    Attributes
    ----------
    columns
        Source columns, in order; unknown ones are an error that lists those that exist.
    timestamp
        The event-time column that the bounds are about; empty for none.
    start, end
        Inclusive bounds (aware, UTC); None for open.
    keys
        Distinct values of some columns, by the source's names: rows that match none of them needn't be read. A reader
        may read them all the same. None where every row is wanted.
    addressed
        Whether rows' addresses are wanted too, in a last column (`storekeeper.sources.relation.ADDRESS`).
    timeless
        Whether rows without a time may be there: bounds leave them out where a reader can, instead of refusing them.
    limit
        At most so many rows, the first ones; None for all.
    """

    columns: tuple[str, ...]
    timestamp: str = ""
    start: datetime | None = None
    end: datetime | None = None
    keys: pa.Table | None = None
    addressed: bool = False
    timeless: bool = False
    limit: int | None = None

    @property
    def bounds(self) -> list[tuple[str, datetime]]:
        """Pairs (operator, instant); naive UTC."""
        pairs = ((">=", self.start), ("<=", self.end))
        return [(operator, instant.replace(tzinfo=None)) for operator, instant in pairs if instant and self.timestamp]
