"""Who listens is told how far a retrieval has come; nobody else is."""

from threading import Thread, get_ident
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from projects import Project, at
from storekeeper.errors import SourceError
from storekeeper.offline import pushdown, retrieve
from storekeeper.offline.progress import listening, tell
from storekeeper.sources import duckdb_relation, sql_reader

ROWS = 10_000
Told = list[tuple[str, int, int | None]]

DECLARED = """
times = dict(timestamp_field="at")
table = DuckDBSource(name="table", database="data/behaviour.duckdb", table="log", **times)
query = DuckDBSource(name="query", database="data/behaviour.duckdb", query="FROM log", **times)
files = FileSource(name="files", path="data/parts", **times)
text = FileSource(name="text", path="data/log.csv", **times)
lite = SQLSource(name="lite", url="sqlite:///data/shop.db", table="log", **times)
"""
SOURCES = ("table", "query", "files", "text", "lite")
DECLARED += "".join(
    f"""
latest_{name} = FeatureView(
    name="latest_{name}", entities=[user], ttl=timedelta(0), source={name}, schema=[Field(name="n", dtype=Int64)]
)
counts_{name} = StreamFeatureView(
    name="counts_{name}", entities=[user], timestamp_field="at", schema=[Field(name="count", dtype=Int64)],
    aggregations=[Aggregation(function="count", name="count")],
    source=PushSource(name="push_{name}", batch_source={name}),
)
"""
    for name in SOURCES
)


