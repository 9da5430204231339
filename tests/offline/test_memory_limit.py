"""A history beyond the memory limit is looked at in parts on disk, and nobody can tell by the answer."""

import shutil
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from projects import Project, at
from storekeeper.errors import DataError, SettingError, SourceError
from storekeeper.history.moments import SortedSpine
from storekeeper.offline import pushdown, retrieve
from storekeeper.offline.gather import gather
from storekeeper.offline.memory import MemoryBudget
from storekeeper.offline.progress import listening
from storekeeper.offline.spill import Spill
from storekeeper.sources import DuckDBSource, OpenSources, ReadRequest, duckdb_relation, sql_reader

EVENTS, USERS, ITEMS = 6_000, 150, 9
START = at("2020-02-01")
COLUMNS = ("cents", "price", "word", "flag", "seen", "kind")
FUNCTIONS = {
    "cents": ["count", "sum", "mean", "std", "var", "min", "max", "first", "last", "count_distinct", "last_n(3)"],
    "price": ["sum", "mean", "min", "max", "last"],
    "word": ["count", "min", "first", "last", "count_distinct", "last_n(2)", "seconds_since_last"],
    "kind": ["last", "max", "count_distinct", "last_n(2)"],
    "flag": ["sum", "mean", "last"],
    "seen": ["min", "last", "last_n(2)"],
    "": ["count", "seconds_since_last", "seconds_since_first"],
}
TYPES = {
    "cents": "Int64",
    "price": "Float64",
    "word": "String",
    "kind": "String",
    "flag": "Bool",
    "seen": "UnixTimestamp",
}
# Spreads are merged in blocks that lie otherwise in other company: within rule 10, but not bit for bit.
SPREADS = {"std", "var"}


def _type(function: str, column: str) -> str:
    base = function.partition("(")[0]
    if base in {"count", "count_distinct"} or (base == "sum" and column != "price"):
        return "Int64"
    if base in {"mean", "std", "var", "sum", "seconds_since_last", "seconds_since_first"}:
        return "Float64"
    return f"Array({TYPES[column]})" if base == "last_n" else TYPES[column]


def _aggregations() -> tuple[str, str]:
    fields, aggregations = [], []
    for column, functions in FUNCTIONS.items():
        for place, function in enumerate(functions):
            name = f"{column or 'event'}_{function.partition('(')[0]}"
            window = [None, "timedelta(days=1)", "timedelta(days=7)"][place % 3]
            column_text = f"column={column!r}, " if column else ""
            window_text = f"time_window={window}, " if window else ""
            fields.append(f"Field(name={name!r}, dtype={_type(function, column)}),")
            aggregations.append(f"Aggregation({column_text}{window_text}function={function!r}, name={name!r}),")
    return "\n".join(fields), "\n".join(aggregations)


_FIELDS, _AGGREGATIONS = _aggregations()
_LATEST = "".join(f"Field(name={name!r}, dtype={TYPES[name]})," for name in COLUMNS)


def _latest(name: str, source: str, entities: str = "[user]", ttl: str = "timedelta(days=3)") -> str:
    return f"""
{name} = FeatureView(name={name!r}, entities={entities}, ttl={ttl}, source={source}, schema=[{_LATEST}])
"""


def _windowed(name: str, source: str, entities: str = "[user]") -> str:
    return f"""
{name} = StreamFeatureView(
    name={name!r}, entities={entities}, timestamp_field="at", schema=[{_FIELDS}], aggregations=[{_AGGREGATIONS}],
    source=PushSource(name="push_{name}", batch_source={source}),
)
"""


