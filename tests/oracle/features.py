"""What both oracles read alike: a feature's declaration, its hop and its result's type (rules 7 to 10)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

FUNCTIONS = (
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "var",
    "first",
    "last",
    "count_distinct",
    "last_n",
    "seconds_since_last",
    "seconds_since_first",
)


@dataclass(frozen=True)
class Feature:
    """One windowed feature, field for field what the kernel takes."""

    name: str
    function: str
    column: str
    window_us: int | None
    hop_us: int | None

    @property
    def base(self) -> str:
        """The function without its argument: `last_n` for `last_n(3)`."""
        return self.function.partition("(")[0]

    @property
    def length(self) -> int | None:
        """N of `last_n(N)`, None for every other function."""
        match = re.fullmatch(r"last_n\((\d+)\)", self.function)
        return int(match[1]) if match else None

    @property
    def hop(self) -> int:
        """Rule 7: the declared hop, or the one chosen for it if it is unset or the window's own length."""
        if self.window_us is None:
            return 1
        if self.hop_us is not None and self.hop_us != self.window_us:
            return self.hop_us
        if self.window_us < 12 * HOUR_US:
            return 5 * MINUTE_US
        return HOUR_US if self.window_us < 12 * DAY_US else DAY_US


def column_type(events: pa.Table, feature: Feature) -> pa.DataType:
    """Type of the aggregated column; the event itself is a bool that is always true."""
    return events.schema.field(feature.column).type if feature.column else pa.bool_()


def result_type(feature: Feature, aggregated: pa.DataType) -> pa.DataType:
    """Type of the feature's values, given the type of the column that it aggregates."""
    match feature.base:
        case "count" | "count_distinct":
            return pa.int64()
        case "sum":
            return pa.float64() if pa.types.is_floating(aggregated) else pa.int64()
        case "min" | "max" | "first" | "last":
            return aggregated
        case "last_n":
            return pa.list_(aggregated)
        case _:
            return pa.float64()


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column, or its microseconds since the epoch if it holds timestamps."""
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def typed(values: Sequence[object] | pa.Array | pa.ChunkedArray, wanted: pa.DataType) -> pa.Array:
    """Values (microseconds for timestamps) as an array of the wanted type."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    plain_type = pa.int64() if pa.types.is_timestamp(wanted) else wanted
    if pa.types.is_list(wanted) and pa.types.is_timestamp(wanted.value_type):
        plain_type = pa.list_(pa.int64())
    array = whole.cast(plain_type) if isinstance(whole, pa.Array) else pa.array(whole, plain_type)
    return array.cast(wanted)
