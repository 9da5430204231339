"""A source with a time that is none of the calendar's is refused when it is read, not answered from (rule 1)."""

from typing import Any

import duckdb
import pandas as pd
import pytest

from projects import Project, at
from storekeeper.errors import DataError

VIEWS = """
rows = DuckDBSource(
    name="rows", database="data/behaviour.duckdb", table="rows", timestamp_field="t", created_timestamp_column="k",
)
latest = FeatureView(name="latest", entities=[user], source=rows, schema=[Field(name="n", dtype=Int64)])
windows = StreamFeatureView(
    name="windows", entities=[user], source=PushSource(name="push", batch_source=rows), timestamp_field="t",
    schema=[Field(name="count", dtype=Int64)], aggregations=[Aggregation(function="count", name="count")],
)
"""
PLAIN = "TIMESTAMP '2020-01-30'"


def _ask(project: Project, time: str, known: str) -> Any:
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        connection.execute(
            f"CREATE TABLE rows AS SELECT * FROM (VALUES (1, {PLAIN}, {PLAIN}, 4), (1, {time}, {known}, 5)) "
            "AS r(user_id, t, k, n)"
        )
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [at("2020-02-05")]})
    return lambda *features: (
        project.apply(VIEWS)
        .get_historical_features(entity_df=spine, features=list(features), filter_by_created_timestamp=True)
        .to_arrow()
        .to_pylist()[0]
    )


@pytest.mark.parametrize(
    ("time", "known", "column"),
    [
        ("TIMESTAMP '-infinity'", PLAIN, "t"),
        ("TIMESTAMP '0044-01-01 (BC)'", PLAIN, "t"),
        (PLAIN, "TIMESTAMP 'infinity'", "k"),
        (PLAIN, "TIMESTAMP '12000-01-01'", "k"),
    ],
)
@pytest.mark.parametrize("feature", ["latest:n", "windows:count"])
def test_retrieval_refuses_them(time: str, known: str, column: str, feature: str, project: Project) -> None:
    """The error names the column and the row, for event times and knowledge times."""
    ask = _ask(project, time, known)
    with pytest.raises(DataError, match=rf"'{column}' holds a time outside the years 1 to 9999 at row 1,"):
        ask(feature)


@pytest.mark.parametrize("time", ["TIMESTAMP 'infinity'", "TIMESTAMP '12000-01-01'"])
def test_what_happens_after_all_that_is_asked_is_not_looked_at(time: str, project: Project) -> None:
    """A row later than every row of the spine isn't read, whenever it is."""
    assert _ask(project, time, PLAIN)("latest:n", "windows:count") == {
        "user_id": 1, "event_timestamp": at("2020-02-05"), "n": 4, "count": 1,
    }  # fmt: skip
