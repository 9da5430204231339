"""A windowed view, its features evaluated at the instant of reading."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from storekeeper.definitions import as_declared
from storekeeper.errors import DataError
from storekeeper.history import WindowFeature
from storekeeper.history.columns import TIMESTAMP
from storekeeper.history.state import StateColumns, StateReader, decode_events, read_state
from storekeeper.history.state.layout import StateLayout
from storekeeper.online.backends import Found
from storekeeper.online.compiled.columns import Values, values_of
from storekeeper.online.compiled.keys import RowKeys
from storekeeper.online.view_state import ViewState

Cast = Callable[[np.ndarray], np.ndarray]
_AS_THEY_ARE = (pa.float64(), pa.int64(), pa.bool_(), pa.string(), TIMESTAMP)


@dataclass(frozen=True, slots=True)
class WindowedAnswer:
    """Features of a windowed view's rows; an entity that was never seen has some too (rule 11)."""

    found: StateColumns

    @property
    def seen(self) -> np.ndarray | None:
        """Every row."""
        return None

    @property
    def event_us(self) -> np.ndarray | None:
        """None: values are of now."""
        return None

    def arrays(self) -> Iterable[tuple[str, np.ndarray]]:
        """Every feature as a caller gets it."""
        values = self.found.values
        for name in self.found.nulls:
            if values[name].dtype.kind not in "fO":
                values = {**values, name: self.column(name).numpy()}
        return values.items()

    def column(self, name: str) -> Values:
        """One feature."""
        return Values(self.found.values[name], self.found.nulls.get(name))


@dataclass(frozen=True)
class _Reading:
    """How state of one layout is read.

    Attributes
    ----------
    casts
        Features whose kernel values become others in the declared type; None where only Arrow knows how.
    """

    state: StateReader
    casts: dict[str, Cast] | None


@dataclass
class WindowedView:
    """Reads some features of a windowed view.

    Attributes
    ----------
    state
        The view's state.
    features
        Which of its features.
    """

    state: ViewState
    features: tuple[str, ...]
    _windows: list[WindowFeature] = field(init=False)
    _reading: _Reading | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._windows = self.state.plan.windows_of(self.features)

    def answer(self, keys: RowKeys, found: Found, now_us: int) -> WindowedAnswer:
        """Windows over state and what was pushed since."""
        reading = self._reading or self._renewed()
        try:
            return self._read(reading, keys, found, now_us)
        except DataError:
            # A materialisation may have found a column to be of another kind, as it does the first time.
            renewed = self._renewed()
            if renewed.state.layout is reading.state.layout:
                raise
            return self._read(renewed, keys, found, now_us)

    def _read(self, reading: _Reading, keys: RowKeys, found: Found, now_us: int) -> WindowedAnswer:
        if reading.casts is None:
            return self._declared(reading.state.layout, keys, found, now_us)
        columns = reading.state.columns(keys.state(found), now_us, keys.owners(found), found.pushed)
        for name, cast in reading.casts.items():
            columns.values[name] = cast(columns.values[name])
        return WindowedAnswer(columns)

    def _declared(self, layout: StateLayout, keys: RowKeys, found: Found, now_us: int) -> WindowedAnswer:
        recent = decode_events(keys.owners(found), found.pushed, layout) if found.pushed else None
        table = as_declared(read_state(keys.state(found), layout, self._windows, now_us, recent), self.state.plan)
        columns = {name: values_of(table.column(name)) for name in table.column_names}
        nulls = {name: column.null for name, column in columns.items() if column.null is not None}
        return WindowedAnswer(StateColumns({name: column.values for name, column in columns.items()}, nulls))

    def _renewed(self) -> _Reading:
        """By what the last materialisation found its columns to be."""
        layout = self.state.layout()
        made = read_state([], layout, self._windows, 0).schema
        casts = {name: cast_to(made.field(name).type, self.state.plan.types[name]) for name in self.features}
        simple = None if None in casts.values() else {n: c for n, c in casts.items() if c not in {None, _unchanged}}
        self._reading = _Reading(StateReader(layout, self._windows), simple)
        return self._reading


def cast_to(made: pa.DataType, declared: pa.DataType) -> Cast | None:
    """How NumPy makes the declared type's values of the kernel's, as Arrow would; None where Arrow must."""
    item = made.value_type if pa.types.is_list(made) else made
    if made == declared and item in _AS_THEY_ARE:
        return _unchanged
    return _rounded if declared == pa.float32() and made == pa.float64() else None


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values


def _rounded(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(np.float64)
