"""What a latest-value blob looks like: which features, of which types, in which words."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa

from storekeeper.errors import DefinitionError
from storekeeper.history.columns import Column, column_kind, to_column

LATEST_VERSION = 2
#: Words before the null bits: tag, event time, knowledge time.
HEADER_WORDS = 3
_BITS = 64
#: NumPy type of each kind that has one word; all others are objects.
DTYPES: dict[str, np.dtype] = {
    "int": np.dtype(np.int64),
    "float": np.dtype(np.float64),
    "bool": np.dtype(np.bool_),
    "timestamp": np.dtype("datetime64[us]"),
}


@dataclass(frozen=True)
class LatestLayout:
    """Features of a latest-value view with their declared Arrow types, in order.

    A blob is one row of little-endian words: `version << 32 | fingerprint`, event time, knowledge time, one word of
    null bits per 64 features, one word a feature (the value, or how many bytes it has), then the bytes of strings and
    lists in order, padded to a whole word. The word of a null float is NaN, of a null timestamp NaT, else 0.
    """

    types: dict[str, pa.DataType]

    @cached_property
    def fingerprint(self) -> int:
        """32 bits that differ between layouts."""
        text = json.dumps([[name, str(type_)] for name, type_ in self.types.items()])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF

    @cached_property
    def tag(self) -> int:
        """The first word of a blob."""
        return (LATEST_VERSION << 32) | self.fingerprint

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Kind of each feature; `bytes` for strings, bytes and lists."""
        kinds = {name: column_kind(type_) for name, type_ in self.types.items()}
        return {name: kind if kind in DTYPES else "bytes" for name, kind in kinds.items()}

    @cached_property
    def null_words(self) -> int:
        """Words of null bits."""
        return -(-len(self.types) // _BITS)

    @cached_property
    def width(self) -> int:
        """Words of a blob before its bytes."""
        return HEADER_WORDS + self.null_words + len(self.types)

    @cached_property
    def places(self) -> dict[str, int]:
        """Each feature's number."""
        return {name: number for number, name in enumerate(self.types)}

    @cached_property
    def dtypes(self) -> tuple[np.dtype, ...]:
        """The different NumPy types of the features that have one word."""
        return tuple({DTYPES[kind]: None for kind in self.kinds.values() if kind in DTYPES})

    @cached_property
    def sized(self) -> tuple[str, ...]:
        """Features whose word says how many bytes they have."""
        return tuple(name for name, kind in self.kinds.items() if kind == "bytes")

    @cached_property
    def absent(self) -> bytes:
        """The blob of an entity that has none: every feature is null."""
        words = np.zeros(self.width, "<i8")
        words[0] = self.tag
        words[1:HEADER_WORDS] = np.iinfo(np.int64).min
        words[HEADER_WORDS : HEADER_WORDS + self.null_words] = -1
        for word, name in enumerate(self.types, HEADER_WORDS + self.null_words):
            words[word] = null_word(self.kinds[name])
        return words.tobytes()

    @cached_property
    def words(self) -> struct.Struct:
        """A blob's words, floats as floats."""
        values = "".join("d" if kind == "float" else "q" for kind in self.kinds.values())
        return struct.Struct(f"<{HEADER_WORDS + self.null_words}q{values}")

    @cached_property
    def plain(self) -> dict[str, Column]:
        """Empty columns of the features that have one word, which know how to make Arrow arrays."""
        scalars = {name: type_ for name, type_ in self.types.items() if self.kinds[name] != "bytes"}
        return {name: to_column(name, pa.chunked_array([], type_)) for name, type_ in scalars.items()}


def plan_latest(types: Mapping[str, pa.DataType]) -> LatestLayout:
    """The layout for declared types; the same one for the same types.

    Raises
    ------
    DefinitionError
        If a type can't be kept.
    """
    return _plan(tuple(types.items()))


@lru_cache(maxsize=4096)
def _plan(types: tuple[tuple[str, pa.DataType], ...]) -> LatestLayout:
    for name, type_ in types:
        item = type_.value_type if pa.types.is_list(type_) else type_
        if not (pa.types.is_binary(item) or column_kind(item) in {*DTYPES, "string"}):
            raise DefinitionError(
                f"Feature '{name}' is {type_}: the online store keeps int, float, bool, timestamp, string, bytes, and "
                f"lists of them."
            )
    return LatestLayout(dict(types))


def null_word(kind: str) -> int:
    """The word of a null: NaN, NaT or 0."""
    if kind == "float":
        return int(np.array(np.nan).view(np.int64))
    return int(np.iinfo(np.int64).min) if kind == "timestamp" else 0
