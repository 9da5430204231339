"""Random shops: events, a spine and features, drawn from where point-in-time joins go wrong.

Sizes follow STOREKEEPER_SHOPS (shops per property; 30 by default). The default run draws the same shops each time;
a larger one draws new ones.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from oracle.features import DAY_US, HOUR_US, MINUTE_US, Feature, typed

TIMESTAMP = pa.timestamp("us", "UTC")
SECOND_US = 1_000_000

_COUNT = os.environ.get("STOREKEEPER_SHOPS")


def examples(share: float = 1.0) -> Callable[[Any], Any]:
    """Settings of a property: so many shops, the same ones in each default run."""
    return settings(
        max_examples=max(5, int(int(_COUNT or 30) * share)),
        deadline=None,
        derandomize=_COUNT is None,
        database=None,
        print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def microseconds(text: str) -> int:
    """An ISO instant as microseconds since the epoch."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


_INSTANTS = [
    microseconds(text)
    for text in (
        "2017-06-14T15:09:26.535897+00:00",
        "2016-02-29T23:59:59.999999+00:00",
        "2016-03-01T00:00:00+00:00",
        "2017-03-12T07:00:00+00:00",  # clocks go forward in New York
        "2017-11-05T06:00:00+00:00",  # and back
        "2021-03-28T01:00:00+00:00",  # forward in Europe
        "2021-10-31T00:30:00+00:00",
        "1970-01-01T00:00:00+00:00",
        "1969-12-31T23:59:59.999999+00:00",
        "1957-10-04T19:28:34+00:00",
    )
]
_FAR_INSTANTS = [microseconds("0002-01-01T00:00:00+00:00"), microseconds("9998-12-31T23:59:59.999999+00:00")]

WINDOWS = [
    None, None, 1, SECOND_US, 5 * MINUTE_US, HOUR_US, 12 * HOUR_US - 1, 12 * HOUR_US, DAY_US, 7 * DAY_US,
    12 * DAY_US - 1, 12 * DAY_US, 28 * DAY_US, 91 * DAY_US,
]  # fmt: skip
HOPS = [None, None, 1, SECOND_US, 7 * MINUTE_US, 2 * HOUR_US, 5 * DAY_US]

_STEPS = [0, 1, SECOND_US, 5 * MINUTE_US, HOUR_US, 2 * HOUR_US, 12 * HOUR_US, DAY_US, 7 * DAY_US, 12 * DAY_US,
          28 * DAY_US, 91 * DAY_US]  # fmt: skip
_JITTER = [0, 0, 0, 0, 0, 0, 1, -1, SECOND_US, -HOUR_US, 1_234_567]
_KNOWN_AFTER = [0, 0, 1, SECOND_US, HOUR_US, DAY_US, 7 * DAY_US, -HOUR_US, None]
_KNOWN_AT_ONCE = [0, 0, 0, 1, None]
# One or two stretches of time; the far ones apart let no key code and span share an int64.
_EPOCHS = [*([instant] for instant in _INSTANTS), _INSTANTS[:2], [_INSTANTS[0], *_FAR_INSTANTS], _FAR_INSTANTS]

_INT_KEYS = [1, 1, 1, 1, 11, 2, 23, 12, 0, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
_STRING_KEYS = ["a", "a", "a", "ab", "b", "bc", "", "ä", "a\u0308", "🛒", "a\x00", "1", "nan", "None", " a"]

# Columns by name: Arrow type and values to draw from.
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "amount": (pa.int64(), st.integers(-50, 50)),
    "big": (
        pa.int64(),
        st.sampled_from([2**62, -(2**62), 2**62 - 1, 2**62 + 1, 2**61, 2**63 - 1, -(2**63), 2**53 + 1, 1, 0]),
    ),
    "price": (pa.float64(), st.sampled_from([float("nan"), 0.0, 0.1, 0.2, 0.3, 1.5, -2.25, 1e-9, 1e6, 123456.789])),
    "offset": (pa.float64(), st.floats(0, 1, width=32).map(lambda small: 1e9 + small)),
    "wild": (pa.float64(), st.sampled_from([1e15, -1e15, 1e18, -1e18, 1.0, 0.5, -0.25, 1e-12, 3.0, float("nan")])),
    "flag": (pa.bool_(), st.booleans()),
    'a "quoted" word': (pa.string(), st.sampled_from(["", "a", "A", "ß", "🛍️", "z\x00", "Ω", "a b", "'", '"'])),
    "seen at": (TIMESTAMP, st.sampled_from([*_INSTANTS, *_FAR_INSTANTS])),
}
_NUMBERS = ("sum", "mean", "std", "var")
_ANY = (
    "count", "min", "max", "first", "last", "count_distinct", "last_n(1)", "last_n(3)", "last_n(50)",
    "seconds_since_last", "seconds_since_first",
)  # fmt: skip
# Drawn twice as often: what depends on the order of ties has the most ways to be wrong.
_ORDERED = ("first", "last", "last_n(3)", "last_n(50)")
_OF_EVENTS = ("count", "seconds_since_last", "seconds_since_first")


