"""On-demand views give their declared types and exact integers, whatever rows are together."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any
from uuid import UUID

import feast.types as feast_types
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast import Field, RequestSource
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Map, Set, String, UnixTimestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from storekeeper.definitions.on_demand import transform
from storekeeper.definitions.on_demand_views import ServedView
from storekeeper.errors import DataError, DefinitionError

BIG = 2**53 + 1
TIME = pa.timestamp("us", tz="UTC")
NAIVE, DAY = datetime(2020, 2, 29), datetime(2020, 2, 29, tzinfo=UTC)  # noqa: DTZ001  (naive means UTC)
STRINGS = pa.map_(pa.string(), pa.string())


def _view(function: Callable[[Any], Any], mode: str = "pandas", **features: Any) -> OnDemandFeatureView:
    """A view over the request's integers `x` and `z`."""
    return OnDemandFeatureView(
        name="made",
        sources=[RequestSource(name="request", schema=[Field(name="x", dtype=Int64), Field(name="z", dtype=Int64)])],
        schema=[Field(name=name, dtype=dtype) for name, dtype in features.items()],
        mode=mode,
        udf=lambda given: function(given),  # noqa: PLW0108  (Feast refuses functions annotated to return Any)
        udf_string="",
    )


def _inputs(*x: int | None, z: Any = None) -> pa.Table:
    return pa.table({"x": pa.array(x, pa.int64()), "z": pa.array(z or [1] * len(x), pa.int64())})


def _returning(values: Any, mode: str, dtype: Any) -> pa.ChunkedArray:
    """The feature of a function that returns these values."""

    def function(_: Any) -> Any:
        return {"y": values} if mode == "python" else pd.DataFrame({"y": values})

    return transform(_view(function, mode, y=dtype), _inputs(*range(len(values)))).column("y")


# Declared type, Arrow type, what a function returns in either mode, and what comes out.
CASES: list[tuple[Any, pa.DataType, list[Any], list[Any]]] = [
    (Int64, pa.int64(), [BIG, -BIG], [BIG, -BIG]),
    (Int64, pa.int64(), [1.0, float("nan")], [1, None]),
    (Int64, pa.int64(), [True, False], [1, 0]),
    (Int64, pa.int64(), [Number("2.00"), None], [2, None]),
    (Int32, pa.int32(), [-(2**31), None], [-(2**31), None]),
    (Float64, pa.float64(), [1, None], [1.0, None]),
    (Float64, pa.float64(), [Number("12.25"), None], [12.25, None]),
    (Float64, pa.float64(), [0.5, float("nan")], [0.5, None]),
    (Float32, pa.float32(), [0.1, None], [float(np.float32(0.1)), None]),
    (Bool, pa.bool_(), [True, None], [True, None]),
    (Bool, pa.bool_(), [1.0, float("nan")], [True, None]),
    (Bool, pa.bool_(), [0, 1], [False, True]),
    (String, pa.string(), ["ü", None], ["ü", None]),
    (Bytes, pa.binary(), [b"\x00", None], [b"\x00", None]),
    (UnixTimestamp, TIME, [NAIVE, None], [DAY, None]),
    (UnixTimestamp, TIME, [date(2020, 2, 29), None], [DAY, None]),
    (UnixTimestamp, TIME, [DAY, None], [DAY, None]),
    (Array(Int64), pa.list_(pa.int64()), [[BIG], None, []], [[BIG], None, []]),
    (Array(Int64), pa.list_(pa.int64()), [[], []], [[], []]),
    (Array(Int64), pa.list_(pa.int64()), [[1.0], [None]], [[1], [None]]),
    (Array(Float64), pa.list_(pa.float64()), [[1, 2], None], [[1.0, 2.0], None]),
    (Array(Float32), pa.list_(pa.float32()), [[0.5], None], [[0.5], None]),
    (Array(String), pa.list_(pa.string()), [["a", None], None], [["a", None], None]),
    (Array(UnixTimestamp), pa.list_(TIME), [[NAIVE], None], [[DAY], None]),
    (Set(Int64), pa.list_(pa.int64()), [{1}, None], [[1], None]),
    (Map, STRINGS, [{"a": "b"}, {"c": None}, None], [[("a", "b")], [("c", None)], None]),
    (feast_types.Uuid, pa.string(), [UUID(int=1), None], [str(UUID(int=1)), None]),
    (feast_types.Decimal, pa.string(), [Number("1.50"), None], ["1.50", None]),
    (feast_types.Json, pa.large_string(), ['{"a": 1}', None], ['{"a": 1}', None]),
]


