"""What every feature's value must be, in the most naive SQL: one row per (spine row, event), then GROUP BY.

Written from the rules of point-in-time semantics alone. Times are int64 microseconds in here; a null knowledge
time means the event time.
"""

import functools
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from oracle.features import Feature, column_type, plain, result_type, typed

_ORDER = "happened, known, place"
_SEEN = "FILTER (WHERE place IS NOT NULL)"

_AGGREGATES = {
    "count": "count(place)",
    "sum": "coalesce(sum(v), 0)::BIGINT",
    "float_sum": "coalesce(fsum(v), 0.0)",
    "mean": "sum(v)::DOUBLE / nullif(count(v), 0)",
    "float_mean": "fsum(v) / nullif(count(v), 0)",
    "min": "min(v)",
    "max": "max(v)",
    "var": "fsum(deviation * deviation) / nullif(count(v), 0)",
    "std": "sqrt(fsum(deviation * deviation) / nullif(count(v), 0))",
    "first": f"first(v ORDER BY {_ORDER}) {_SEEN}",
    "last": f"last(v ORDER BY {_ORDER}) {_SEEN}",
    "count_distinct": "count(DISTINCT v)",
    "last_n": f"coalesce(list(v ORDER BY {_ORDER}) {_SEEN}, [])",
    "seconds_since_last": "(moment - max(happened)) / 1e6",
    "seconds_since_first": "(moment - min(happened)) / 1e6",
}

_TOLERANCES = {
    "sum": "1e-9 * (1 + coalesce(fsum(abs(v::DOUBLE)), 0))",
    "mean": "1e-9 * (1 + coalesce(fsum(abs(v::DOUBLE)), 0))",
    "var": "1e-9 * (1 + coalesce(fsum(deviation * deviation), 0))",
    "std": "1e-9 * (1 + coalesce(fsum(deviation * deviation), 0))",
}

# The old edge is inclusive and on the hop's grid, the new edge is strict. Equality of keys drops nulls by itself.
_PAIRS = """
    SELECT s.place AS asked, s.moment, e.place, e.happened, e.known, e.v
    FROM spine AS s
    LEFT JOIN events AS e
      ON {same_key}
     AND e.happened < s.moment
     AND ($window::BIGINT IS NULL OR e.happened >= floor_to(s.moment - $window::BIGINT, $hop::BIGINT))
     AND (NOT $cutoff OR e.known <= s.moment)
     AND e.v IS NOT NULL
"""

# Deviations from the mean, in two passes from the window's least value, so that no large offset eats the digits.
_DEVIATIONS = """
    SELECT *, above - avg(above) OVER (PARTITION BY asked) AS deviation
    FROM (SELECT *, ({wide} - min({wide}) OVER (PARTITION BY asked))::DOUBLE AS above FROM ({pairs}))
"""

_LATEST = """
    SELECT s.place AS asked, e.place
    FROM spine AS s
    LEFT JOIN events_given AS e
      ON {same_key}
     AND e.happened <= s.moment
     AND ($ttl::BIGINT <= 0 OR s.moment - e.happened <= $ttl::BIGINT)
     AND (NOT $cutoff OR e.known <= s.moment)
    QUALIFY row_number() OVER (
        PARTITION BY s.place ORDER BY e.happened DESC, e.known DESC, e.place DESC) = 1
    ORDER BY asked
"""


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(config={"threads": 1, "python_enable_replacements": False})
    # SQL's % takes the sign of the dividend; a floor must go down before 1970 too.
    database.execute("CREATE MACRO floor_to(x, hop) AS x - ((x % hop) + hop) % hop")
    return database


def _side(table: pa.Table, keys: Sequence[str], times: dict[str, str]) -> dict[str, Any]:
    """Columns under names of our own: k0, k1, ..., the times, and the row's place."""
    side: dict[str, Any] = {f"k{i}": plain(table[key]) for i, key in enumerate(keys)}
    side |= {named: plain(table[column]) for named, column in times.items()}
    return side | {"place": pa.array(range(table.num_rows), pa.int64())}


def _event_side(table: pa.Table, keys: Sequence[str], event_time: str, known_time: str | None) -> dict[str, Any]:
    side = _side(table, keys, {"happened": event_time, "known": known_time or event_time})
    return side | {"known": pc.coalesce(side["known"], side["happened"])}