DECLARED = """
item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
times = dict(timestamp_field="at", created_timestamp_column="known")
table = DuckDBSource(name="table", database="data/behaviour.duckdb", table="log", **times)
query = DuckDBSource(name="query", database="data/behaviour.duckdb", query="SELECT * FROM log", **times)
none = DuckDBSource(name="none", database="data/behaviour.duckdb", query="SELECT * FROM log WHERE false", **times)
parquet = FileSource(name="parquet", path="data/log.parquet", **times)
csv = FileSource(name="csv", path="data/log.csv", **times)
lite = SQLSource(name="lite", url="sqlite:///data/shop.db", table="log", **times)
"""
SOURCES = ("table", "query", "none", "parquet", "csv", "lite")
DECLARED += "".join(_latest(f"latest_{source}", source) + _windowed(f"windows_{source}", source) for source in SOURCES)
DECLARED += _latest("latest_pairs", "table", "[user, item]") + _windowed("windows_pairs", "parquet", "[user, item]")
DECLARED += _latest("latest_all", "table", "[]", "timedelta(0)") + _windowed("windows_all", "query", "[]")


def _log() -> pa.Table:
    rng = np.random.default_rng(1)
    seconds = np.sort(rng.integers(0, 20 * 86_400, EVENTS))
    happened = pa.array(seconds * 1_000_000 + int(START.timestamp()) * 1_000_000).cast(pa.timestamp("us", "UTC"))
    late = pa.array(rng.choice([0, 0, 3_600, 86_400], EVENTS) * 1_000_000).cast(pa.duration("us"))
    words = pa.array(rng.choice(["", "a", "bc", "ä", "🛒" * 9], EVENTS).tolist(), mask=rng.random(EVENTS) < 0.1)
    return pa.table(
        {
            "user_id": pa.array(rng.integers(0, USERS, EVENTS), mask=rng.random(EVENTS) < 0.02),
            "item_id": pa.array([f"i{number}" for number in rng.integers(0, ITEMS, EVENTS)]),
            "at": happened,
            "known": pc.add(happened, late),
            "cents": pa.array(rng.integers(-500, 2000, EVENTS), mask=rng.random(EVENTS) < 0.1),
            "price": pa.array(np.round(rng.normal(20, 30, EVENTS), 2), mask=rng.random(EVENTS) < 0.1),
            "word": words,
            "flag": pa.array(rng.random(EVENTS) < 0.5, mask=rng.random(EVENTS) < 0.1),
            "seen": happened,
            "kind": pa.array(rng.choice(["view", "cart", "buy"], EVENTS).tolist()),
        }
    )


def _fill(project: Project, log: pa.Table) -> None:
    project.add_duckdb("log", log)
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        connection.execute("CREATE TYPE kinds AS ENUM ('view', 'cart', 'buy')")
        connection.execute("ALTER TABLE log ALTER kind TYPE kinds")
    project.add_parquet("data/log.parquet", log)
    project.add_csv("data/log.csv", log)
    text = {
        name: [None if value is None else value.replace(tzinfo=None).isoformat(" ") for value in log[name].to_pylist()]
        for name in ("at", "known", "seen")
    }
    rows = log.set_column(2, "at", [text["at"]]).set_column(3, "known", [text["known"]])
    rows = rows.set_column(8, "seen", [text["seen"]])
    project.add_sqlite(
        "CREATE TABLE log (user_id BIGINT, item_id TEXT, at TIMESTAMP, known TIMESTAMP, cents BIGINT, price DOUBLE, "
        "word TEXT, flag BOOLEAN, seen TIMESTAMP, kind TEXT)",
        [tuple(row.values()) for row in rows.to_pylist()],
        f"INSERT INTO log VALUES ({', '.join('?' * rows.num_columns)})",
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project with the same log in every kind of source. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("memory"))
    made.configure()
    _fill(made, _log())
    made.apply(DECLARED)
    return made


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryBudget:
    """Retrievals hold a few events at once, and read a few rows at a time."""
    budget = MemoryBudget(events_bytes=20_000, database_bytes=128_000_000, folder=tmp_path / "spill")
    monkeypatch.setattr(retrieve, "memory_budget", lambda *_: budget)
    monkeypatch.setattr(duckdb_relation, "_BATCH_ROWS", 2048)
    monkeypatch.setattr(sql_reader, "_BATCH_ROWS", 700)
    return budget


