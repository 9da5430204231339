"""Entity keys of a request, each encoded once however many views are asked about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import pyarrow as pa

from storekeeper.errors import UsageError, listing
from storekeeper.online.backends import Found
from storekeeper.online.entity_keys import KeyEncoder, joined_keys


class RowKeys(NamedTuple):
    """Keys of the rows of a request, as one view has them.

    Attributes
    ----------
    keys
        Of the rows that have one, in order.
    places
        Their rows; None where every row has one.
    rows
        How many rows there are.
    """

    keys: list[bytes]
    places: list[int] | None
    rows: int

    def state(self, found: Found) -> Sequence[bytes | None]:
        """A blob a row; None where the key has a null, or no state."""
        if self.places is None:
            return found.state
        blobs: list[bytes | None] = [None] * self.rows
        for place, blob in zip(self.places, found.state, strict=True):
            blobs[place] = blob
        return blobs

    def owners(self, found: Found) -> list[int]:
        """The row of each pushed row."""
        return found.owners if self.places is None else [self.places[owner] for owner in found.owners]


@dataclass(frozen=True)
class KeyPlan:
    """How a request's keys are encoded.

    Attributes
    ----------
    encoders
        Per key name.
    keys
        The different combinations of names by which views are read.
    """

    encoders: Mapping[str, KeyEncoder]
    keys: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, types: Mapping[str, pa.DataType], keys: Sequence[tuple[str, ...]]) -> "KeyPlan":
        """The plan for keys of some types."""
        return cls({name: KeyEncoder.of(name, type_) for name, type_ in types.items()}, tuple(dict.fromkeys(keys)))

    def rows(self, entities: Mapping[str, Sequence[object]], context: Mapping[str, Sequence[object]]) -> int:
        """How many rows a request has.

        Raises
        ------
        UsageError
            If a key is missing, or keys have different lengths.
        """
        sizes = {len(entities[name]) for name in self.encoders if name in entities}
        if len(sizes) == 1 and all(name in entities for name in self.encoders):
            return sizes.pop()
        missing = [name for name in self.encoders if name not in entities]
        if missing:
            raise UsageError(f"Entity key {listing(missing)} is missing. Received: {listing(entities)}.")
        if sizes:
            lengths = ", ".join(f"'{name}' {len(entities[name])}" for name in self.encoders)
            raise UsageError(f"Entity keys must have one value a row each. Received so many values: {lengths}.")
        # Nobody is asked about: what everyone shares, or what is made of the context alone.
        return max(map(len, [*entities.values(), *context.values()]), default=0)

    def encode(self, entities: Mapping[str, Sequence[object]], rows: int) -> dict[tuple[str, ...], RowKeys]:
        """Keys of a request, by combination.

        Raises
        ------
        DataError
            A value of another type than declared.
        """
        columns = {name: encoder.encode(entities[name]) for name, encoder in self.encoders.items()}
        return {names: _row_keys([columns[name] for name in names], rows) for names in self.keys}


def _row_keys(columns: list[list[bytes | None]], rows: int) -> RowKeys:
    joined = joined_keys(columns, rows)
    if None not in joined:
        return RowKeys(cast(list[bytes], joined), None, rows)
    return RowKeys(
        [key for key in joined if key is not None], [row for row, key in enumerate(joined) if key is not None], rows
    )
