"""What a compiled view answers to one question."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from storekeeper.online.backends import Found
from storekeeper.online.compiled.columns import Values
from storekeeper.online.compiled.keys import RowKeys
from storekeeper.online.view_state import ViewState


class Answer(Protocol):
    """Features of one view for some rows at one instant."""

    @property
    def seen(self) -> np.ndarray | None:
        """(n_rows,) bool: whether the row has features at all; None where all have, as in a windowed view."""

    @property
    def event_us(self) -> np.ndarray | None:
        """(n_rows,) int64: event time of the row behind the values; None in a windowed view."""

    def arrays(self) -> Iterable[tuple[str, np.ndarray]]:
        """Every feature as a caller gets it, in order; see `Values.numpy`."""

    def column(self, name: str) -> Values:
        """One feature."""


class CompiledView(Protocol):
    """Reads some features of one view."""

    @property
    def state(self) -> ViewState:
        """The view's state."""

    @property
    def features(self) -> Sequence[str]:
        """What it reads, in order."""

    def answer(self, keys: RowKeys, found: Found, now_us: int) -> Answer:
        """Features at `now_us` of what a backend found.

        Raises
        ------
        DataError
            If state is later than now, or was written for another definition.
        """
