"""A latest-value view, read straight from its blobs' words."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from storekeeper.errors import DataError
from storekeeper.history.state import LatestColumns, LatestLayout, decode_latest_columns, plan_latest, row_times
from storekeeper.online.backends import Found
from storekeeper.online.compiled.columns import Values
from storekeeper.online.compiled.keys import RowKeys
from storekeeper.online.compiled.single_row import SingleAnswer, SingleRowReader
from storekeeper.online.view_state import ViewState

#: Tag, event time, knowledge time.
_HEADER = struct.Struct("<3q")


@dataclass(frozen=True, slots=True)
class LatestAnswer:
    """Features of a latest-value view's rows."""

    view: "LatestView"
    found: LatestColumns

    @property
    def seen(self) -> np.ndarray | None:
        """(n_rows,) bool: whether there is a row, and no older than its ttl."""
        return self.found.seen

    @property
    def event_us(self) -> np.ndarray | None:
        """(n_rows,) int64: event times, undefined where nothing is seen."""
        return self.found.event_us

    def arrays(self) -> Iterable[tuple[str, np.ndarray]]:
        """Every feature as a caller gets it."""
        values, view = self.found.values, self.view
        if view.is_whole and not view.masked:
            return values.items()
        arrays = {name: values[name] for name in view.features}
        for name in view.masked:
            arrays[name] = self.column(name).numpy()
        return arrays.items()

    def column(self, name: str) -> Values:
        """One feature."""
        return Values(self.found.values[name], self.found.null(name))


@dataclass(frozen=True)
class LatestView:
    """Reads some features of a latest-value view.

    Attributes
    ----------
    state
        The view's state.
    features
        Which of its features.
    """

    state: ViewState
    features: tuple[str, ...]

    @cached_property
    def layout(self) -> LatestLayout:
        """What its blobs look like."""
        return plan_latest(self.state.plan.types)

    @cached_property
    def masked(self) -> tuple[str, ...]:
        """Features whose values can't say themselves that they are null."""
        return tuple(name for name in self.features if self.layout.kinds[name] in {"int", "bool", "timestamp"})

    @cached_property
    def is_whole(self) -> bool:
        """Whether all of the view's features are read, in its order."""
        return self.features == tuple(self.layout.types)

    @cached_property
    def _single(self) -> SingleRowReader:
        return SingleRowReader(self.layout, self.features, self.ttl_us)

    @cached_property
    def ttl_us(self) -> int:
        """How old a row may be; 0 for no limit."""
        return self.state.plan.ttl_us

    def answer(self, keys: RowKeys, found: Found, now_us: int) -> LatestAnswer | SingleAnswer:
        """The newer row of state and of what was pushed by now; then its ttl counts."""
        blobs = keys.state(found)
        if found.pushed:
            blobs = newest(blobs, keys.owners(found), found.pushed, now_us)
        single = self._single.answer(blobs[0], now_us) if len(blobs) == 1 else None
        return self.decode(blobs, now_us) if single is None else single

    def decode(self, blobs: Sequence[bytes | None], now_us: int) -> LatestAnswer:
        """Rows of any kind."""
        return LatestAnswer(self, decode_latest_columns(blobs, self.layout, ttl_us=self.ttl_us, now_us=now_us))


def newest(
    state: Sequence[bytes | None], owners: Sequence[int], pushed: Sequence[bytes], now_us: int
) -> list[bytes | None]:
    """Of each row the newer blob by event time, then knowledge time; a pushed one wins a tie.

    Pushed rows that happened, or were known, later than `now_us` aren't seen yet.
    """
    chosen = list(state)
    for owner, blob in zip(owners, pushed, strict=True):
        times, before = _times(blob), chosen[owner]
        if max(times) <= now_us and (before is None or _times(before) <= times):
            chosen[owner] = blob
    return chosen


def _times(blob: bytes) -> tuple[int, int]:
    if len(blob) < _HEADER.size:
        raise DataError(
            f"Online state holds a row of {len(blob)} bytes, which is too short for one: it was cut short. Materialise "
            f"the view again: storekeeper materialize."
        )
    return row_times(blob)