@pytest.mark.parametrize("mode", ["pandas", "python"])
@pytest.mark.parametrize(("dtype", "type_", "values", "expected"), CASES, ids=lambda part: str(part)[:30])
def test_results_have_their_declared_type(
    dtype: Any, type_: pa.DataType, values: list[Any], expected: list[Any], mode: str
) -> None:
    """What fits is cast, nulls and NaN are null, of every type that Feast has an Arrow type for."""
    found = _returning(values, mode, dtype)
    assert (found.type, found.to_pylist()) == (type_, expected)


@pytest.mark.parametrize("mode", ["pandas", "python"])
@pytest.mark.parametrize("dtype", list({str(case[0]): case[0] for case in CASES}.values()), ids=str)
def test_nothing_known_and_no_rows_have_the_declared_type(dtype: Any, mode: str) -> None:
    """A column of nulls has the declared type; without rows the function isn't even asked."""
    type_ = next(case[1] for case in CASES if case[0] == dtype)
    for nulls in ([None, None], [float("nan"), None], [float("nan")] * 2):
        found = _returning(nulls, mode, dtype)
        assert (found.type, found.to_pylist()) == (type_, [None, None])

    def unasked(_: Any) -> Any:
        raise AssertionError("asked")

    assert transform(_view(unasked, mode, y=dtype), _inputs(), True).schema == pa.schema({"made__y": type_})


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([BIG, None], dtype="Int64"),
        pd.Series([BIG, None], dtype="int64[pyarrow]"),
        pd.Series([BIG, None], dtype=object),
        pd.Series([BIG, float("nan")], dtype=object),
        pd.Series([BIG, pd.NA], dtype=object),
        pd.Series([BIG, None], dtype="Int64").astype("category"),
    ],
    ids=lambda series: str(series.dtype),
)
def test_pandas_own_types_are_read(series: Any) -> None:
    """Whatever pandas keeps integers with nulls in, they come out exact."""
    assert _returning(series, "pandas", Int64).to_pylist() == [BIG, None]


def test_pandas_times_are_cut_to_microseconds() -> None:
    """Nanoseconds are more than Feast declares; other zones are told in UTC."""
    times = pd.Series(pd.to_datetime(["2020-02-29T09:00:00.123456789+09:00", None]))
    assert _returning(times, "pandas", UnixTimestamp).to_pylist() == [DAY.replace(microsecond=123456), None]


