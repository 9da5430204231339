"""Values come in the types that a view declares, offline and online alike."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project, at
from storekeeper.errors import DataError, DefinitionError

TIME = pa.timestamp("us", tz="UTC")
DAY = at("2020-02-29")

# Declared type, the source's Arrow type, the source's value, and what comes out.
CASES = [
    ("Int64", pa.int32(), 7, 7),
    ("Int64", pa.uint8(), 255, 255),
    ("Int32", pa.int64(), -(2**31), -(2**31)),
    ("Float64", pa.float32(), 0.5, 0.5),
    ("Float32", pa.float64(), 0.5, 0.5),
    ("Float64", pa.decimal128(10, 2), Decimal("12.25"), 12.25),
    ("String", pa.large_string(), "ü", "ü"),
    ("String", pa.dictionary(pa.int8(), pa.string()), "ü", "ü"),
    ("UnixTimestamp", pa.timestamp("us"), datetime(2020, 2, 29), DAY),  # noqa: DTZ001  (naive means UTC)
    ("UnixTimestamp", pa.timestamp("ns", tz="Asia/Tokyo"), DAY, DAY),
    ("UnixTimestamp", pa.date32(), date(2020, 2, 29), DAY),
    ("Array(UnixTimestamp)", pa.list_(pa.timestamp("us")), [datetime(2020, 2, 29)], [DAY]),  # noqa: DTZ001
    ("Array(Int64)", pa.list_(pa.int32()), [1, 2], [1, 2]),
    ("Array(Float64)", pa.list_(pa.float32()), [0.5], [0.5]),
    ("Bytes", pa.binary(), b"\x00", b"\x00"),
]


def _project(project: Project, declared: str, type_: pa.DataType, value: Any) -> Any:
    table = pa.table(
        {
            "user_id": pa.array([1, 2], pa.int64()),
            "at": pa.array([at("2020-02-01")] * 2, TIME),
            "f": pa.array([value, None], type_.value_type).dictionary_encode()
            if pa.types.is_dictionary(type_)
            else pa.array([value, None], type_),
        }
    )
    project.add_parquet("data/rows.parquet", table)
    return project.apply(
        f"""
rows = FileSource(name="rows", path="data/rows.parquet", timestamp_field="at")
latest = FeatureView(name="latest", entities=[user], source=rows, schema=[Field(name="f", dtype={declared})])
"""
    )


def _read(store: Any, feature: str = "latest:f") -> tuple[list[Any], list[Any]]:
    spine = pd.DataFrame({"user_id": [1, 2], "event_timestamp": [NOW] * 2})
    offline = store.get_historical_features(entity_df=spine, features=[feature]).to_arrow()["f"].to_pylist()
    store.materialize(NOW - pd.Timedelta(days=60), NOW)
    online = store.get_online_features(features=[feature], entity_rows=[{"user_id": 1}, {"user_id": 2}]).to_dict()["f"]
    return offline, online


@pytest.mark.parametrize(("declared", "type_", "value", "expected"), CASES, ids=lambda part: str(part)[:30])
def test_related_types_become_the_declared_one(
    project: Project, declared: str, type_: pa.DataType, value: Any, expected: Any
) -> None:
    """Types of one family are cast, nulls stay null, and online says what offline says."""
    offline, online = _read(_project(project, declared, type_, value))
    assert offline == [expected, None]
    assert online == [expected, None]


@pytest.mark.parametrize(
    ("declared", "type_", "value"), [("Int32", pa.int64(), 2**31), ("Int64", pa.uint64(), 2**64 - 1)]
)
def test_values_that_do_not_fit_are_errors(project: Project, declared: str, type_: pa.DataType, value: int) -> None:
    """A number too large for its declared type is named with its feature and view, offline and online."""
    store = _project(project, declared, type_, value)
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [NOW]})
    with pytest.raises(DataError, match=r"'f' of view 'latest'"):
        store.get_historical_features(entity_df=spine, features=["latest:f"]).to_arrow()
    with pytest.raises(DataError, match=r"'f' of view 'latest'"):
        store.materialize(NOW - pd.Timedelta(days=60), NOW)


@pytest.mark.parametrize(
    ("declared", "type_", "value"),
    [
        ("Int64", pa.float64(), 1.0),
        ("Float64", pa.int64(), 1),
        ("Bool", pa.int64(), 1),
        ("Int64", pa.bool_(), True),
        ("String", pa.int64(), 1),
        ("UnixTimestamp", pa.string(), "2020-02-01"),
        ("UnixTimestamp", pa.int64(), 1),
        ("Array(Int64)", pa.list_(pa.string()), ["a"]),
        ("Int64", pa.list_(pa.int64()), [1]),
        ("Bytes", pa.string(), "a"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_unrelated_types_are_refused(project: Project, declared: str, type_: pa.DataType, value: Any) -> None:
    """Types of other families are refused when applied, naming both."""
    with pytest.raises(DefinitionError, match=r"'f' of view 'latest' is declared .*, but its values are"):
        _project(project, declared, type_, value)


def test_windowed_results_have_declared_types(project: Project) -> None:
    """Aggregates of narrower columns come as declared too."""
    moments = [datetime(2020, 2, 1), datetime(2020, 2, 2)]  # noqa: DTZ001  (naive means UTC)
    table = pa.table(
        {
            "user_id": pa.array([1, 1], pa.int64()),
            "at": pa.array(moments),
            "small": pa.array([1, 2], pa.int16()),
            "half": pa.array([0.5, 1.5], pa.float32()),
            "day": pa.array([date(2020, 2, 1), date(2020, 2, 2)], pa.date32()),
        }
    )
    project.add_parquet("data/rows.parquet", table)
    made = {
        "total": ("small", "sum", "Int64", 3),
        "smallest": ("small", "min", "Int32", 1),
        "smalls": ("small", "last_n(5)", "Array(Int64)", [1, 2]),
        "halves": ("half", "sum", "Float64", 2.0),
        "half_last": ("half", "last", "Float32", 1.5),
        "newest": ("at", "max", "UnixTimestamp", moments[1].replace(tzinfo=UTC)),
        "days": ("day", "last_n(2)", "Array(UnixTimestamp)", [moment.replace(tzinfo=UTC) for moment in moments]),
        "day_first": ("day", "first", "UnixTimestamp", moments[0].replace(tzinfo=UTC)),
    }
    fields = ", ".join(f'Field(name="{name}", dtype={dtype})' for name, (_, _, dtype, _) in made.items())
    aggregations = ", ".join(
        f'Aggregation(column="{column}", function="{function}", name="{name}")'
        for name, (column, function, _, _) in made.items()
    )
    store = project.apply(
        f"""
rows = FileSource(name="rows", path="data/rows.parquet", timestamp_field="at")
windows = StreamFeatureView(
    name="windows", entities=[user], source=PushSource(name="push", batch_source=rows), timestamp_field="at",
    schema=[{fields}], aggregations=[{aggregations}],
)
"""
    )
    features = [f"windows:{name}" for name in made]
    expected = {name: [value] for name, (_, _, _, value) in made.items()}
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [NOW]})
    offline = store.get_historical_features(entity_df=spine, features=features).to_arrow()
    assert offline.select(list(made)).to_pydict() == expected
    store.materialize(NOW - pd.Timedelta(days=60), NOW)
    online = store.get_online_features(features=features, entity_rows=[{"user_id": 1}]).to_dict()
    assert {name: online[name] for name in made} == expected
