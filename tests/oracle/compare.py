"""Do two tables of features say the same? Exactly, but for floats, which rule 10 allows to be a little off."""

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from oracle.features import Feature

# Seconds since an event come from one division, so two paths may differ in the last bits only.
_LAST_BITS = 1e-15


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _agrees(feature: Feature, actual: Any, expected: Any, tolerance: float) -> bool:
    if _is_null(actual) or _is_null(expected):
        # A feature has one way to be missing: null. NaN is none.
        return actual is None and expected is None
    if isinstance(expected, list):
        return len(actual) == len(expected) and all(map(_same, actual, expected))
    if not isinstance(expected, float) or feature.base not in ("sum", "mean", "std", "var", *_SINCE):
        return _same(actual, expected)
    if feature.base in _SINCE:
        return abs(actual - expected) <= _LAST_BITS * abs(expected)
    if feature.base == "std":
        # The rule bounds the variance; a root near zero has no bound of its own.
        actual, expected = actual**2, expected**2
    return bool(abs(actual - expected) <= tolerance)


_SINCE = ("seconds_since_last", "seconds_since_first")


def _same(actual: object, expected: object) -> bool:
    return type(actual) is type(expected) and actual == expected


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Values as Python objects; timestamps as microseconds, which know no year 9999."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).to_pylist()
    if pa.types.is_list(kind) and pa.types.is_timestamp(kind.value_type):
        return column.cast(pa.list_(pa.int64())).to_pylist()
    return column.to_pylist()


def differences(
    actual: pa.Table, expected: pa.Table, features: Sequence[Feature], tolerances: pa.Table | None = None
) -> list[str]:
    """One line for each value that differs, and for each column whose name, type or length does.

    `tolerances` has a column of doubles for each feature: how far its values may be off (rule 10).
    """
    if actual.column_names != expected.column_names or actual.num_rows != expected.num_rows:
        shapes = [f"{table.column_names} × {table.num_rows} rows" for table in (actual, expected)]
        return [f"columns {shapes[0]}, expected {shapes[1]}"]
    lines = []
    for feature in features:
        ours, theirs = actual[feature.name], expected[feature.name]
        if ours.type != theirs.type:
            lines.append(f"{feature} is of type {ours.type}, expected {theirs.type}")
            continue
        allowed = tolerances[feature.name].to_pylist() if tolerances else [0.0] * len(ours)
        lines += [
            f"{feature} in row {row}: {a!r}, expected {e!r} ± {t:g}"
            for row, (a, e, t) in enumerate(zip(_plain(ours), _plain(theirs), allowed, strict=True))
            if not _agrees(feature, a, e, t)
        ]
    return lines


def assert_features_agree(
    actual: pa.Table, expected: pa.Table, features: Sequence[Feature], tolerances: pa.Table | None = None
) -> None:
    """Fail with the first differences, if there are any."""
    found = differences(actual, expected, features, tolerances)
    assert not found, "\n".join([f"{len(found)} differences", *found[:10]])


def assert_rows_agree(actual: pa.Table, expected: pa.Table) -> None:
    """Latest values agree exactly; a NaN in the source is a null."""
    assert actual.schema.names == expected.schema.names
    assert actual.schema.types == expected.schema.types
    for name in expected.column_names:
        ours, theirs = (
            [None if _is_null(value) else value for value in _plain(table[name])] for table in (actual, expected)
        )
        assert ours == theirs, f"{name}: {ours}, expected {theirs}"