@dataclass(frozen=True)
class Shop:
    """Two tables and what is asked of them."""

    events: pa.Table
    spine: pa.Table
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    features: tuple[Feature, ...]
    known_time: str | None
    cutoff: bool
    ttl_us: int

    @property
    def windowed_arguments(self) -> dict[str, Any]:
        """Arguments of an oracle's `windowed` beside the tables."""
        return self._arguments | {"features": self.features}

    @property
    def as_of_arguments(self) -> dict[str, Any]:
        """Arguments of an oracle's or the kernel's `as_of` beside the tables."""
        return self._arguments | {"columns": self.columns, "ttl_us": self.ttl_us}

    @property
    def _arguments(self) -> dict[str, Any]:
        return {
            "keys": self.keys,
            "event_time": EVENT_TIME,
            "spine_time": SPINE_TIME,
            "known_time": self.known_time,
            "cutoff": self.cutoff,
        }

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))

    def __repr__(self) -> str:
        lines = [f"keys={self.keys} known={self.known_time} cutoff={self.cutoff} ttl_us={self.ttl_us}"]
        lines += [f"  feature {feature}" for feature in self.features]
        lines += [f"  event {row}" for row in _rows(self.events)]
        lines += [f"  spine {row}" for row in _rows(self.spine)]
        return "\n".join(lines)


EVENT_TIME, SPINE_TIME, KNOWN_TIME = "happened at", "asked", "known"


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    plain = pa.table({
        name: column.cast(pa.int64()) if column.type == TIMESTAMP else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    })  # fmt: skip
    return plain.to_pylist()


def event_table(
    keys: dict[str, pa.Array], happened: Sequence[int | None], known: Sequence[int | None], columns: dict[str, pa.Array]
) -> pa.Table:
    """Events in the layout that all shops share."""
    times = {EVENT_TIME: pa.array(happened, TIMESTAMP), KNOWN_TIME: pa.array(known, TIMESTAMP)}
    return pa.table(keys | times | columns)


def spine_table(keys: dict[str, pa.Array], asked: Sequence[int | None]) -> pa.Table:
    """A spine in the layout that all shops share, with a column that is no business of the kernel."""
    return pa.table(keys | {SPINE_TIME: pa.array(asked, TIMESTAMP), "label": pa.array(range(len(asked)), pa.int64())})


@st.composite
def _features(draw: st.DrawFn, columns: tuple[str, ...], sums_of_big: bool) -> tuple[Feature, ...]:
    choices = [(function, "") for function in _OF_EVENTS]
    for column in columns:
        kind = COLUMNS[column][0]
        choices += [(function, column) for function in (*_ANY, *_ORDERED)]
        if kind in (pa.int64(), pa.float64(), pa.bool_()):
            choices += [(function, column) for function in _NUMBERS if sums_of_big or column != "big"]
    feature = st.tuples(st.sampled_from(choices), st.sampled_from(WINDOWS), st.sampled_from(HOPS))
    return tuple(
        # A hop as long as its window means "choose for me", and a longer one is refused.
        Feature(f"f{i}", function, column, window, min(hop, window) if window and hop else None)
        for i, ((function, column), window, hop) in enumerate(draw(_so_many(feature, 1, 6)))
    )


