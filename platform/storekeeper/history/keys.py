"""Join keys as dense integer codes: the entities of some rows are numbered, and others' are looked up among them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError

_LARGEST = 2**62
# A table of codes by key value may have this many places more than four an entity.
_TABLE_SLACK = 1 << 20


@dataclass(frozen=True)
class EntityIndex:
    """The entities of some rows, numbered. Composite keys never collide; a row with a null key has no entity.

    Attributes
    ----------
    codes
        (n_rows,) int32 in [0, count): which entity each row is about, or -1 where a key is null.
    count
        Number of distinct entities.
    rows
        The rows' keys.
    columns
        The keys, each with its own distinct values.
    """

    codes: np.ndarray
    count: int
    rows: pa.Table
    columns: "tuple[KeyColumn, ...]"
    _combinations: "tuple[np.ndarray | None, ...]"

    @classmethod
    def of(cls, rows: pa.Table, keys: Sequence[str]) -> "EntityIndex":
        """Number the entities of `rows`; without keys all rows are about one entity."""
        columns = tuple(KeyColumn.of(key, rows.column(key)) for key in keys)
        if not columns:
            return cls(np.zeros(rows.num_rows, np.int32), 1, rows.select([]), (), ())
        codes, count = columns[0].own.astype(np.int64), columns[0].count
        combinations: list[np.ndarray | None] = []
        for position, column in enumerate(columns[1:], start=1):
            squeezed = None
            if count * max(column.count, 1) > _LARGEST:
                codes, count, squeezed = _squeeze(codes)
            combinations.append(squeezed)
            codes, count = _join(codes, column.own, column.count), count * column.count
            if position == len(columns) - 1:
                codes, count, squeezed = _squeeze(codes)
                combinations.append(squeezed)
        return cls(codes.astype(np.int32), count, rows.select(list(keys)), columns, tuple(combinations))

    def distinct(self) -> pa.Table:
        """Each entity's keys once."""
        if len(self.columns) == 1:
            return pa.table([self.columns[0].values], names=[self.columns[0].name])
        return self.rows.drop_null().group_by(self.rows.column_names).aggregate([])

    def codes_of(self, events: pa.Table) -> np.ndarray:
        """Which of these entities each event is about, (n_events,) int32; -1 for none of them, or a null key.

        Raises
        ------
        DataError
            If a key is an integer on one side and a string (or else) on the other (rule 14).
        """
        if not self.columns:
            return np.zeros(events.num_rows, np.int32)
        found = [column.codes_of(events.column(column.name)) for column in self.columns]
        if len(found) == 1:
            return found[0]
        codes = found[0].astype(np.int64)
        for column, right, squeezed in zip(self.columns[1:], found[1:], self._combinations, strict=False):
            codes = codes if squeezed is None else _rank(codes, squeezed)
            codes = _join(codes, right, column.count)
        last = self._combinations[-1]
        return (codes if last is None else _rank(codes, last)).astype(np.int32)


@dataclass(frozen=True)
class KeyColumn:
    """One key's distinct values, numbered.

    Attributes
    ----------
    values
        The distinct values without null, by code.
    low, table
        Code of each integer from `low` on, where the values lie close enough, and -1 at last; else None.
    own
        (n_rows,) int32: codes of the column itself.
    """

    name: str
    type: pa.DataType
    values: pa.Array
    low: int
    table: np.ndarray | None
    own: np.ndarray

    @property
    def count(self) -> int:
        """Number of distinct values."""
        return len(self.values)

    @classmethod
    def of(cls, name: str, column: pa.ChunkedArray) -> "KeyColumn":
        """Number a column's values."""
        plain = _cast(column, _comparable(column.type), name)
        values = pc.drop_null(pc.unique(plain))
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        low, table = _code_table(values)
        unfilled = cls(name, column.type, values, low, table, np.zeros(0, np.int32))
        return cls(name, column.type, values, low, table, unfilled._positions(plain))

    def codes_of(self, column: pa.ChunkedArray) -> np.ndarray:
        """Which of these values each row holds, (n,) int32; -1 for none of them, or null."""
        if pa.types.is_null(self.type) or pa.types.is_null(column.type):
            return np.full(len(column), -1, np.int32)
        if key_kind(self.type) != key_kind(column.type):
            raise DataError(
                f"Join key '{self.name}' is {self.type} in the spine and {column.type} in the source. "
                f"Cast one of them, so that both are of one kind."
            )
        return self._positions(_cast(column, _comparable(column.type), self.name))

    def _positions(self, column: pa.ChunkedArray) -> np.ndarray:
        if self.table is None:
            found = pc.index_in(column, value_set=self.values, skip_nulls=True)
            return np.asarray(pc.fill_null(found, -1).to_numpy()).astype(np.int32, copy=False)
        return _filled([self._looked_up(chunk) for chunk in column.chunks])

    def _looked_up(self, chunk: pa.Array) -> np.ndarray:
        if self.table is None:
            raise TypeError("Only integers that lie close together have a table.")
        values = chunk.fill_null(0) if chunk.null_count else chunk
        # Values below the table wrap around to huge ones: both ends are outside by one comparison.
        places = (values.to_numpy() - self.low).view(np.uint64)
        codes = self.table[np.minimum(places, np.uint64(len(self.table) - 1))]
        return np.where(chunk.is_valid().to_numpy(zero_copy_only=False), codes, -1) if chunk.null_count else codes


def _code_table(values: pa.Array) -> tuple[int, np.ndarray | None]:
    """The lowest integer, and the code of each from there on; None for other kinds and for integers far apart."""
    if not pa.types.is_int64(values.type) or not len(values):
        return 0, None
    numbers = values.to_numpy()
    low, high = int(numbers.min()), int(numbers.max())
    if high - low > 4 * len(numbers) + _TABLE_SLACK:
        return 0, None
    table = np.full(high - low + 2, -1, np.int32)
    table[numbers - low] = np.arange(len(numbers), dtype=np.int32)
    return low, table


def _filled(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _comparable(type_: pa.DataType) -> pa.DataType:
    """The type in which keys of a kind are compared."""
    kinds = {"integer": pa.int64(), "string": pa.large_string()}
    return kinds.get(key_kind(type_), type_)


def _cast(column: pa.ChunkedArray, target: pa.DataType, key: str) -> pa.ChunkedArray:
    if column.type == target:
        return column
    try:
        return column.cast(target)
    except pa.ArrowInvalid as error:
        raise DataError(f"Join key '{key}' can't be read as {target}: {error}") from error


def key_kind(type_: pa.DataType) -> str:
    """`integer`, `string`, or the type's own name: join keys match only within a kind."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_integer(type_):
        return "integer"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "string"
    return str(type_)


def _join(left: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """Codes of pairs; -1 where one is -1."""
    return np.where((left < 0) | (right < 0), -1, left * size + right)


def _squeeze(codes: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Codes renumbered 0..n-1 over the combinations that there are."""
    combinations = np.unique(codes[codes >= 0])
    return _rank(codes, combinations), len(combinations), combinations


def _rank(codes: np.ndarray, combinations: np.ndarray) -> np.ndarray:
    if not len(combinations):
        return np.full(len(codes), -1, np.int64)
    place = np.searchsorted(combinations, codes)
    place[place == len(combinations)] = 0
    return np.where((codes >= 0) & (combinations[place] == codes), place, -1)