def _spine(rows: int = 1500) -> pd.DataFrame:
    """Seen and unseen entities, null keys, times before, within and after the log, in no order, with repetitions."""
    rng = np.random.default_rng(2)
    users = pd.array(rng.integers(-5, USERS + 20, rows), "Int64")
    users[rng.random(rows) < 0.03] = pd.NA
    moments = pd.Timestamp(START) + pd.to_timedelta(rng.integers(-86_400, 22 * 86_400, rows), unit="s")
    spine = pd.DataFrame(
        {
            "user_id": users,
            "item_id": pd.Series([f"i{number}" for number in rng.integers(0, ITEMS + 2, rows)], dtype="string"),
            "event_timestamp": moments,
            "label": rng.integers(0, 2, rows),
        }
    )
    return spine.iloc[rng.integers(0, rows, rows)]


def _ask(store: Any, *views: str, cutoff: bool = False) -> pa.Table:
    service = [f"{view}:{name}" for view in views for name in _features(view)]
    job = store.get_historical_features(
        entity_df=_spine(), features=service, full_feature_names=True, filter_by_created_timestamp=cutoff
    )
    return job.to_arrow()


def _features(view: str) -> list[str]:
    if view.startswith("latest"):
        return list(COLUMNS)
    return [
        f"{column or 'event'}_{function.partition('(')[0]}"
        for column, functions in FUNCTIONS.items()
        for function in functions
    ]


def _assert_same(found: pa.Table, expected: pa.Table) -> None:
    assert found.schema.equals(expected.schema)
    for name in expected.column_names:
        ours, theirs = found[name].combine_chunks(), expected[name].combine_chunks()
        if name.rpartition("_")[2] in SPREADS:
            assert ours.is_null().equals(theirs.is_null())
            np.testing.assert_allclose(ours.to_numpy(False), theirs.to_numpy(False), rtol=1e-9)
        else:
            assert ours.equals(theirs), name


VIEWS = [*(f"{kind}_{source}" for source in SOURCES for kind in ("latest", "windows")),
         "latest_pairs", "windows_pairs", "latest_all", "windows_all"]  # fmt: skip


# One history for all under the cut-off would take seconds: each row looks at all events by itself.
@pytest.mark.parametrize(("view", "cutoff"), [*product(VIEWS, [False]), *product(VIEWS[:-1], [True])])
def test_parts_on_disk_change_no_answer(view: str, cutoff: bool, store: Any, request: pytest.FixtureRequest) -> None:
    """Every kind of view over every kind of source gives the same bits in parts as whole, and leaves nothing behind."""
    expected = _ask(store, view, cutoff=cutoff)
    budget: MemoryBudget = request.getfixturevalue("tiny")
    _assert_same(_ask(store, view, cutoff=cutoff), expected)
    if not view.endswith("none"):
        assert list(budget.folder.iterdir()) == []
        known = expected.select([name for name in expected.column_names if name.startswith(view)])
        assert all(column.null_count < len(column) for column in known.columns)


def test_views_side_by_side_share_a_limit(store: Any, request: pytest.FixtureRequest) -> None:
    """Several views at once, each in parts of its own, over one spine."""
    views = ("latest_table", "windows_parquet", "latest_pairs", "windows_table", "latest_csv")
    expected = _ask(store, *views)
    budget: MemoryBudget = request.getfixturevalue("tiny")
    _assert_same(_ask(store, *views), expected)
    assert list(budget.folder.iterdir()) == []


