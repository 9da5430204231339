"""Reading latest-value blobs at the speed of arrays: one join, one view, and a column is a stride through it."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.state.latest_layout import DTYPES, HEADER_WORDS, LATEST_VERSION, LatestLayout
from storekeeper.history.state.latest_v1 import upgrade_v1
from storekeeper.history.state.payload import from_bytes
from storekeeper.history.state.words import refuse_tag

_WORD = 8
_HEADER = struct.Struct("<3q")
#: Rows of words, where each row's blob begins (None: one after another), and the bytes of all.
_Words = tuple[np.ndarray, np.ndarray | None, bytes]


@dataclass(frozen=True)
class LatestColumns:
    """Decoded rows as NumPy columns, which are read-only views of one buffer.

    Attributes
    ----------
    values
        One (n_rows,) array a feature: float64, int64, bool or datetime64[us] (UTC); object (str, bytes, list) for
        the others. Where null: NaN, NaT, 0, False or None.
    seen
        (n_rows,) bool: whether the entity has a row that is not older than its ttl.
    event_us, known_us
        (n_rows,) int64 microseconds; undefined for unseen entities.
    """

    values: dict[str, np.ndarray]
    seen: np.ndarray
    event_us: np.ndarray
    known_us: np.ndarray
    _bits: np.ndarray
    _places: dict[str, int]

    def __len__(self) -> int:
        return len(self.seen)

    @cached_property
    def _has_nulls(self) -> bool:
        return bool(self._bits.any())

    def null(self, name: str) -> np.ndarray | None:
        """Where a feature is null, unseen entities included: (n_rows,) bool, or None where nothing is null."""
        if not self._has_nulls:
            return None
        place = self._places[name]
        mask = (self._bits[:, place >> 6] >> (place & 63)) & 1 != 0
        return mask if mask.any() else None


def decode_latest_columns(
    blobs: Sequence[bytes | None], layout: LatestLayout, *, ttl_us: int = 0, now_us: int | None = None
) -> LatestColumns:
    """Read rows back; one older than `ttl_us` at `now_us` counts as unseen (rule 5, enforced at read).

    Parameters
    ----------
    blobs
        One item an entity; None where it was never seen: its features are null (rule 11).

    Raises
    ------
    DataError
        If a row happened, or was known, later than `now_us`; or it was written by a newer release, for another
        definition, or cut short.
    """
    complete = all(blobs)
    found = cast(Sequence[bytes], blobs) if complete else [layout.absent if b is None else b for b in blobs]
    words, begins, joined = _words(found, layout)
    event, known = words[:, 1], words[:, 2]
    seen = np.ones(len(found), bool) if complete else np.fromiter((b is not None for b in blobs), bool, len(found))
    if now_us is not None and len(found):
        newest, oldest = _extremes(words, found)
        if newest > now_us:
            raise DataError(
                "Online state holds rows of a later time than the clock shows now. Set the clock to the time of the "
                "materialisation or later, or materialise again."
            )
        if 0 < ttl_us < now_us - oldest:
            seen &= event >= now_us - ttl_us
            words = np.where(seen[:, None], words, np.frombuffer(layout.absent, "<i8"))
    bits = words[:, HEADER_WORDS : HEADER_WORDS + layout.null_words]
    values = _fixed(words, layout)
    if layout.sized:
        values = _with_texts(values, words, begins, joined, layout)
    return LatestColumns(values, seen, event, known, bits, layout.places)


def row_times(blob: bytes) -> tuple[int, int]:
    """Event time and knowledge time of a blob's row, whatever its format: what decides which of two rows is newer."""
    tag, event, known = _HEADER.unpack_from(blob)
    if tag >> 32 != 1:
        return event, known
    _, event, known = _HEADER.unpack_from(blob, 2 * _WORD)
    return event, known