def _same_key(keys: Sequence[str]) -> str:
    return " AND ".join(f"s.k{i} = e.k{i}" for i in range(len(keys)))


def _ask(sql: str, events: dict[str, Any], spine: dict[str, Any], parameters: dict[str, Any]) -> pa.Table:
    cursor = _database().cursor()
    cursor.register("events_given", pa.table(events))
    cursor.register("spine", pa.table(spine))
    try:
        return cursor.sql(sql, params=parameters).to_arrow_table()
    except duckdb.ConversionException as error:
        raise OverflowError(str(error)) from error
    finally:
        cursor.unregister("events_given")
        cursor.unregister("spine")
        cursor.close()


def _readable(aggregated: pa.DataType, feature: Feature) -> str:
    """SQL of the aggregated value: NaN is null, and a bool is a number to those who calculate."""
    if pa.types.is_floating(aggregated):
        return "nullif(v::DOUBLE, 'NaN'::DOUBLE)"
    if pa.types.is_boolean(aggregated) and feature.base in ("sum", "mean", "std", "var"):
        return "v::BIGINT"
    return "v"


def _expression(aggregated: pa.DataType, feature: Feature) -> str:
    floating = pa.types.is_floating(aggregated) and feature.base in ("sum", "mean")
    expression = _AGGREGATES[f"float_{feature.base}" if floating else feature.base]
    return f"({expression})[-{feature.length}:]" if feature.length else expression


def _grouped(aggregated: pa.DataType, feature: Feature, keys: Sequence[str], expression: str) -> str:
    pairs = _PAIRS.format(same_key=_same_key(keys))
    if feature.base in ("std", "var"):
        wide = "v" if pa.types.is_floating(aggregated) else "v::HUGEINT"
        pairs = _DEVIATIONS.format(wide=wide, pairs=pairs)
    return f"""
        WITH events AS (SELECT * REPLACE ({_readable(aggregated, feature)} AS v) FROM events_given),
             pairs AS ({pairs})
        SELECT asked, {expression} AS value FROM pairs GROUP BY asked, moment ORDER BY asked
    """


def windowed(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    features: Sequence[Feature],
    known_time: str | None = None,
    cutoff: bool = False,
    tolerances: bool = False,
) -> pa.Table:
    """The kernel's `windowed`, naively; OverflowError where a window's integer sum leaves int64.

    With `tolerances`, the columns are what rule 10 allows each value to be off (0 where values are exact).
    """
    event_side = _event_side(events, keys, event_time, known_time)
    spine_side = _side(spine, keys, {"moment": spine_time})
    columns = {}
    for feature in features:
        aggregated = column_type(events, feature)
        wanted = pa.float64() if tolerances else result_type(feature, aggregated)
        if tolerances and feature.base not in _TOLERANCES:
            columns[feature.name] = typed([0.0] * spine.num_rows, wanted)
            continue
        expression = _TOLERANCES[feature.base] if tolerances else _expression(aggregated, feature)
        v = plain(events[feature.column]) if feature.column else pa.array([True] * events.num_rows, pa.bool_())
        sql = _grouped(aggregated, feature, keys, expression)
        parameters = {"window": feature.window_us, "hop": feature.hop, "cutoff": cutoff}
        columns[feature.name] = typed(_ask(sql, event_side | {"v": v}, spine_side, parameters)["value"], wanted)
    return pa.table(columns)


def as_of(
    events: pa.Table,
    spine: pa.Table,
    *,
    keys: Sequence[str],
    event_time: str,
    spine_time: str,
    columns: Sequence[str],
    known_time: str | None = None,
    ttl_us: int = 0,
    cutoff: bool = False,
) -> pa.Table:
    """The kernel's `as_of`, naively: all rows up to the spine's time, ranked, the first one taken."""
    event_side = _event_side(events, keys, event_time, known_time)
    spine_side = _side(spine, keys, {"moment": spine_time})
    sql = _LATEST.format(same_key=_same_key(keys))
    found = _ask(sql, event_side, spine_side, {"ttl": ttl_us, "cutoff": cutoff})["place"]
    return events.select(list(columns)).combine_chunks().take(found.combine_chunks())
