"""Values as words to be hashed: equal values have equal words, whatever the type of their column."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.errors import DataError
from storekeeper.history.columns import column_kind, times_us

#: From a column and its name to its words, as `column_words`.
Words = Callable[[str, pa.ChunkedArray], np.ndarray]

_ID_BYTES = 16
_ABSENT, _WHOLE, _FRACTION = 0, 1, 2
_LARGEST_WHOLE = 2.0**63
# As a number is written; others, such as `007`, are texts alone.
_WRITTEN_NUMBER = r"^(0|-?[1-9][0-9]{0,18})$"


class SharedWords:
    """Words of columns that several views read, each made once.

    Parameters
    ----------
    columns
        (n_rows,) arrays by name and type.
    rows
        The rows that views may ask for, ascending.
    """

    def __init__(self, columns: Mapping[tuple[str, pa.DataType], pa.Array], rows: np.ndarray) -> None:
        self._columns, self._rows = columns, rows
        self._made: dict[tuple[str, pa.DataType], np.ndarray] = {}

    def of(self, rows: np.ndarray) -> Words:
        """Words of some of the rows, by their columns' names and types."""
        places = np.searchsorted(self._rows, rows)

        def words(name: str, column: pa.ChunkedArray) -> np.ndarray:
            made = self._words(name, column.type)
            return made if len(places) == len(made) else made[places]

        return words

    def _words(self, name: str, type_: pa.DataType) -> np.ndarray:
        if (name, type_) not in self._made:
            column = self._columns[name, type_].take(pa.array(self._rows))
            self._made[name, type_] = column_words(name, pa.chunked_array([column]))
        return self._made[name, type_]


def digests(contents: Sequence[bytes]) -> list[bytes]:
    """A hash of 16 bytes each."""
    return [blake2b(content, digest_size=_ID_BYTES).digest() for content in contents]


def column_words(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """(n, 2) int64: what a value is and the value, or a text's hash; zeros where it is null.

    Numbers are compared as numbers (`1` is `1.0`, and true), NaN is null, timestamps are microseconds in UTC.

    Raises
    ------
    DataError
        For an integer beyond 64 bits.
    """
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    kind = column_kind(type_)
    if pa.types.is_null(type_):
        return np.zeros((len(column), 2), np.int64)
    if kind == "string" or pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return _text_words(column)
    if kind == "timestamp":
        words = _tagged(_WHOLE, times_us(name, column, fallback=np.zeros(len(column), np.int64)))
    elif kind == "float":
        words = _float_words(column)
    elif kind in {"int", "bool"}:
        words = _tagged(_WHOLE, _integers(name, column))
    else:
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return _text_words(pa.chunked_array([pa.array(texts, pa.string())]))
    words[is_null(column)] = 0
    return words


def id_words(column: pa.ChunkedArray, words: np.ndarray) -> np.ndarray:
    """Words of a column of ids: a text that writes a whole number of 64 bits is that number.

    A sender's `"5"` is the `5` that a database has, and the other way round.

    Parameters
    ----------
    words
        As of `column_words`; it stays as it is.
    """
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if column_kind(type_) != "string":
        return words
    texts = column.cast(type_)
    written = np.asarray(pc.fill_null(pc.match_substring_regex(texts, _WRITTEN_NUMBER), False).to_numpy())
    rows = np.flatnonzero(written)
    numbers = [int(text) for text in texts.filter(pa.array(written)).to_pylist()]
    fits = [-(2**63) <= number < 2**63 for number in numbers]
    found = words.copy()
    found[rows[fits]] = _tagged(_WHOLE, np.array(numbers, object)[fits].astype(np.int64))
    return found


def _tagged(tag: int, values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.full(len(values), tag, np.int64), values])


def _integers(name: str, column: pa.ChunkedArray) -> np.ndarray:
    try:
        return np.asarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy()).astype(np.int64, copy=False)
    except pa.ArrowInvalid as error:
        raise DataError(f"Column '{name}' holds integers beyond the 64-bit signed range: {error}") from error


def _float_words(column: pa.ChunkedArray) -> np.ndarray:
    """Whole numbers as ints are: what is one column's float is another's int, such as JSON's `3`."""
    # Arrow's way from decimals to floats isn't exact; the one from their digits is.
    plain = column.cast(pa.string()) if pa.types.is_decimal(column.type) else column
    values = np.asarray(pc.fill_null(plain.cast(pa.float64()), np.nan).to_numpy())
    is_whole = (np.floor(values) == values) & (values >= -_LARGEST_WHOLE) & (values < _LARGEST_WHOLE)
    whole = np.where(is_whole, values, 0.0).astype(np.int64)
    words = _tagged(_FRACTION, np.where(is_whole, whole, values.view(np.int64)))
    words[is_whole, 0] = _WHOLE
    words[np.isnan(values)] = _ABSENT
    return words


def _text_words(column: pa.ChunkedArray) -> np.ndarray:
    """Each different text is hashed once."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else encoded
    texts = [text if isinstance(text, bytes) else text.encode() for text in encoded.dictionary.to_pylist()]
    hashes = np.frombuffer(b"".join(digests(texts)) + bytes(_ID_BYTES), "<i8").reshape(-1, 2)
    codes = np.asarray(pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False))
    return np.asarray(hashes[codes])


def is_null(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) bool: which values are null, or NaN."""
    return np.asarray(column.is_null(nan_is_null=pa.types.is_floating(column.type)).to_numpy())
