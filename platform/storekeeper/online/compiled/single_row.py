"""A single latest-value row of which every word is a value as it stands: NumPy looks at it, and decodes nothing."""

import struct
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from storekeeper.history.state import LatestLayout
from storekeeper.history.state.latest_layout import DTYPES, HEADER_WORDS
from storekeeper.online.compiled.columns import Values

_WORD = 8
_FLOAT = np.dtype("<f8")


class SingleAnswer:
    """Features of one row that is current.

    Parameters
    ----------
    reader
        Looks at the row's words.
    blob
        The row.
    event_us
        When it happened, microseconds.
    has_nulls
        Whether a feature is null; then all are floats, and a null one is NaN.
    """

    def __init__(self, reader: "SingleRowReader", blob: bytes, event_us: int, has_nulls: bool) -> None:
        self._reader, self._blob, self._event_us, self._has_nulls = reader, blob, event_us, has_nulls

    @property
    def seen(self) -> np.ndarray | None:
        """(1,) bool: true."""
        return np.ones(1, bool)

    @property
    def event_us(self) -> np.ndarray | None:
        """(1,) int64: its event time."""
        return np.array([self._event_us])

    def arrays(self) -> Iterable[tuple[str, np.ndarray]]:
        """Every feature as a caller gets it."""
        return self._reader.pairs(self._blob)

    @property
    def floats(self) -> bytes | None:
        """The features' bytes, where they are floats that lie one after another."""
        return self._blob[self._reader.begin :] if self._reader.is_stretch else None

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        return dict(self.arrays())

    def column(self, name: str) -> Values:
        """One feature."""
        values = self._values[name]
        is_null = self._has_nulls and bool(np.isnan(values[0]))
        return Values(values, np.ones(1, bool) if is_null else None)


class SingleRowReader:
    """Reads features of single rows of one layout.

    Parameters
    ----------
    layout
        Of the rows.
    features
        Which features.
    ttl_us
        How old a row may be; 0 for no limit.

    Attributes
    ----------
    begin
        The byte of a row where its values begin.
    is_stretch
        Whether the features are all of the row's, and floats.
    """

    def __init__(self, layout: LatestLayout, features: tuple[str, ...], ttl_us: int) -> None:
        self._tag, self._size, self._ttl_us = layout.tag, layout.width * _WORD, ttl_us
        self._head = struct.Struct(f"<{HEADER_WORDS + layout.null_words}q")
        self._is_fixed = bool(layout.types) and not layout.sized
        self._has_only_floats = set(layout.kinds.values()) == {"float"}
        self.begin = self._head.size
        self.is_stretch = self._has_only_floats and features == tuple(layout.types)
        self._shape, self._dtypes = (len(layout.types), 1), layout.dtypes
        self._places = _places(layout, features) if self._is_fixed else {}

    def answer(self, blob: bytes | None, now_us: int) -> SingleAnswer | None:
        """Features of a row; None where there is something to decode, to refuse or to hide."""
        if blob is None or len(blob) != self._size or not self._is_fixed:
            return None
        tag, event, known, *bits = self._head.unpack_from(blob)
        if tag != self._tag or event > now_us or known > now_us or 0 < self._ttl_us < now_us - event:
            return None
        has_nulls = any(bits)
        return None if has_nulls and not self._has_only_floats else SingleAnswer(self, blob, event, has_nulls)

    def pairs(self, blob: bytes) -> Iterable[tuple[str, np.ndarray]]:
        """Features and their values, (1,) each."""
        columns = [np.ndarray(self._shape, dtype, blob, self.begin, (_WORD, dtype.itemsize)) for dtype in self._dtypes]
        return [(name, columns[dtype][place]) for name, (dtype, place) in self._places.items()]


def _places(layout: LatestLayout, features: tuple[str, ...]) -> Mapping[str, tuple[int, int]]:
    """Of each feature the number of its dtype, and its own."""
    return {name: (layout.dtypes.index(DTYPES[layout.kinds[name]]), layout.places[name]) for name in features}


def side_by_side(floats: Iterable[bytes]) -> Iterable[np.ndarray]:
    """Values of several rows of floats, (1,) each, as views of one array."""
    joined = b"".join(floats)
    return np.ndarray((len(joined) // _WORD, 1), _FLOAT, joined)