@pytest.mark.parametrize("mode", ["pandas", "python"])
@pytest.mark.parametrize(
    ("dtype", "values", "came"),
    [
        (Int64, [1, 2.5], "with 2.5 in it"),
        (Int64, ["1"], "with '1' in it"),
        (Int64, [2**63], "with 9223372036854775808 in it"),
        (Int64, [float("inf")], "with inf in it"),
        (Int64, [NAIVE], "2020"),
        (Int32, [1, 2**31], "with 2147483648 in it"),
        (Float64, ["1.5"], "with '1.5' in it"),
        (Bool, [0, 2], "with 2 in it"),
        (Bool, ["yes"], "with 'yes' in it"),
        (String, ["a", 1], "with 1 in it"),
        (String, [b"a"], "with b'a' in it"),
        (Bytes, ["a"], "with 'a' in it"),
        (UnixTimestamp, [5], "with 5 in it"),
        (UnixTimestamp, ["2020-01-01"], "with '2020-01-01' in it"),
        (Array(Int64), [[1], [1.5]], r"with \[1.5\] in it"),
        (Array(Int64), [3], "with 3 in it"),
        (Int64, [[3]], r"with \[3\] in it"),
        (Map, [{"a": 1}], "with {'a': 1} in it"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_a_value_that_does_not_fit_is_an_error(dtype: Any, values: list[Any], came: str, mode: str) -> None:
    """The error names the view, the feature, the declared type and the value; nothing is cut off, parsed or guessed."""
    with pytest.raises(DataError, match="Feature 'y' of on-demand view 'made' is declared") as caught:
        _returning(values, mode, dtype)
    assert f"is declared {dtype} (" in str(caught.value)
    assert caught.match(came)


def test_what_the_registry_forgets_comes_as_it_came() -> None:
    """The registry keeps no inner types of structs and nested lists, so nothing can be held against a function."""
    assert _returning([[[1]], None], "python", Array(Array(Int64))).to_pylist() == [[[1]], None]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (pd.Series([1]), "must return a DataFrame.*Received: Series"),
        (pd.DataFrame({"x": [1]}), "'made' declares the feature 'y', but its function returned 'x'"),
        (pd.DataFrame({"y": [1, 2]}), "made 2 values of 'y' for 1 rows"),
        (pd.DataFrame([[1, 2]], columns=["y", "y"]), "two columns of one name"),
        ({"y": 1}, "function returned int, 1"),
        ({"y": "a"}, "function returned str, 'a'"),
    ],
    ids=["a series", "nothing", "rows", "twice", "a number", "a text"],
)
def test_what_is_no_column_a_feature_is_an_error(made: Any, told: str) -> None:
    """A function that makes too little, too much or another thing is told so, by the view's name."""
    with pytest.raises((DataError, DefinitionError), match=told):
        transform(_view(lambda _: made, y=Int64), _inputs(1))


def test_a_view_of_aggregations_alone_is_refused() -> None:
    """Feast would fail with a bare AssertionError."""
    view = OnDemandFeatureView(
        name="sums",
        schema=[Field(name="n", dtype=Int64)],
        sources=[RequestSource(name="request", schema=[Field(name="x", dtype=Int64)])],
        aggregations=[Aggregation(column="x", function="sum")],
    )
    with pytest.raises(DefinitionError, match="'sums' has no function"):
        transform(view, _inputs(1))


def test_a_function_for_single_rows_sees_single_rows() -> None:
    """`singleton=True` means one value in, one value out, for every row."""
    view = _view(lambda row: {"y": None if row["x"] is None else row["x"] + 1}, "python", y=Int64)
    view.singleton = True
    assert transform(view, _inputs(1, None, BIG)).column("y").to_pylist() == [2, None, BIG + 1]


def test_other_kinds_of_transformations_keep_to_the_types_too() -> None:
    """What maps Arrow to Arrow, as Feast's Substrait plans do, gets each input once."""

    class Plan:
        def transform_arrow(self, table: pa.Table, features: list[Field]) -> pa.Table:
            assert table.column_names == ["x", "z"]
            return pa.table({field.name: table["x"].cast(pa.float64()) for field in features})

    view = _view(lambda frame: frame, y=Int64)
    view.mode, view.feature_transformation = "substrait", Plan()
    assert transform(view, _inputs(1, None)).equals(pa.table({"y": pa.array([1, None], pa.int64())}))


def test_inputs_have_their_declared_type() -> None:
    """Nulls alone, integers for floats and naive nanoseconds reach the function as they do when a model is served."""
    seen: dict[str, str] = {}

    def look(frame: pd.DataFrame) -> pd.DataFrame:
        seen.update({str(name): str(dtype) for name, dtype in frame.dtypes.items()})
        return pd.DataFrame({"y": frame["price"] + frame["bias"]})

    fields = [
        Field(name="price", dtype=Float64),
        Field(name="bias", dtype=Float64),
        Field(name="t", dtype=UnixTimestamp),
    ]
    view = OnDemandFeatureView(
        name="made",
        sources=[RequestSource(name="request", schema=fields)],
        schema=[Field(name="y", dtype=Float64)],
        udf=look,
        udf_string="",
    )
    given = pa.table({"price": pa.nulls(1), "bias": [1], "t": pa.array([NAIVE], pa.timestamp("ns")), "other": ["a"]})
    assert transform(view, given).to_pydict() == {"y": [None]}
    assert seen == {"price": "float64", "bias": "float64", "t": "datetime64[us, UTC]", "other": "object"}


def test_what_does_not_fit_an_inputs_type_is_the_functions_business() -> None:
    """Times given as text, which a function may parse, reach it as text."""
    view = _view(lambda frame: pd.DataFrame({"y": frame["x"].str.len()}), y=Int64)
    assert transform(view, pa.table({"x": ["four", None]})).column("y").to_pylist() == [4, None]


# What a function written for plain pandas does with a column: the result, and the same in Python for one value.
PLAIN: dict[str, tuple[Any, Callable[[Any], Any], Callable[[int | None], Any]]] = {
    "same": (Int64, lambda x: x, lambda x: x),
    "missing": (Bool, lambda x: x.isna(), lambda x: x is None),
    "filled": (Int64, lambda x: x.fillna(0), lambda x: 0 if x is None else x),
    "above": (Int64, lambda x: np.where(x > BIG - 1, 1, 0), lambda x: int(x is not None and x > BIG - 1)),
    "even": (Int64, lambda x: np.where(x.isna(), -1, x.fillna(0) % 2), lambda x: -1 if x is None else x % 2),
    "half": (Float64, lambda x: x / 2, lambda x: None if x is None else x / 2),
    "clipped": (Int64, lambda x: x.clip(upper=BIG), lambda x: None if x is None else min(x, BIG)),
    "text": (String, lambda x: x.astype(str).where(x.notna(), None), lambda x: None if x is None else str(x)),
    "known": (Float64, lambda x: x.notna().astype("float64"), lambda x: float(x is not None)),
}
INTEGERS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(BIG - 3, BIG + 3) | st.integers(-3, 3)
ROWS = st.lists(st.tuples(INTEGERS, INTEGERS), min_size=1, max_size=8)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    columns = {f"{name}_{key}": make(frame[key]) for name, (_, make, _) in PLAIN.items() for key in ("x", "z")}
    return pd.DataFrame(columns, index=frame.index)


PLAIN_VIEW = _view(_plain, **{f"{name}_{key}": dtype for name, (dtype, _, _) in PLAIN.items() for key in ("x", "z")})


def _table(rows: list[tuple[int | None, int | None]]) -> pa.Table:
    return _inputs(*[x for x, _ in rows], z=[z for _, z in rows])


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_a_function_for_plain_pandas_is_exact_with_nulls(rows: list[tuple[int | None, int | None]]) -> None:
    """Two nullable columns of any integers give what Python gives value by value, in the order of the rows."""
    # Among integers that floats hold, a function gets floats, as in Feast: `astype(str)` then says '1.0'.
    beyond = [any(row[key] is not None and abs(row[key]) > 2**53 for row in rows) for key in (0, 1)]
    found = transform(PLAIN_VIEW, _table(rows))
    for name, (_, _, one) in PLAIN.items():
        for place, key in enumerate(("x", "z")):
            if name != "text" or beyond[place] or all(row[place] is not None for row in rows):
                assert found.column(f"{name}_{key}").to_pylist() == [one(row[place]) for row in rows], (name, key)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_a_row_alone_gives_what_it_gives_among_others(rows: list[tuple[int | None, int | None]]) -> None:
    """A model is served one row, and trained on many: types and values are the same."""
    together = transform(PLAIN_VIEW, _table(rows)).drop_columns(["text_x", "text_z"])
    alone = pa.concat_tables([transform(PLAIN_VIEW, _table([row])) for row in rows]).drop_columns(["text_x", "text_z"])
    assert together.equals(alone)


def test_a_function_meets_no_types_but_a_single_rows() -> None:
    """Where floats would lose digits, rows with a null come apart; else all rows are together, as in Feast."""
    seen: list[list[str]] = []

    def look(frame: pd.DataFrame) -> pd.DataFrame:
        seen.append([f"{frame['x'].dtype} {len(frame)}", str(frame["z"].dtype)])
        return pd.DataFrame({"y": frame["x"]})

    view = _view(look, y=Int64)
    transform(view, _inputs(BIG, None, 3, z=[1, 2, None]))
    assert sorted(seen) == [["float64 1", "int64"], ["int64 2", "float64"]]
    seen.clear()
    transform(view, _inputs(BIG - 1, None, 3))
    transform(view, _inputs(BIG, 2, 3))
    transform(view, _inputs(None, None))
    assert seen == [["float64 3", "int64"], ["int64 3", "int64"], ["float64 2", "int64"]]


def test_feast_gets_lists_to_serve() -> None:
    """As numpy arrays, in which Feast would have them, integers with nulls are floats."""
    view = ServedView.of(
        _view(lambda frame: pd.DataFrame({"y": frame["x"], "m": [{"a": "b"}] * len(frame)}), y=Int64, m=Map)
    )
    served = view.with_projection(view.projection)
    assert served.transform_arrow(_inputs(BIG, None), True) == {"made__y": [BIG, None], "made__m": [{"a": "b"}] * 2}
    python = ServedView.of(_view(lambda row: {"y": row["x"]}, "python", y=Int64))
    assert python.transform_dict({"x": [1.0, float("nan")]})["y"] == [1, None]
