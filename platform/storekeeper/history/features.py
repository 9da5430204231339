"""What a windowed feature is: a function of one column over a window that slides with the row's own time."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storekeeper.errors import DefinitionError, listing
from storekeeper.history.columns import column_kind

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
#: A window may be as long as the calendar has years: what begins earlier is all history.
LONGEST_WINDOW_US = 9_999 * 366 * DAY_US

#: Function name -> kinds of column it takes. `event` is the event itself (an empty column name).
FUNCTIONS: dict[str, frozenset[str]] = {
    "count": frozenset({"event", "int", "float", "bool", "string", "timestamp"}),
    "sum": frozenset({"int", "float", "bool"}),
    "mean": frozenset({"int", "float", "bool"}),
    "var": frozenset({"int", "float", "bool"}),
    "std": frozenset({"int", "float", "bool"}),
    "min": frozenset({"int", "float", "bool", "string", "timestamp"}),
    "max": frozenset({"int", "float", "bool", "string", "timestamp"}),
    "first": frozenset({"int", "float", "bool", "string", "timestamp"}),
    "last": frozenset({"int", "float", "bool", "string", "timestamp"}),
    "count_distinct": frozenset({"int", "float", "bool", "string", "timestamp"}),
    "last_n": frozenset({"int", "float", "bool", "string", "timestamp"}),
    "seconds_since_last": frozenset({"event", "int", "float", "bool", "string", "timestamp"}),
    "seconds_since_first": frozenset({"event", "int", "float", "bool", "string", "timestamp"}),
}

_LAST_N = re.compile(r"last_n\((\d+)\)")
_MAX_LAST_N = 10_000


@dataclass(frozen=True)
class WindowFeature:
    """One aggregated feature.

    Attributes
    ----------
    name
        Name of the output column.
    function
        One of `FUNCTIONS`; `last_n` carries its length, as in `last_n(50)`.
    column
        The aggregated column; empty for the event itself.
    window_us
        Length of the window in microseconds; None for all history.
    hop_us
        The old edge is aligned to a multiple of this many microseconds since the epoch; None or the window's own
        length mean "choose for me": 5 minutes under 12 hours, 1 hour under 12 days, else 1 day.

    Raises
    ------
    DefinitionError
        If the function is unknown or takes no such column, or the window or hop is impossible.
    """

    name: str
    function: str
    column: str = ""
    window_us: int | None = None
    hop_us: int | None = None

    def __post_init__(self) -> None:
        kinds = FUNCTIONS[self.base_function]
        if not self.column and "event" not in kinds:
            raise DefinitionError(
                f"Feature '{self.name}': {self.function} needs a column to aggregate; none was given."
            )
        if self.window_us is None:
            return
        if self.window_us <= 0:
            raise DefinitionError(
                f"Feature '{self.name}': time_window must be longer than zero. Received: {self.window_us / 1e6:g} s."
            )
        if self.window_us > LONGEST_WINDOW_US:
            raise DefinitionError(
                f"Feature '{self.name}': time_window may be at most {LONGEST_WINDOW_US // (366 * DAY_US):,} years. "
                f"Received: {self.window_us // DAY_US:,} days. For all history, leave it out (time_window=None)."
            )
        if self.hop_us is not None and not 0 < self.hop_us <= self.window_us:
            raise DefinitionError(
                f"Feature '{self.name}': slide_interval must be longer than zero and at most the time_window "
                f"({self.window_us / 1e6:g} s). Received: {self.hop_us / 1e6:g} s."
            )

    @property
    def base_function(self) -> str:
        """The function without its length: `last_n` for `last_n(50)`."""
        return self._parsed[0]

    @property
    def length(self) -> int:
        """N of `last_n(N)`; 0 for the other functions."""
        return self._parsed[1]

    @property
    def _parsed(self) -> tuple[str, int]:
        if match := _LAST_N.fullmatch(self.function):
            length = int(match.group(1))
            if 0 < length <= _MAX_LAST_N:
                return "last_n", length
        elif self.function in FUNCTIONS and self.function != "last_n":
            return self.function, 0
        known = listing({*FUNCTIONS, "last_n(N)"} - {"last_n"})
        raise DefinitionError(
            f"Feature '{self.name}': unknown function '{self.function}'. There are: {known} (1 <= N <= {_MAX_LAST_N})."
        )

    @property
    def hop(self) -> int | None:
        """The alignment of the old edge in microseconds, chosen where it was left open; None for all history."""
        if self.window_us is None:
            return None
        if self.hop_us is None or self.hop_us == self.window_us:
            return default_hop(self.window_us)
        return self.hop_us

    def window_start(self, times: np.ndarray) -> np.ndarray | None:
        """Old edges, (n_rows,) int64 microseconds, of windows that end at `times`; None for all history."""
        if self.window_us is None or self.hop is None:
            return None
        return np.asarray(np.floor_divide(times - self.window_us, self.hop) * self.hop)

    def check_kind(self, kind: str) -> None:
        """Refuse a column of a kind that the function can't take."""
        kinds = FUNCTIONS[self.base_function]
        if self.column and kind not in kinds:
            raise DefinitionError(
                f"Feature '{self.name}': {self.function} takes columns of kind {listing(kinds - {'event'})}; "
                f"column '{self.column}' is of kind '{kind}'."
            )

    def result_type(self, column_type: pa.DataType | None) -> pa.DataType:
        """Arrow type of the feature's values, given that of its column."""
        base = self.base_function
        if base in {"count", "count_distinct"}:
            return pa.int64()
        if base in {"mean", "var", "std", "seconds_since_last", "seconds_since_first"}:
            return pa.float64()
        if base == "sum":
            is_float = column_type is not None and column_kind(column_type) == "float"
            return pa.float64() if is_float else pa.int64()
        return pa.list_(column_type) if base == "last_n" else column_type


def default_hop(window_us: int) -> int:
    """The hop for a window that names none (rule 7).

    >>> default_hop(DAY_US) == HOUR_US
    True
    """
    if window_us < 12 * HOUR_US:
        return 5 * MINUTE_US
    return HOUR_US if window_us < 12 * DAY_US else DAY_US
