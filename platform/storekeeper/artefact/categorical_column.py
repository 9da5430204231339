"""Categories to a model's inputs: by a vocabulary, and by a hash for what no vocabulary holds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict

from storekeeper.errors import DataError

# Up to here a dictionary is quicker than Arrow, which hashes the vocabulary anew at each call.
_FEW_ROWS = 64


@dataclass(frozen=True)
class CategoricalColumn:
    """How one category is encoded: which slot a value has, and how a slot is written.

    Attributes
    ----------
    name
        The column.
    vocabulary
        The known values, in the order that the fit gave them: the slots from 0 on.
    kind
        `one_hot`: an output for null, then one a slot. `index`: one output with the slot's position, null as NaN (for
        trees). `row`: the same counted from 1, null as 0: the row of an embedding table.
    buckets
        How many slots, after the vocabulary's, share the values outside it, by the CRC-32 of their UTF-8: for columns
        of so many values that none may be frequent. With 0 such values count as null.
    """

    name: str
    vocabulary: tuple[str, ...] = ()
    kind: Literal["one_hot", "index", "row"] = "one_hot"
    buckets: int = 0

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse a column without a slot, or with two for one value."""
        if self.buckets < 0 or not self.n_slots:
            raise DataError(f"A category needs a vocabulary or buckets. '{self.name}' has {self.buckets} buckets.")
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise DataError(f"A vocabulary holds each value once. That of '{self.name}' doesn't.")

    @property
    def n_slots(self) -> int:
        """How many slots it has, that of null aside."""
        return len(self.vocabulary) + self.buckets

    @property
    def width(self) -> int:
        """How many outputs it fills."""
        return self.n_slots + 1 if self.kind == "one_hot" else 1

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of these outputs."""
        if self.kind != "one_hot":
            return (self.name,)
        buckets = (f"bucket {number}" for number in range(1, self.buckets + 1))
        return tuple(f"{self.name} = {slot}" for slot in ("other", *self.vocabulary, *buckets))

    @cached_property
    def values(self) -> pa.Array:
        """The vocabulary as an Arrow array."""
        return pa.array(self.vocabulary, pa.string())

    @cached_property
    def _positions(self) -> dict[str | None, int]:
        return {value: position for position, value in enumerate(self.vocabulary)}

    def slots(self, texts: pa.Array) -> npt.NDArray[np.int64]:
        """The slot of each value of a string array, `(n_rows,)`; -1 for null and for the unknown without a bucket."""
        if len(texts) <= _FEW_ROWS:
            known = np.array([self._positions.get(text, -1) for text in texts.to_pylist()], dtype=np.int64)
        else:
            positions = pc.fill_null(pc.index_in(texts, value_set=self.values), -1)
            known = positions.to_numpy(zero_copy_only=False).astype(np.int64)
        if self.buckets:
            outside = np.flatnonzero((known < 0) & texts.is_valid().to_numpy(zero_copy_only=False))
            if len(outside):
                known[outside] = len(self.vocabulary) + hash_buckets(texts.take(pa.array(outside)), self.buckets)
        return known

    def fill(self, texts: pa.Array, target: npt.NDArray[np.float32]) -> None:
        """Write the outputs of a string array into `(n_rows, width)` zeros."""
        slots = self.slots(texts)
        if self.kind == "index":
            target[:, 0] = np.where(slots < 0, np.nan, slots)
        elif self.kind == "row":
            target[:, 0] = slots + 1
        else:
            target[np.arange(len(slots)), slots + 1] = 1.0


def hash_buckets(texts: pa.Array, buckets: int) -> npt.NDArray[np.int64]:
    """The bucket in [0, buckets) of each text of an array without nulls: the same on every machine, in every process.

    >>> hash_buckets(pa.array(["shoes", "socks", "shoes"]), 8).tolist()
    [7, 4, 7]
    """
    distinct = texts.dictionary_encode()
    places = [crc32(text.encode()) % buckets for text in distinct.dictionary.to_pylist()]
    found: npt.NDArray[np.int64] = np.array(places, dtype=np.int64)[distinct.indices.to_numpy()]
    return found
