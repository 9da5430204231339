"""The same rows in PostgreSQL, SQLite and DuckDB give the same training rows and the same online features."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from projects import NOW, Project, at
from servers.postgres_server import Postgres

pytestmark = pytest.mark.slow

KINDS = ("postgres", "sqlite", "duckdb")
SOURCES = {
    "duckdb": 'DuckDBSource(database="data/behaviour.duckdb", ',
    "sqlite": 'SQLSource(url="sqlite:///data/shop.db", ',
    "postgres": 'SQLSource(url="${SHOP_URL}", ',
}
QUERY = "SELECT * FROM log WHERE word <> 'w1' OR word IS NULL"
# SQLite tells a flag from a number only by a column's declaration, which a view keeps and a query loses.
ASKED = {"duckdb": f'query="{QUERY}"', "postgres": f'query="{QUERY}"', "sqlite": 'table="asked"'}
FUNCTIONS = (
    "sum", "mean", "min", "max", "std", "var", "first", "last", "count", "count_distinct", "seconds_since_last",
)  # fmt: skip
VIEWS = """
times = {"timestamp_field": "at", "created_timestamp_column": "known"}
log = SOURCE name="log", table="log", **times)
asked = SOURCE name="asked", ASKED, **times)
other = Entity(name="other", join_keys=["word"], value_type=ValueType.STRING)
FUNCTIONS = FUNCTION_NAMES


def windows(name, source, entities):
    wide = [(function, column) for function in FUNCTIONS for column in ("amount", "cents")]
    made = {f"{function}_{column}": (function, column) for function, column in wide}
    made |= {"first_word": ("first", "word"), "last_flag": ("last", "flag"), "words": ("last_n(3)", "word")}
    types = {"sum_cents": Int64, "min_cents": Int64, "max_cents": Int64, "first_cents": Int64, "last_cents": Int64}
    types |= {"first_word": String, "last_flag": Bool, "words": Array(String)}
    types |= {f"{function}_{column}": Int64 for function, column in wide if function.startswith("count")}
    return StreamFeatureView(
        name=name, entities=entities, source=PushSource(name=f"push_{name}", batch_source=source), timestamp_field="at",
        schema=[Field(name=feature, dtype=types.get(feature, Float64)) for feature in made],
        aggregations=[
            Aggregation(column=column, function=function, time_window=timedelta(days=9), name=feature)
            for feature, (function, column) in made.items()
        ],
    )


