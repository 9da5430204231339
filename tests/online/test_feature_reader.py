"""A service's features by their plain names: each name is one value, read by its own view's keys."""

from typing import Any

import pytest

from projects import NOW, Project
from storekeeper.errors import UsageError
from storekeeper.online.reader import FeatureReader

VIEWS = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
latest = FeatureView(
    name="latest", entities=[user], source=log,
    schema=[Field(name="big", dtype=Int64), Field(name="word", dtype=String)],
)
other = FeatureView(name="other", entities=[user], source=log, schema=[Field(name="word", dtype=String)])
priced = FeatureView(name="priced", entities=[user], source=log, schema=[Field(name="price", dtype=Float64)])
everyone = StreamFeatureView(
    name="everyone", entities=[], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[Field(name="all_n", dtype=Int64)],
    aggregations=[Aggregation(function="count", time_window=timedelta(days=7), name="all_n")],
)
request = RequestSource(name="request", schema=[Field(name="price", dtype=Float64)])


@on_demand_feature_view(
    sources=[request, latest[["big"]]], schema=[Field(name="sum", dtype=Float64), Field(name="word", dtype=Float64)]
)
def sums(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"sum": inputs["price"] + inputs["big"], "word": inputs["price"]})


def seller(view):
    return view.with_join_key_map({"user_id": "seller_id"})


clear = FeatureService(
    name="clear",
    features=[latest[["word"]].with_name("buyer"), seller(latest[["big"]].with_name("seller")), everyone],
)
partly = FeatureService(name="partly", features=[sums[["sum"]], latest[["word"]], everyone])
aliases = FeatureService(
    name="aliases", features=[latest[["word"]].with_name("buyer"), seller(latest[["word"]].with_name("seller"))]
)
two_views = FeatureService(name="two_views", features=[latest[["word"]], other])
context = FeatureService(name="context", features=[priced, sums[["sum"]]])
made = FeatureService(name="made", features=[latest[["word"]], sums])
behind = FeatureService(name="behind", features=[seller(latest[["big"]].with_name("seller")), sums[["sum"]]])
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One materialised project. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("reader"))
    project.configure()
    rows = [(1, 10, "one"), (2, 20, "two")]
    project.add_duckdb("log", [{"user_id": u, "at": NOW, "big": b, "word": w, "price": 0.5} for u, b, w in rows])
    made = project.apply(VIEWS)
    for view in made.all_feature_views():
        made.materialise_view(view)
    return made


def test_each_projection_is_read_by_its_own_keys(store: Any) -> None:
    """One view under two names and keys gives each its own entity's values; a view about everyone needs no key."""
    found = FeatureReader(store, "clear").read_table({"user_id": [1, 2], "seller_id": [2, 77]})
    assert found.to_pydict() == {"word": ["one", "two"], "big": [20, None], "all_n": [0, 0]}


def test_unasked_results_of_on_demand_views_stay_out(store: Any) -> None:
    """A result that wasn't asked for doesn't take the place of a feature that is named alike."""
    found = FeatureReader(store, "partly").read_table({"user_id": [2]}, {"price": [1.5]})
    assert found.to_pydict() == {"sum": [21.5], "word": ["two"], "all_n": [0]}


@pytest.mark.parametrize(
    ("service", "name"),
    [("aliases", "word"), ("two_views", "word"), ("context", "price"), ("made", "word"), ("behind", "big")],
)
def test_names_that_mean_two_values_are_refused(store: Any, service: str, name: str) -> None:
    """One name for two entities, views, a request's value or an on-demand view's input is an error that names it."""
    with pytest.raises(UsageError, match=f"service '{service}' has more than one value named '{name}'"):
        FeatureReader(store, service)