@st.composite
def _so_many(draw: st.DrawFn, element: st.SearchStrategy[Any], at_least: int, at_most: int) -> list[Any]:
    """A list whose length is even between the bounds, where Hypothesis prefers short ones."""
    length = draw(st.integers(at_least, at_most))
    return draw(st.lists(element, min_size=length, max_size=length))


def _with_nulls(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.integers(0, 5), values).map(lambda drawn: None if drawn[0] == 5 else drawn[1])


@st.composite
def _keys(draw: st.DrawFn) -> tuple[tuple[pa.DataType, list[Any]], ...]:
    """Types and pools of one or two join keys."""
    kinds = draw(st.sampled_from(["i", "i", "s", "ii", "ss", "is"]))
    pools = []
    for kind in kinds:
        values = draw(st.lists(st.sampled_from(_INT_KEYS if kind == "i" else _STRING_KEYS), min_size=1, max_size=3))
        # The first is the shop's best customer; a few rows belong to nobody.
        pools.append((pa.int64() if kind == "i" else pa.string(), [*values, *values[:1] * 6, *values, None]))
    return tuple(pools)


def _times(instants: list[int], steps: list[int]) -> st.SearchStrategy[int]:
    return st.builds(
        lambda base, step, times, jitter: base - step * times + jitter,
        st.sampled_from(instants),
        st.sampled_from(steps),
        st.integers(0, 3),
        st.sampled_from(_JITTER),
    )


def _asked(moments: list[int], anywhere: st.SearchStrategy[int], steps: list[int]) -> st.SearchStrategy[int]:
    """Spine times: anywhere, and at, around or one step after the moments when events happened or became known."""
    if not moments:
        return anywhere
    edges = st.builds(
        lambda moment, step, jitter: moment + step + jitter,
        st.sampled_from(moments),
        st.sampled_from([0, 0, *steps, *_STEPS]),
        st.sampled_from([0, 0, 1, -1]),
    )
    return st.one_of(edges, anywhere)


@st.composite
def shops(draw: st.DrawFn, *, sums_of_big: bool = True, max_events: int = 30, max_spine: int = 8) -> Shop:
    """A shop; without `sums_of_big` no window's sum leaves int64."""
    pools = draw(_keys())
    names = tuple(f"key {i}" for i in range(len(pools)))
    columns = tuple(draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True)))
    steps = draw(st.lists(st.sampled_from(_STEPS), min_size=1, max_size=3))
    anywhere = _times(draw(st.sampled_from(_EPOCHS)), steps)
    key = st.tuples(*(st.sampled_from(pool) for _, pool in pools))
    values = st.tuples(*(_with_nulls(COLUMNS[column][1]) for column in columns))
    known = st.sampled_from(draw(st.sampled_from([_KNOWN_AFTER, _KNOWN_AT_ONCE])))
    events = draw(_so_many(st.tuples(key, anywhere, known, values), 0, max_events))
    moments = [event[1] for event in events] + [event[1] + event[2] for event in events if event[2]]
    asking = _asked(moments, anywhere, steps)
    asked = draw(_so_many(st.tuples(key, asking), 0, max_spine))
    known_time = draw(st.sampled_from([KNOWN_TIME, None]))
    return Shop(
        events=event_table(
            _key_columns(names, pools, [event[0] for event in events]),
            [event[1] for event in events],
            [None if event[2] is None else event[1] + event[2] for event in events],
            {column: typed([event[3][i] for event in events], COLUMNS[column][0]) for i, column in enumerate(columns)},
        ),
        spine=spine_table(_key_columns(names, pools, [row[0] for row in asked]), [row[1] for row in asked]),
        keys=names,
        columns=columns,
        features=draw(_features(columns, sums_of_big)),
        known_time=known_time,
        cutoff=known_time is not None and draw(st.booleans()),
        ttl_us=draw(st.sampled_from([0, 0, 1, HOUR_US, DAY_US, 28 * DAY_US])),
    )


def _key_columns(
    names: tuple[str, ...], pools: tuple[tuple[pa.DataType, list[Any]], ...], rows: list[tuple[Any, ...]]
) -> dict[str, pa.Array]:
    return {
        name: pa.array([row[i] for row in rows], kind)
        for i, (name, (kind, _)) in enumerate(zip(names, pools, strict=True))
    }