def _log() -> pa.Table:
    rng = np.random.default_rng(3)
    times = pa.array(np.arange(ROWS) * 60_000_000 + int(at("2020-02-01").timestamp()) * 1_000_000)
    return pa.table(
        {"user_id": rng.integers(0, 40, ROWS), "at": times.cast(pa.timestamp("us", "UTC")), "n": np.arange(ROWS)}
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with one log in every kind of source. Shared: don't change it."""
    project = Project(tmp_path_factory.mktemp("progress"))
    project.configure()
    log = _log()
    project.add_duckdb("log", log)
    (project.root / "data/parts").mkdir()
    for place in range(4):
        project.add_parquet(f"data/parts/{place}.parquet", log.slice(place * 2_500, 2_500))
    project.add_csv("data/log.csv", log)
    rows = [(row["user_id"], row["at"].replace(tzinfo=None).isoformat(" "), row["n"]) for row in log.to_pylist()]
    project.add_sqlite(
        "CREATE TABLE log (user_id BIGINT, at TIMESTAMP, n BIGINT)", rows, "INSERT INTO log VALUES (?, ?, ?)"
    )
    return project.apply(DECLARED)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources come in several batches, and whole."""
    monkeypatch.setattr(duckdb_relation, "_BATCH_ROWS", 2048)
    monkeypatch.setattr(sql_reader, "_BATCH_ROWS", 1500)
    monkeypatch.setattr(pushdown, "_MOST_UNCOUNTED_KEYS", 0)


def _spine(rows: int = 40) -> pd.DataFrame:
    return pd.DataFrame({"user_id": np.arange(rows) % 50, "event_timestamp": [at("2020-03-01")] * rows})


def _ask(store: Any, *features: str, rows: int = 40) -> pa.Table:
    return store.get_historical_features(entity_df=_spine(rows), features=list(features)).to_arrow()


def _told(store: Any, *features: str, rows: int = 40) -> Told:
    told: Told = []
    with listening(lambda view, read, total: told.append((view, read, total))):
        _ask(store, *features, rows=rows)
    return told


@pytest.mark.parametrize("view", [f"{kind}_{source}" for source in SOURCES for kind in ("latest", "counts")])
def test_listeners_are_told_view_rows_and_total(view: str, store: Any) -> None:
    """Rows grow batch by batch up to all of the source's; tables and Parquet files know beforehand how many."""
    told = _told(store, f"{view}:{'n' if view.startswith('latest') else 'count'}")
    assert {name for name, _, _ in told} == {view}
    read = [rows for _, rows, _ in told]
    assert read == sorted(set(read))
    assert read[-1] == ROWS
    assert len(read) > 1
    assert {total for _, _, total in told} == {ROWS if view.endswith(("table", "files")) else None}


def test_rows_of_some_entities_have_no_total(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the spine's entities are read, nobody knows how many rows they have."""
    for constant, value in (("_FEW_ROWS", 0), ("_LARGEST_SHARE", 2.0), ("_MOST_UNCOUNTED_KEYS", 10_000)):
        monkeypatch.setattr(pushdown, constant, value)
    of_one = _log()["user_id"].to_pylist().count(0)
    for view in ("latest_table", "latest_files", "latest_query"):
        assert [(told[0], told[2]) for told in _told(store, f"{view}:n", rows=1)] == [(view, None)]
        assert _told(store, f"{view}:n", rows=1)[-1][1] == of_one


def test_all_views_tell_from_whatever_thread(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views that are computed side by side tell the one listener, each to its end."""
    monkeypatch.setattr(retrieve, "cores", lambda: 2)
    threads: set[int] = set()
    last: dict[str, int] = {}

    def listen(view: str, rows: int, total: int | None) -> None:
        threads.add(get_ident())
        last[view] = rows

    with listening(listen):
        _ask(store, "latest_table:n", "counts_files:count", rows=2_000)
    assert last == {"latest_table": ROWS, "counts_files": ROWS}
    assert get_ident() not in threads


def test_nothing_is_told_outside(store: Any) -> None:
    """Before, after and in other threads nobody hears anything, and the innermost listener alone is told."""
    outer: Told = []
    inner: Told = []
    _ask(store, "counts_table:count")
    with listening(lambda *told: outer.append(told)):
        with listening(lambda *told: inner.append(told)):
            _ask(store, "counts_table:count")
        assert outer == []
        assert inner[-1][1] == ROWS
        other = Thread(target=_ask, args=(store, "counts_table:count"))
        other.start()
        other.join()
        assert outer == []
        tell("mine", 1, None)
    assert outer == [("mine", 1, None)]
    heard = len(inner)
    _ask(store, "counts_table:count")
    assert (len(outer), len(inner)) == (1, heard)


def test_a_job_tells_when_it_works(store: Any) -> None:
    """A retrieval works when its result is asked for, so that is when it tells, and once."""
    job = store.get_historical_features(entity_df=_spine(), features=["counts_table:count"])
    told: Told = []
    with listening(lambda *one: told.append(one)):
        job.to_arrow()
        heard = len(told)
        job.to_arrow()
    assert 0 < heard == len(told)


def test_a_listeners_error_is_the_retrievals(store: Any) -> None:
    """What a listener raises, such as an interrupt, ends the retrieval, and listening ends with it."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    for rows in (40, 2_000):
        with pytest.raises(KeyboardInterrupt), listening(interrupt):
            _ask(store, "latest_table:n", "counts_files:count", rows=rows)
        assert _ask(store, "counts_table:count").num_rows == 40


def test_an_empty_source_is_told_of(project: Project) -> None:
    """No rows of none is progress too."""
    project.add_duckdb("log", _log().slice(0, 0))
    project.add_sqlite("CREATE TABLE log (user_id BIGINT, at TIMESTAMP, n BIGINT)")
    (project.root / "data/parts").mkdir()
    project.add_parquet("data/parts/0.parquet", _log().slice(0, 0))
    project.add_csv("data/log.csv", _log().slice(0, 1))
    store = project.apply(DECLARED)
    assert _told(store, "latest_table:n", "counts_lite:count") == [("latest_table", 0, 0), ("counts_lite", 0, None)]


def test_a_broken_source_tells_nothing(project: Project) -> None:
    """What can't be opened isn't read."""
    project.add_duckdb("log", _log())
    (project.root / "data/parts").mkdir()
    project.add_parquet("data/parts/0.parquet", _log())
    project.add_csv("data/log.csv", _log())
    project.add_sqlite("CREATE TABLE log (user_id BIGINT, at TIMESTAMP, n BIGINT)")
    store = project.apply(DECLARED)
    (project.root / "data/behaviour.duckdb").write_bytes(b"")
    told: Told = []
    with listening(lambda *one: told.append(one)), pytest.raises(SourceError):
        _ask(store, "latest_table:n")
    assert told == []