def test_the_answer_is_computed_once(store: Any, tiny: MemoryBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is asked twice gives the same table, from one reading."""
    made: list[int] = []
    monkeypatch.setattr(MemoryBudget, "scratch", _counted(MemoryBudget.scratch, made))
    job = store.get_historical_features(entity_df=_spine(), features=["windows_table:cents_sum"])
    assert job.to_arrow().equals(job.to_arrow())
    assert (len(made), list(tiny.folder.iterdir())) == (1, [])


def _counted(function: Callable[..., Any], made: list[int]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        made.append(1)
        return function(*arguments)

    return counted


def test_parts_hold_all_events_within_the_limit(store: Any, shared: Project, tiny: MemoryBudget) -> None:
    """Parts come one by one, each of a size, and together they are the history of the spine's entities."""
    with OpenSources(store.config) as sources, closing(_parts(sources, tiny)) as parts:
        seen = 0
        for part in parts:
            assert part.events.nbytes < 2 * tiny.events_bytes
            assert len(list(tiny.folder.iterdir())) == 1
            assert np.all(np.diff(part.events["at"].to_numpy()[part.codes == part.codes[0]].astype(np.int64)) >= 0)
            seen += part.events.num_rows
    assert seen == sum(user is not None for user in _log()["user_id"].to_pylist())
    assert list(tiny.folder.iterdir()) == []
    assert shared


_TABLE = DuckDBSource(name="t", database="data/behaviour.duckdb", table="log", timestamp_field="at")


def _parts(sources: OpenSources, budget: MemoryBudget) -> Any:
    spine = pa.table({"user_id": range(USERS), "moment": pa.array([at("2020-03-01")] * USERS)})
    asking = SortedSpine.of(spine, ["user_id"], "moment")
    return gather(sources.open(_TABLE), ReadRequest(("user_id", "at", "cents", "word")), asking, "view", budget)


def test_an_abandoned_reading_leaves_nothing(store: Any, tiny: MemoryBudget) -> None:
    """Who stops after the first part closes the disk and the source."""
    with OpenSources(store.config) as sources:
        parts = _parts(sources, tiny)
        next(parts)
        assert len(list(tiny.folder.iterdir())) == 1
        parts.close()
        assert list(tiny.folder.iterdir()) == []
        assert sources.open(_TABLE).row_count() == EVENTS


SEEN = """
source = DuckDBSource(name="source", database="data/behaviour.duckdb", table="seen", timestamp_field="at")
view = StreamFeatureView(
    name="view", entities=[user], timestamp_field="at", schema=[Field(name="total", dtype=Int64)],
    aggregations=[Aggregation(column="cents", function="sum", name="total")],
    source=PushSource(name="push", batch_source=source),
)
"""
BROKEN = {
    "in the source": (
        "SELECT * REPLACE (CASE WHEN i = 5500 THEN error('boom') ELSE cents END AS cents) FROM log",
        "boom",
    ),
    "in the kernel": ("SELECT * REPLACE (9000000000000000000 AS cents) FROM log", "overflows 64-bit"),
    "in the keys": ("SELECT * REPLACE (user_id::VARCHAR AS user_id) FROM log", "user_id"),
}


def _see(project: Project, query: str) -> None:
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        connection.execute(f"CREATE OR REPLACE VIEW seen AS {query}")


def test_an_error_in_mid_read_leaves_nothing(
    shared: Project, tiny: MemoryBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong when half is on disk clears the disk, even while the error is looked at."""
    monkeypatch.setattr(pushdown, "_MOST_UNCOUNTED_KEYS", 0)
    on_disk: list[int] = []

    def stumble(view: str, rows: int, total: int | None) -> None:
        on_disk.append(len(list(tiny.folder.glob("*"))))
        if rows > EVENTS // 2:
            raise SourceError(f"{view} stumbled over row {rows} of {total}")

    for view in ("windows_query", "latest_lite", "latest_table", "windows_csv"):
        with listening(stumble), pytest.raises(SourceError, match=f"{view} stumbled") as caught:
            _ask(shared.open(), view)
        assert max(on_disk) == 1
        assert list(tiny.folder.iterdir()) == []
        assert caught.value.__traceback__ is not None


@pytest.mark.parametrize("where", BROKEN)
def test_an_error_leaves_nothing(where: str, project: Project, tiny: MemoryBudget) -> None:
    """An error in mid-read or later clears the disk and lets go of the database, even while the error is looked at."""
    query, told = BROKEN[where]
    project.add_duckdb("log", _log().append_column("i", [range(EVENTS)]))
    _see(project, "SELECT * FROM log")
    job = project.apply(SEEN).get_historical_features(entity_df=_spine(), features=["view:total"])
    _see(project, query)
    with pytest.raises((DataError, SourceError), match=told) as caught:
        job.to_arrow()
    assert not tiny.folder.exists() or list(tiny.folder.iterdir()) == []
    written = Thread(target=_see, args=(project, "SELECT 1 AS one"), daemon=True)
    written.start()
    written.join(60)
    assert not written.is_alive()
    assert caught.value.__traceback__ is not None


@pytest.mark.parametrize("limit", ["'8GB'", "2GB", "'900000000'", "999999999TB"])
def test_a_limit_in_the_configuration(limit: str, shared: Project, tmp_path: Path) -> None:
    """feature_store.yaml takes a limit, with which everything is answered as before."""
    store = _limited(shared, tmp_path, limit)
    _assert_same(_ask(store, "windows_table", "latest_parquet"), _ask(shared.open(), "windows_table", "latest_parquet"))


def _limited(shared: Project, folder: Path, limit: str) -> Any:
    project = Project(folder / "limited")
    shutil.copytree(shared.root, project.root)
    project.configure(offline=f"\n  memory_limit: {limit}")
    return project.open()


def test_a_bad_limit_is_refused(shared: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is none is an error of the retrieval, in the file as in the variable."""
    with pytest.raises(SettingError, match=r"memory_limit.*'plenty'.*feature_store\.yaml"):
        _ask(_limited(shared, tmp_path, "plenty"), "latest_table")
    monkeypatch.setenv("STOREKEEPER_MEMORY_LIMIT", "lots")
    with pytest.raises(SettingError, match=r"'lots'.*STOREKEEPER_MEMORY_LIMIT"):
        _ask(shared.open(), "latest_table")


def test_parts_keep_each_entity_whole(tmp_path: Path) -> None:
    """Every event of an entity is in one part, in order; events of no entity are in none."""
    rng = np.random.default_rng(5)
    codes = rng.integers(-1, 1000, 5000).astype(np.int32)
    batch = pa.record_batch({"place": np.arange(5000), "word": [f"w{code}" for code in codes.tolist()]})
    with Spill(tmp_path, batch.schema) as spill:
        for start in range(0, 5000, 700):
            spill.add(codes[start : start + 700], batch.slice(start, 700))
        spill.add(codes[:0], batch.slice(0, 0))
    groups = list(spill.groups(20_000))
    assert groups[0][0] == 0
    assert groups[-1][1] == spill.parts
    assert [end for _, end in groups[:-1]] == [first for first, _ in groups[1:]]
    places = []
    for first, end in groups:
        found, events = spill.read(first, end)
        place = events["place"].to_numpy()
        assert set(found % spill.parts) <= set(range(first, end))
        np.testing.assert_array_equal(found, codes[place])
        assert all(np.all(np.diff(place[found == code]) > 0) for code in np.unique(found))
        assert events["word"].to_pylist() == [f"w{code}" for code in found]
        places.append(place)
    np.testing.assert_array_equal(np.sort(np.concatenate(places)), np.flatnonzero(codes >= 0))


def test_a_spine_without_views_has_nothing_to_share(shared: Project) -> None:
    """Where only transformations of the request are asked for, no view is read, however long the spine."""
    code = """
request = RequestSource(name="request", schema=[Field(name="label", dtype=Int64)])


@on_demand_feature_view(sources=[request], schema=[Field(name="twice", dtype=Int64)])
def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["label"] * 2})
"""
    project = Project(shared.root.with_name("memory_on_demand"))
    project.configure()
    found = project.apply(code).get_historical_features(entity_df=_spine(), features=["doubled:twice"]).to_df()
    assert found["twice"].tolist() == (found["label"] * 2).tolist()