def _words(blobs: Sequence[bytes], layout: LatestLayout) -> _Words:
    """Rows of words, (n_rows, width); where each row's blob begins (None: one after another), and all bytes."""
    joined = b"".join(blobs)
    size = layout.width * _WORD
    if len(joined) == size * len(blobs):
        rows = np.frombuffer(joined, "<i8").reshape(len(blobs), layout.width)
        if rows.item(0) == layout.tag if len(blobs) == 1 else (rows[:, 0] == layout.tag).all():
            return rows, None, joined
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs))
    words = _gathered(joined, lengths, layout) if _is_whole(lengths, layout) else None
    if words is None or (words[:, 0] != layout.tag).any():
        blobs = current_blobs(blobs, layout)
        joined = b"".join(blobs)
        lengths = np.fromiter(map(len, blobs), np.int64, len(blobs))
        words = _gathered(joined, lengths, layout)
    return words, np.cumsum(lengths) - lengths, joined


def _is_whole(lengths: np.ndarray, layout: LatestLayout) -> bool:
    """Whether blobs have whole words, and as many as a row has."""
    return not (lengths % _WORD).any() and bool((lengths >= layout.width * _WORD).all())


def _gathered(joined: bytes, lengths: np.ndarray, layout: LatestLayout) -> np.ndarray:
    """The first words of blobs of any lengths, (n_rows, width)."""
    begins = (np.cumsum(lengths) - lengths) // _WORD
    return np.asarray(np.frombuffer(joined, "<i8")[begins[:, None] + np.arange(layout.width)])


def current_blobs(blobs: Sequence[bytes], layout: LatestLayout) -> list[bytes]:
    """The blobs in today's format.

    Raises
    ------
    DataError
        If one was written by a newer release, for another definition, or cut short.
    """
    current, old = list(blobs), []
    for place, blob in enumerate(blobs):
        tag = _HEADER.unpack_from(blob)[0] if len(blob) >= _HEADER.size else 0
        if tag == (1 << 32) | layout.fingerprint:
            old.append(place)
        elif tag and tag != layout.tag:
            refuse_tag(tag, range(1, LATEST_VERSION + 1))
        elif len(blob) % _WORD or len(blob) < layout.width * _WORD:
            raise DataError(
                f"Online state holds a row of {len(blob)} bytes where this view's rows have {layout.width * _WORD} or "
                f"more: it was cut short. Materialise the view again: storekeeper materialize."
            )
    if old:
        for place, blob in zip(old, upgrade_v1([blobs[place] for place in old], layout), strict=True):
            current[place] = blob
    return current


def _extremes(words: np.ndarray, blobs: Sequence[bytes]) -> tuple[int, int]:
    """The latest time of any row, and the earliest event time."""
    if len(blobs) == 1:
        _, event, known = words[0, :HEADER_WORDS].tolist()
        return max(event, known), event
    times = words[:, 1:HEADER_WORDS]
    return int(times.max()), int(times[:, 0].min())


def _fixed(words: np.ndarray, layout: LatestLayout) -> dict[str, np.ndarray]:
    """Columns of the features that have one word, as views."""
    begin = HEADER_WORDS + layout.null_words
    views = {}
    for dtype in layout.dtypes:
        step = _WORD // dtype.itemsize
        views[dtype] = list(words.view(dtype).T[begin * step :: step])
    if len(views) == 1 and not layout.sized:
        return dict(zip(layout.types, views.popitem()[1], strict=True))
    kinds = enumerate(layout.kinds.items())
    return {name: views[DTYPES[kind]][place] for place, (name, kind) in kinds if kind in DTYPES}


def _with_texts(
    fixed: dict[str, np.ndarray], words: np.ndarray, begins: np.ndarray | None, joined: bytes, layout: LatestLayout
) -> dict[str, np.ndarray]:
    """All columns in the layout's order, those read from bytes among them."""
    size = layout.width * _WORD
    used = size + (np.arange(len(words)) * size if begins is None else begins)
    bits_begin, begin = HEADER_WORDS, HEADER_WORDS + layout.null_words
    values = {}
    for place, (name, type_) in enumerate(layout.types.items()):
        if name in fixed:
            values[name] = fixed[name]
            continue
        null = (words[:, bits_begin + (place >> 6)] >> (place & 63)) & 1 != 0
        ends = used + words[:, begin + place]
        items = [joined[low:high] for low, high in zip(used.tolist(), ends.tolist(), strict=True)]
        values[name] = from_bytes(items, null, type_)
        used = ends
    return values
