"""Columns whose type nobody declares are of the type that their values have; those without values fit any."""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from feast import FileSource
from feast.repo_config import load_repo_config

from projects import NOW, Project, at
from storekeeper.errors import DataError, DefinitionError
from storekeeper.sources import ReadRequest, SQLSource, check_source, read_source, source_schema, stored_schema
from storekeeper.sources.fitting import fit_rows
from storekeeper.sources.writing import append_to_source

UTC = pa.timestamp("us", tz="UTC")
MANY = 20_000


def _source(**options: Any) -> SQLSource:
    return SQLSource(**{"name": "s", "url": "sqlite:///data/shop.db", "timestamp_field": "t"} | options)


def _config(project: Project) -> Any:
    return load_repo_config(project.repo, Path(project.repo / "feature_store.yaml"))


def _read(project: Project, source: Any, *columns: str, **options: Any) -> pa.Table:
    return read_source(source, _config(project), ReadRequest(columns, **options))


def test_a_views_computed_columns_have_the_type_of_their_values(project: Project) -> None:
    """SQLite declares no type for them; what they are computed from keeps its own."""
    project.add_sqlite(
        "CREATE TABLE e (user_id INTEGER, t TIMESTAMP, x INTEGER, word TEXT);"
        "CREATE VIEW v AS SELECT user_id, t, x * 2 AS x, x / 2.0 AS half, upper(word) AS word, x IS NULL AS none, "
        "datetime(t, '+1 day') AS later, NULL AS blank FROM e",
        [(1, "2020-02-01 00:00:00", 3, "a"), (2, "2020-02-02 00:00:00", 4, None)],
        "INSERT INTO e VALUES (?, ?, ?, ?)",
    )
    source = _source(table="v", created_timestamp_column="later")
    schema = check_source(source, _config(project))
    types = [pa.int64(), UTC, pa.int64(), pa.float64(), pa.string(), pa.int64(), UTC, pa.null()]
    assert schema.types == types
    assert _read(project, source, *schema.names).slice(1).to_pylist() == [
        {
            "user_id": 2, "t": at("2020-02-02"), "x": 8, "half": 2.0, "word": None, "none": 0,
            "later": at("2020-02-03"), "blank": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("type_", ["TEXT", "VARCHAR(30)", ""])
def test_a_time_may_be_kept_as_text(type_: str, project: Project) -> None:
    """A table's column that is declared to hold times holds such, as a query's does: bounds, errors and appends too."""
    project.add_sqlite(
        f"CREATE TABLE e (n INTEGER, t {type_})",
        [(1, "2020-02-01T10:00:00+02:00"), (2, "2020-02-02 00:00:00.5"), (3, "2020-02-03")],
        "INSERT INTO e VALUES (?, ?)",
    )
    config = _config(project)
    for source in (_source(table="e"), _source(query="SELECT * FROM e")):
        assert check_source(source, config).field("t").type == UTC
        found = _read(
            project, source, "n", "t", timestamp="t", start=at("2020-02-01T08:00:00"), end=at("2020-02-02T12:00:00")
        )
        assert found["n"].to_pylist() == [1, 2]
        assert found["t"].to_pylist() == [at("2020-02-01T08:00:00"), at("2020-02-02T00:00:00.5")]
    table = _source(table="e")
    rows = fit_rows(pa.table({"n": [4], "t": ["2020-02-04T01:00:00+01:00"]}), stored_schema(table, config), "it")
    append_to_source(table, config, rows)
    assert _read(project, table, "t")["t"].to_pylist()[3] == at("2020-02-04")
    project.add_sqlite("INSERT INTO e VALUES (5, 'soon')")
    with pytest.raises(DataError, match=r"'s'.*'t'.*'soon'"):
        _read(project, table, "t")


def test_only_times_that_are_declared_are_read_from_text(project: Project) -> None:
    """Text that looks like a time is text, and a column of numbers is no time."""
    project.add_sqlite("CREATE TABLE e (n INTEGER, t TEXT); INSERT INTO e VALUES (1, '2020-02-01')")
    assert source_schema(_source(table="e", timestamp_field="n"), _config(project)).types == [pa.int64(), pa.string()]
    with pytest.raises(DefinitionError, match=r"'n' must hold timestamps.*int64"):
        check_source(_source(table="e", timestamp_field="n"), _config(project))


def test_values_are_looked_for_behind_the_first_rows(project: Project) -> None:
    """A column that begins with more nulls than a sample holds is of the type of its values, in queries and views."""
    rows = [(i, *([None] * 3 if i < MANY else [i, i / 2, "x"])) for i in range(MANY + 2)]
    project.add_sqlite(
        "CREATE TABLE e (i, n, half, word);"
        "CREATE VIEW v AS SELECT i, n + 0 AS n, half + 0 AS half, word || '' AS word FROM e",
        rows, "INSERT INTO e VALUES (?, ?, ?, ?)",
    )  # fmt: skip
    for source in (
        _source(table="e"),
        _source(table="v"),
        _source(query="SELECT * FROM e"),
        _source(query="SELECT * FROM v"),
    ):
        table = _read(project, source, "i", "n", "half", "word")
        assert table.schema.types == [pa.int64(), pa.int64(), pa.float64(), pa.string()]
        assert table.num_rows == MANY + 2
        assert table.slice(MANY).to_pylist() == [{"i": i, "n": i, "half": i / 2, "word": "x"} for i in (MANY, MANY + 1)]


VIEWS = """
rows = {source}
latest = FeatureView(
    name="latest", entities=[user], source=rows,
    schema=[
        Field(name="n", dtype=Int64), Field(name="share", dtype=Float64), Field(name="word", dtype=String),
        Field(name="flag", dtype=Bool), Field(name="seen", dtype=UnixTimestamp),
        Field(name="items", dtype=Array(Int64)),
    ],
)
windows = StreamFeatureView(
    name="windows", entities=[user], source=PushSource(name="push", batch_source=rows), timestamp_field="t",
    schema=[
        Field(name="total", dtype=Int64), Field(name="most", dtype=Float64), Field(name="last_word", dtype=String),
        Field(name="words", dtype=Array(String)), Field(name="kinds", dtype=Int64),
        Field(name="first", dtype=UnixTimestamp), Field(name="mean", dtype=Float64),
    ],
    aggregations=[
        Aggregation(column="n", function="sum", name="total"), Aggregation(column="share", function="max", name="most"),
        Aggregation(column="word", function="last", name="last_word"),
        Aggregation(column="word", function="last_n(3)", name="words"),
        Aggregation(column="flag", function="count_distinct", name="kinds"),
        Aggregation(column="seen", function="first", name="first"),
        Aggregation(column="n", function="mean", name="mean"),
    ],
)
"""
NOTHING = {"n": None, "share": None, "word": None, "flag": None, "seen": None, "items": None}
EMPTY = {"total": 0, "most": None, "last_word": None, "words": [], "kinds": 0, "first": None, "mean": None}
COLUMNS = ["user_id", "t", *NOTHING]
VALUELESS = {
    "query": 'SQLSource(name="rows", url="sqlite:///data/shop.db", query="SELECT * FROM e", timestamp_field="t")',
    "view": 'SQLSource(name="rows", url="sqlite:///data/shop.db", table="v", timestamp_field="t")',
    "csv": 'FileSource(name="rows", path="data/e.csv", timestamp_field="t")',
    "parquet": 'FileSource(name="rows", path="data/e.parquet", timestamp_field="t")',
    "duckdb": 'DuckDBSource(name="rows", database="data/e.duckdb", query="SELECT * FROM v", timestamp_field="t")',
}


def _without_values(project: Project, rows: list[tuple[int, str]]) -> None:
    """The same rows, which have keys and times and nothing else, in every kind of source."""
    nothing = ", ".join(f"NULL AS {name}" for name in NOTHING)
    project.add_sqlite(
        f"CREATE TABLE e ({', '.join(COLUMNS)}); CREATE VIEW v AS SELECT user_id + 0 AS user_id, t, {nothing} FROM e",
        rows, "INSERT INTO e (user_id, t) VALUES (?, ?)",
    )  # fmt: skip
    lines = [",".join(COLUMNS), *(f"{user},{time},,,,,," for user, time in rows)]
    (project.root / "data/e.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    typed = {"user_id": pa.array([user for user, _ in rows], pa.int64() if rows else pa.null())}
    typed["t"] = pa.array([at(time) for _, time in rows], UTC if rows else pa.null())
    project.add_parquet("data/e.parquet", pa.table(typed | {name: pa.nulls(len(rows)) for name in NOTHING}))
    with duckdb.connect(str(project.root / "data/e.duckdb")) as connection:
        connection.execute("CREATE TABLE e (user_id BIGINT, t TIMESTAMP)")
        connection.execute(f"CREATE VIEW v AS SELECT user_id, t, {nothing} FROM e")
        if rows:
            connection.executemany("INSERT INTO e VALUES (?, ?)", rows)


@pytest.mark.parametrize("rows", [[], [(1, "2020-02-01"), (1, "2020-02-02")]], ids=["no rows", "nothing but nulls"])
@pytest.mark.parametrize("kind", VALUELESS)
def test_columns_without_values_fit_every_declaration(kind: str, rows: list[tuple[int, str]], project: Project) -> None:
    """They can be declared as anything, and give nulls and empty windows, offline and online."""
    _without_values(project, rows)
    store = project.apply(VIEWS.format(source=VALUELESS[kind]))
    features = [f"latest:{name}" for name in NOTHING] + [f"windows:{name}" for name in EMPTY]
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [at("2020-02-05")]})
    row = store.get_historical_features(entity_df=spine, features=features).to_arrow().to_pylist()[0]
    assert {name: row[name] for name in [*NOTHING, *EMPTY]} == NOTHING | EMPTY
    store.materialize(at("2020-01-01"), NOW)
    online = store.get_online_features(features=features, entity_rows=[{"user_id": 1}]).to_dict()
    assert {name: online[name][0] for name in [*NOTHING, *EMPTY]} == NOTHING | EMPTY


def test_a_column_with_values_still_has_to_fit(project: Project) -> None:
    """One value is enough to tell the type."""
    project.add_sqlite(
        f"CREATE TABLE e ({', '.join(COLUMNS)}); INSERT INTO e (user_id, t, n) VALUES (1, '2020-02-01', 'x')"
    )
    with pytest.raises(DefinitionError, match="'n' of view 'latest' is declared int64, but its values are string"):
        project.apply(VIEWS.format(source=VALUELESS["query"]))


def test_a_file_with_a_head_only_has_its_columns(project: Project) -> None:
    """A CSV file without rows is an empty table whose columns are of no type yet."""
    (project.root / "data/e.csv").write_text("id,t\n", encoding="utf-8")
    source = FileSource(name="s", path="data/e.csv", timestamp_field="t")
    assert check_source(source, _config(project)).types == [pa.null(), pa.null()]
    assert _read(project, source, "id", "t", timestamp="t", end=NOW).num_rows == 0
