"""What callers may give a compiled reader for keys and context, and what is refused instead of guessed."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project
from storekeeper.errors import DataError, UsageError
from storekeeper.online.reader import FeatureReader

VIEWS = """
def source(name):
    return DuckDBSource(name=name, database="data/behaviour.duckdb", table=name, timestamp_field="at")


number = Entity(name="number", join_keys=["number"], value_type=ValueType.INT64)
name = Entity(name="name", join_keys=["name"], value_type=ValueType.STRING)
score = [Field(name="score", dtype=Float64)]
by_number = FeatureView(name="by_number", entities=[number], source=source("numbers"), schema=score)
by_name = FeatureView(name="by_name", entities=[name], source=source("names"), schema=score)
numbered = FeatureService(name="numbered", features=[by_number])
named = FeatureService(name="named", features=[by_name])
request = RequestSource(name="request", schema=[
    Field(name="whole", dtype=Int64), Field(name="share", dtype=Float64), Field(name="moment", dtype=UnixTimestamp),
    Field(name="word", dtype=String),
])


@on_demand_feature_view(sources=[request], mode="python", schema=[Field(name="sum", dtype=Float64)])
def sums(inputs: dict) -> dict:
    return {"sum": [None if a is None else a + b for a, b in zip(inputs["whole"], inputs["share"])]}


asked = FeatureService(name="asked", features=[sums])
"""
CONTEXT: dict[str, Any] = {"whole": [1, 2], "share": [0.5, 1], "moment": [NOW, None], "word": ["ä", None]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One materialised project. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("given"))
    project.configure()
    rows = [(1, "a", 1.0), (2, "b", 2.0), (3, "anna", 3.0)]
    project.add_duckdb("numbers", [{"number": number, "at": NOW, "score": score} for number, _, score in rows])
    project.add_duckdb("names", [{"name": name, "at": NOW, "score": score} for _, name, score in rows])
    made = project.apply(VIEWS)
    for view in made.all_feature_views():
        made.materialise_view(view)
    return made


@pytest.mark.parametrize(
    "column",
    [
        [3, None, 1],
        (3, None, 1),
        np.ma.MaskedArray([3, 2, 1], [False, True, False]),
        pa.array([3, None, 1]),
        pa.chunked_array([[3, None], [1]]),
        np.array([3, None, 1], object),
        pd.Series([3, None, 1], dtype=object),
    ],
    ids=["list", "tuple", "masked", "arrow", "chunks", "objects", "series"],
)
def test_columns_of_keys(store: Any, column: Any) -> None:
    """Keys are columns of any library, and a null in them is a null: also what is masked, whatever is behind it."""
    found = FeatureReader(store, "numbered", None).read_table({"number": column})
    assert found.column("score").to_pylist() == [3.0, None, 1.0]


@pytest.mark.parametrize("values", ["anna", b"anna", {"a", "b"}, {"a": 1}, 5, None, np.array("a")])
def test_a_value_is_no_column(store: Any, values: Any) -> None:
    """A single value isn't taken apart into letters, and what has no order has no rows; a list is asked for."""
    with pytest.raises(UsageError, match="'name' must be a list"):
        FeatureReader(store, "named", None).read({"name": values})
    with pytest.raises(UsageError, match="'word' must be a list"):
        FeatureReader(store, "asked", None).read({}, {**CONTEXT, "word": values})


def test_a_text_that_is_none(store: Any) -> None:
    """Half a surrogate pair can't be a key or a context value."""
    with pytest.raises(DataError, match="'name' must be string"):
        FeatureReader(store, "named", None).read({"name": ["\ud800"]})
    with pytest.raises(DataError, match="'word' must be string"):
        FeatureReader(store, "asked", None).read({}, {**CONTEXT, "word": ["\ud800", "b"]})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("whole", [1, 1.7]),
        ("whole", [1, 2.0]),
        ("whole", [1, True]),
        ("whole", [1, np.float64(2.5)]),
        ("whole", [1, 2**63]),
        ("share", [0.5, True]),
        ("share", [0.5, "1"]),
        ("moment", [NOW, 5]),
        ("moment", [NOW, 1.5]),
        ("moment", [NOW, "2020-01-01"]),
        ("word", ["a", 1]),
    ],
)
def test_context_of_another_type(store: Any, name: str, values: list[Any]) -> None:
    """A context value of another type is refused, with both types: nothing is cut off or made an instant."""
    with pytest.raises(DataError, match=f"Context '{name}' must be"):
        FeatureReader(store, "asked", None).read({}, {**CONTEXT, name: values})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("whole", np.array([1, 2], np.int32)),
        ("whole", np.ma.MaskedArray([1, 2], [False, False])),
        ("share", [np.float32(0.5), np.int64(1)]),
        ("share", pa.array([0.5, 1.0])),
        ("moment", [pd.Timestamp(NOW), NOW.replace(tzinfo=None)]),
    ],
)
def test_context_that_fits(store: Any, name: str, values: Any) -> None:
    """Integers are floats too, and a type's own scalars of NumPy and pandas are of that type."""
    found = FeatureReader(store, "asked", None).read({}, {**CONTEXT, name: values})
    assert found["sum"].tolist() == [1.5, 3.0]