schema = [
    Field(name="cents", dtype=Int64), Field(name="amount", dtype=Float64), Field(name="flag", dtype=Bool),
    Field(name="n", dtype=Int64), Field(name="known", dtype=UnixTimestamp),
]
latest = FeatureView(name="latest", entities=[user], source=log, ttl=timedelta(days=5), schema=schema)
forever = FeatureView(name="forever", entities=[user], source=asked, ttl=timedelta(0), schema=schema)
pairs = FeatureView(name="pairs", entities=[user, other], source=log, ttl=timedelta(days=30), schema=schema)
recent = windows("recent", log, [user])
of_pairs = windows("of_pairs", asked, [user, other])
everything = FeatureService(name="everything", features=[latest, forever, pairs, recent, of_pairs])
"""
LOG_SQL = """
CREATE TABLE log (
    user_id BIGINT, word {text}, at {time}, known {time}, cents BIGINT, amount DOUBLE PRECISION, flag BOOLEAN, n INTEGER
);
CREATE INDEX log_users ON log (user_id, n DESC);
CREATE INDEX log_times ON log (at, n DESC);
"""
COLUMNS = ("user_id", "word", "at", "known", "cents", "amount", "flag", "n")
UTC_TIME = pa.timestamp("us", tz="UTC")


def _log() -> pa.Table:
    """Events with ties in every time, corrections, nulls, rows known late, and some from before 1970."""
    rng, size = np.random.default_rng(11), 3000
    hours = np.sort(rng.integers(0, 20 * 24, size))
    happened = [at("2020-02-05") + timedelta(hours=int(hour), microseconds=int(hour) % 3) for hour in hours]
    happened[:3] = [at("1969-12-31T23:59:59.999999"), at("1900-01-01"), at("1969-12-31T23:59:59.999999")]
    late = [
        moment + timedelta(hours=int(delay)) for moment, delay in zip(happened, rng.integers(0, 60, size), strict=True)
    ]
    rows = {
        "user_id": pa.array(rng.integers(1, 25, size), pa.int64(), mask=rng.random(size) < 0.02),
        "word": pa.array([f"w{n}" for n in rng.integers(0, 5, size)], mask=rng.random(size) < 0.1),
        "at": pa.array(happened, UTC_TIME),
        "known": pa.array(late, UTC_TIME, mask=rng.random(size) < 0.2),
        "cents": pa.array(2**53 + rng.integers(-9, 9, size), pa.int64(), mask=rng.random(size) < 0.1),
        "amount": pa.array(rng.normal(0, 1e6, size), mask=rng.random(size) < 0.1),
        "flag": pa.array(rng.random(size) < 0.5, mask=rng.random(size) < 0.1),
        "n": pa.array(range(size), pa.int64()),
    }
    return pa.table(rows)


def _fill_postgres(postgres: Postgres, log: pa.Table) -> None:
    with postgres.connect("retrieval") as connection, connection.cursor() as cursor:
        cursor.execute(LOG_SQL.format(text="VARCHAR(10)", time="TIMESTAMPTZ"))
        cursor.executemany(
            "INSERT INTO log VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", [tuple(row.values()) for row in log.to_pylist()]
        )


def _fill_sqlite(project: Project, log: pa.Table) -> None:
    rows = [
        tuple(value.isoformat(" ") if hasattr(value, "isoformat") else value for value in row.values())
        for row in log.to_pylist()
    ]
    statements = LOG_SQL.format(text="TEXT", time="TIMESTAMP") + f"CREATE VIEW asked AS {QUERY};"
    project.add_sqlite(statements, rows, "INSERT INTO log VALUES (?,?,?,?,?,?,?,?)")


@pytest.fixture(scope="module")
def stores(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The same declarations over the same rows in three places, applied and materialised. Shared: don't change them."""
    log = _log()
    projects = {kind: Project(tmp_path_factory.mktemp(kind)) for kind in KINDS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_URL", postgres.make_database("retrieval"))
        _fill_postgres(postgres, log)
        for kind, project in projects.items():
            project.configure(clock="2020-02-20T12:00:00Z")
            if kind == "sqlite":
                _fill_sqlite(project, log)
            if kind == "duckdb":
                project.add_duckdb("log", log)
            code = VIEWS.replace("SOURCE ", SOURCES[kind]).replace("ASKED", ASKED[kind])
            project.apply(code.replace("FUNCTION_NAMES", repr(FUNCTIONS))).materialize_incremental(end_date=NOW)
        yield {kind: project.open() for kind, project in projects.items()}


def _spine() -> pd.DataFrame:
    rng, size = np.random.default_rng(5), 700
    users = pd.array([None if user == 27 else user for user in rng.integers(0, 28, size)], dtype="Int64")
    moments = [at("2020-02-03") + timedelta(hours=int(hour)) for hour in rng.integers(0, 25 * 24, size)]
    words = [None if n == 6 else f"w{n}" for n in rng.integers(0, 7, size)]
    return pd.DataFrame({"user_id": users, "word": words, "event_timestamp": moments, "label": rng.random(size)})


def _same(found: dict[str, pa.Table]) -> pa.Table:
    """One of the tables, if all are equal to the last bit."""
    first = found["postgres"]
    assert all(table.schema.equals(first.schema) for table in found.values())
    differing = {
        (kind, name) for kind, table in found.items() for name in first.column_names if table[name] != first[name]
    }
    assert not differing
    return first


@pytest.mark.parametrize("cutoff", [True, False])
def test_training_rows(cutoff: bool, stores: dict[str, Any]) -> None:
    """Every feature of every row is the same wherever its source lies, with the knowledge cut-off and without."""
    found = {
        kind: store.get_historical_features(
            entity_df=_spine(), features=store.get_feature_service("everything"), full_feature_names=True,
            filter_by_created_timestamp=cutoff,
        ).to_arrow()
        for kind, store in stores.items()
    }  # fmt: skip
    table = _same(found)
    assert table.num_rows == 700
    filled = [name for name in table.column_names if table[name].null_count < 600]
    assert len(filled) == table.num_columns


def test_the_cutoff_matters(stores: dict[str, Any]) -> None:
    """The rows are such that hiding what was known late changes features of both kinds of view."""
    store = stores["postgres"]
    features = ["latest:n", "recent:sum_amount"]
    with_, without = (
        store.get_historical_features(
            entity_df=_spine(), features=features, filter_by_created_timestamp=cutoff
        ).to_arrow()
        for cutoff in (True, False)
    )
    assert all(with_[name] != without[name] for name in ("n", "sum_amount"))


def test_a_date_range_in_place_of_a_spine(stores: dict[str, Any]) -> None:
    """The moments of a history are the same, too."""
    found = {
        kind: store.get_historical_features(
            start_date=at("2020-02-08"), end_date=at("2020-02-09"), features=["latest:n", "recent:count_cents"]
        ).to_arrow()
        for kind, store in stores.items()
    }
    assert _same(found).num_rows > 50


@pytest.mark.parametrize("feature", ["latest", "forever", "pairs", "recent", "of_pairs"])
def test_online_features(feature: str, stores: dict[str, Any]) -> None:
    """What was materialised answers the same, unseen entities included."""
    entities = [{"user_id": user, "word": f"w{user % 6}"} for user in range(30)]
    if feature not in {"pairs", "of_pairs"}:
        entities = [{"user_id": row["user_id"]} for row in entities]
    found = {}
    for kind, store in stores.items():
        view = (store.get_feature_view if feature in {"latest", "forever", "pairs"} else store.get_stream_feature_view)(
            feature
        )
        features = [f"{feature}:{field.name}" for field in view.features if field.name not in {"user_id", "word"}]
        found[kind] = store.get_online_features(features=sorted(features), entity_rows=entities).to_arrow()
    table = _same(found)
    assert table.num_rows == 30
    assert all(table[name].null_count < 30 for name in table.column_names)


def test_pulled_rows(stores: dict[str, Any]) -> None:
    """Feast's own reads, of all rows and of each entity's latest, are the same."""
    found: dict[str, dict[str, pa.Table]] = {"all": {}, "latest": {}}
    for kind, store in stores.items():
        source, offline = store.get_data_source("log"), store._get_provider().offline_store
        place = {
            "config": store.config, "data_source": source, "join_key_columns": ["user_id"],
            "feature_name_columns": ["cents", "amount", "word", "flag"], "timestamp_field": "at",
            "created_timestamp_column": "known", "start_date": at("2020-02-07"), "end_date": at("2020-02-12"),
        }  # fmt: skip
        found["all"][kind] = offline.pull_all_from_table_or_query(**place).to_arrow()
        found["latest"][kind] = offline.pull_latest_from_table_or_query(**place).to_arrow()
    assert _same(found["all"]).num_rows > 500
    assert 20 <= _same(found["latest"]).num_rows <= 25
