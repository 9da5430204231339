"""Appending rows to history: exactly, wholly or not at all, and never over what is there."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import feast
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.data_source import PushMode

from projects import NOW, Project, at
from storekeeper.errors import DataError, SourceError, UsageError
from storekeeper.offline.store import HistoryOfflineStore
from storekeeper.sources.parts import append_parts

VIEWS = """
SOURCES = {
    "duckdb": DuckDBSource(
        name="duckdb", database="data/behaviour.duckdb", table="rows", timestamp_field="at",
        created_timestamp_column="known",
    ),
    "sql": SQLSource(
        name="sql", url="sqlite:///data/shop.db", table="rows", timestamp_field="at", created_timestamp_column="known",
    ),
    "folder": FileSource(name="folder", path="data/folder", timestamp_field="at", created_timestamp_column="known"),
    "hive": FileSource(name="hive", path="data/hive", timestamp_field="at", created_timestamp_column="known"),
    "mapped": DuckDBSource(
        name="mapped", database="data/behaviour.duckdb", table="mapped", timestamp_field="t",
        created_timestamp_column="k",
        field_mapping={"u": "user_id", "t": "at", "k": "known", "c": "cents", "p": "share", "w": "word"},
    ),
    "plain": FileSource(name="plain", path="data/plain", timestamp_field="at"),
    "parquet": FileSource(name="parquet", path="data/rows.parquet", timestamp_field="at"),
    "csv": FileSource(name="csv", path="data/rows.csv", timestamp_field="at"),
    "query": DuckDBSource(
        name="query", database="data/behaviour.duckdb", query="SELECT * FROM rows", timestamp_field="at",
    ),
    "sql_query": SQLSource(
        name="sql_query", url="sqlite:///data/shop.db", query="SELECT * FROM rows", timestamp_field="at",
    ),
}
PUSHES = {name: PushSource(name=f"{name}_push", batch_source=source) for name, source in SOURCES.items()}
VIEWS = [
    view
    for name in SOURCES
    for view in (
        FeatureView(
            name=f"{name}_latest", entities=[user], source=PUSHES[name],
            schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String)],
        ),
        StreamFeatureView(
            name=f"{name}_windows", entities=[user], source=PUSHES[name], timestamp_field="at",
            schema=[Field(name="n", dtype=Int64), Field(name="spend", dtype=Int64)],
            aggregations=[
                Aggregation(function="count", name="n"), Aggregation(column="cents", function="sum", name="spend"),
            ],
        ),
    )
]
(
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16, v17, v18, v19,
) = VIEWS
"""
ONE_VIEW = """
rows = DuckDBSource(
    name="rows", database="data/behaviour.duckdb", table="rows", timestamp_field="at", created_timestamp_column="known",
)
one = FeatureView(
    name="one", entities=[user], source=PushSource(name="one_push", batch_source=rows),
    schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String)],
)
"""
SOURCES = ["duckdb", "sql", "folder", "hive", "mapped"]
TIMESTAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("user_id", pa.int64()), ("at", TIMESTAMP), ("known", TIMESTAMP), ("cents", pa.int32()),
     ("share", pa.float32()), ("word", pa.string())]
)  # fmt: skip


def _row(user: int | None, moment: str, cents: Any = 1, word: str = "new", **others: Any) -> dict[str, Any]:
    row = {"user_id": user, "at": at(moment), "known": at(moment), "cents": cents, "share": 0.5, "word": word}
    return row | others


OLD = pa.Table.from_pylist([_row(1, "2020-02-01", 5, "old"), _row(2, "2020-02-01", 7, "old")], SCHEMA)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same two rows behind every kind of source, applied. Shared: take a copy to change it."""
    project = Project(tmp_path_factory.mktemp("template"))
    project.configure()
    timeless = OLD.drop_columns(["known"])
    project.add_duckdb("rows", OLD)
    project.add_duckdb("mapped", OLD.rename_columns(["u", "t", "k", "c", "p", "w"]))
    for folder, table in (("folder", OLD), ("plain", timeless), ("hive/word=old", OLD.drop_columns(["word"]))):
        (project.root / "data" / folder).mkdir(parents=True)
        project.add_parquet(f"data/{folder}/part-0.parquet", table)
    project.add_parquet("data/rows.parquet", timeless)
    project.add_csv("data/rows.csv", timeless)
    texts = [tuple(v.isoformat() if hasattr(v, "isoformat") else v for v in row.values()) for row in OLD.to_pylist()]
    project.add_sqlite(
        "CREATE TABLE rows (user_id BIGINT, at TIMESTAMP, known TIMESTAMP, cents INTEGER CHECK (cents <> 13), "
        "share FLOAT, word TEXT)",
        texts, "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)",
    )  # fmt: skip
    project.apply(VIEWS)
    return project


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    """A copy of the template that a test may change."""
    shutil.copytree(template.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


@pytest.fixture
def store(project: Project) -> Any:
    return project.open()


def _append(store: Any, source: str, rows: Any, progress: Any = None) -> None:
    """Append as Feast does: to the view's batch source, through the offline store."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    HistoryOfflineStore.offline_write_batch(store.config, store.get_feature_view(f"{source}_latest"), table, progress)


def _ask(store: Any, source: str, users: list[int], moment: str, **options: Any) -> list[tuple[Any, ...]]:
    spine = pd.DataFrame({"user_id": users, "event_timestamp": [at(moment)] * len(users)})
    features = [f"{source}_latest:cents", f"{source}_latest:word", f"{source}_windows:n", f"{source}_windows:spend"]
    job = store.get_historical_features(entity_df=spine, features=features, **options)
    return [tuple(row.values()) for row in job.to_arrow().select(["cents", "word", "n", "spend"]).to_pylist()]


def _contents(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Every Parquet part of a project, and every other file of its folders."""
    files = [path for path in (root / "data").rglob("*") if path.is_file() and path.parent != root / "data"]
    return {str(path): pq.read_table(path, partitioning=None).to_pylist() for path in files}


@pytest.mark.parametrize("source", SOURCES)
def test_appended_rows_are_seen_beside_the_old(store: Any, source: str) -> None:
    """New rows of an old and of a new entity count at their time, and the past is as it was."""
    told: list[int] = []
    _append(store, source, [_row(1, "2020-02-03", 2), _row(3, "2020-02-04", None)], told.append)
    assert told == [2]
    assert _ask(store, source, [1, 2, 3], "2020-02-10") == [(2, "new", 2, 7), (7, "old", 1, 7), (None, "new", 1, 0)]
    assert _ask(store, source, [1, 3], "2020-02-02") == [(5, "old", 1, 5), (None, None, 0, 0)]


@pytest.mark.parametrize("source", SOURCES)
def test_rows_appended_twice_are_two_rows(store: Any, source: str) -> None:
    """An append is no upsert: the same event again is another event."""
    for _ in range(2):
        _append(store, source, [_row(1, "2020-02-03", 2)])
    assert _ask(store, source, [1], "2020-02-10") == [(2, "new", 3, 9)]


@pytest.mark.parametrize("source", SOURCES)
def test_without_a_knowledge_time_rows_are_known_from_now_on(store: Any, source: str) -> None:
    """A late row that comes without one gets the clock's now: what asks earlier doesn't see it (rule 6)."""
    late = _row(1, "2020-02-03", 2)
    del late["known"]
    _append(store, source, [late])
    moment = NOW.isoformat()[:10]
    assert _ask(store, source, [1], "2020-02-29", filter_by_created_timestamp=True) == [(5, "old", 1, 5)]
    assert _ask(store, source, [1], moment, filter_by_created_timestamp=True) == [(2, "new", 2, 7)]
    assert _ask(store, source, [1], "2020-02-29") == [(2, "new", 2, 7)]


@pytest.mark.parametrize("source", ["plain", "folder"])
def test_a_correction_wins_the_tie(store: Any, source: str) -> None:
    """Of equal event times the row appended later is the current one (rule 4), though a folder's parts tie by name."""
    for number in range(1, 4):
        row = _row(1, "2020-02-01", number, f"correction {number}", known=at("2020-02-01"))
        _append(store, source, [row if source == "folder" else {k: v for k, v in row.items() if k != "known"}])
        assert _ask(store, source, [1], "2020-02-02")[0][:2] == (number, f"correction {number}")


def test_columns_go_by_name_in_any_order(store: Any) -> None:
    """Order is free; a source with mapped columns takes the mapped names and its own."""
    row = dict(reversed(_row(3, "2020-02-03", 4).items()))
    _append(store, "duckdb", [row])
    own = {"user_id": "u", "at": "t", "known": "k", "cents": "c", "share": "p", "word": "w"}
    _append(store, "mapped", [{own[name]: value for name, value in row.items()}])
    for source in ("duckdb", "mapped"):
        assert _ask(store, source, [3], "2020-02-10") == [(4, "new", 1, 4)]


@pytest.mark.parametrize("source", SOURCES)
def test_times_are_utc_microseconds(store: Any, source: str) -> None:
    """Any zone, unit or ISO text is the same instant; naive means UTC; nanoseconds are cut off (rule 1)."""
    moments = pd.to_datetime(["2020-02-03T10:00:00.123456789", "2020-02-03T11:00"], format="ISO8601")
    frame = pd.DataFrame([_row(3, "2020-02-03"), _row(3, "2020-02-03")])
    for column in (moments, moments.tz_localize("UTC").tz_convert("Asia/Tokyo"), moments.astype(str) + "+00:00"):
        _append(store, source, pa.Table.from_pandas(frame.assign(at=column)))
    asks = ["2020-02-03T10:00:00.123456", "2020-02-03T10:00:00.123457", "2020-02-03T11:00:00.000001"]
    assert [_ask(store, source, [3], moment)[0][2] for moment in asks] == [0, 3, 6]


@pytest.mark.parametrize("source", ["duckdb", "hive"])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"cents": [1, 2**31]}, r"'cents'.*int32.*row 1 has 2147483648"),
        ({"cents": [1.0, 1.5]}, r"'cents'.*row 1 has 1\.5"),
        ({"cents": ["1", "2"]}, r"'cents'.*row 0 has '1'"),
        ({"share": [0.5, 0.1]}, r"'share'.*row 1 has 0\.1"),
        ({"word": [None, 3]}, r"'word'.*row 1 has 3"),
        ({"user_id": ["1", "x"]}, r"'user_id'.*row 0 has '1'"),
        ({"at": [at("2020-02-03"), None]}, r"'at' has no timestamp at row 1"),
        ({"at": ["2020-02-03", "soon"]}, r"'at'.*row 1 has 'soon'"),
        ({"at": pa.array([0, 10**15], pa.timestamp("s"))}, r"'at'.*row 1 has an instant outside the years 1 to 9999"),
        ({"extra": [1, 2]}, r"'at', 'cents'.*Received: .*'extra'.*unknown: 'extra'"),
    ],
)
def test_what_does_not_fit_is_refused_whole(
    store: Any, project: Project, source: str, columns: dict[str, Any], message: str
) -> None:
    """A value that its column can't hold unchanged, or an unknown column, is named, and no row is written."""
    rows = pa.Table.from_pylist([_row(1, "2020-02-03"), _row(1, "2020-02-04")])
    for name, values in columns.items():
        rows = rows.drop_columns([name] if name in rows.column_names else []).append_column(
            name, pa.array(values) if isinstance(values, list) else values
        )
    before = _contents(project.root)
    with pytest.raises(DataError, match=message):
        _append(store, source, rows)
    assert _contents(project.root) == before
    assert _ask(store, source, [1], "2020-02-10") == [(5, "old", 1, 5)]


@pytest.mark.parametrize(
    ("source", "column", "value", "message"),
    [("sql", "cents", 1.5, r"'cents'.*row 0 has 1\.5"), ("mapped", "cents", 2**31, r"'c' of source 'mapped'.*int32")],
)
def test_so_it_is_in_a_database_and_under_mapped_names(
    store: Any, source: str, column: str, value: Any, message: str
) -> None:
    """The message names the column as the source does."""
    with pytest.raises(DataError, match=message):
        _append(store, source, [_row(1, "2020-02-03", **{column: value})])
    assert _ask(store, source, [1], "2020-02-10") == [(5, "old", 1, 5)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_missing_column_is_named(store: Any, source: str) -> None:
    """So is one that isn't given: nulls are given, not left out."""
    row = _row(1, "2020-02-03")
    del row["share"]
    with pytest.raises(DataError, match=r"Missing: '(share|p)'"):
        _append(store, source, [row])


def test_floats_that_hold_integers_are_integers(store: Any) -> None:
    """Pandas makes floats of integers beside nulls; whole ones fit, and so do float32's own values."""
    frame = pd.DataFrame([_row(3, "2020-02-03", 4), _row(3, "2020-02-04", None)])
    assert frame["cents"].dtype == "float64"
    _append(store, "duckdb", pa.Table.from_pandas(frame))
    assert _ask(store, "duckdb", [3], "2020-02-10") == [(None, "new", 2, 4)]


@pytest.mark.parametrize("source", SOURCES)
def test_null_keys_are_kept_and_match_nothing(store: Any, source: str) -> None:
    """A row about nobody is recorded, and changes nobody's features (rule 13)."""
    _append(store, source, [_row(None, "2020-02-03", 9)])
    assert _ask(store, source, [1, 2], "2020-02-10") == [(5, "old", 1, 5), (7, "old", 1, 7)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("parquet", "single file.*declare that: FileSource.path='<folder>'"),
        ("csv", "single file.*folder of Parquet parts"),
        ("query", r"is a query.*DuckDBSource\(name=..., table=...\)"),
        ("sql_query", r"is a query.*SQLSource\(name=..., table=...\)"),
    ],
)
def test_what_would_be_rewritten_is_refused(store: Any, project: Project, source: str, message: str) -> None:
    """Single files and queries are refused, naming what to declare; the file stays as it was."""
    before = (project.root / "data" / "rows.parquet").read_bytes()
    with pytest.raises(UsageError, match=message):
        _append(store, source, [_row(1, "2020-02-03")])
    assert (project.root / "data" / "rows.parquet").read_bytes() == before


def test_rows_find_their_hive_partitions(store: Any, project: Project) -> None:
    """Each row goes to the folder of its value, known or new, escaped or null; old parts stay."""
    words = ["old", "a/b=c", None, "old"]
    _append(store, "hive", [_row(3, f"2020-02-0{day + 3}", day, word) for day, word in enumerate(words)])
    folder = project.root / "data" / "hive"
    found = sorted(str(path.parent.relative_to(folder)) for path in folder.rglob("*.parquet"))
    assert found == ["word=__HIVE_DEFAULT_PARTITION__", "word=a%2Fb%3Dc", "word=old", "word=old"]
    assert [_ask(store, "hive", [3], f"2020-02-0{day + 3}")[0][1] for day in range(4)] == words
    assert _ask(store, "hive", [3], "2020-02-10") == [(3, "old", 4, 6)]


@pytest.mark.parametrize("database", ["duckdb", "sql"])
def test_a_row_that_the_table_refuses_takes_all_back(
    store: Any, project: Project, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    """A constraint broken by the last row of the last batch leaves nothing of the others."""
    monkeypatch.setattr("storekeeper.sources.sql_writer._BATCH_ROWS", 2)
    with duckdb.connect(str(project.root / "data" / "behaviour.duckdb")) as connection:
        connection.execute("ALTER TABLE rows RENAME TO before")
        connection.execute(
            'CREATE TABLE rows (user_id BIGINT, "at" TIMESTAMPTZ, known TIMESTAMPTZ, '
            "cents INTEGER CHECK (cents <> 13), share FLOAT, word TEXT)"
        )
        connection.execute("INSERT INTO rows FROM before")
    rows = [_row(1, f"2020-02-0{day}", day) for day in range(2, 7)] + [_row(1, "2020-02-07", 13)]
    with pytest.raises(DataError, match=r"(?s)refuses a row.*CHECK.*Nothing was written"):
        _append(store, database, rows)
    assert _ask(store, database, [1], "2020-02-10") == [(5, "old", 1, 5)]
    _append(store, database, rows[:-1])
    assert _ask(store, database, [1], "2020-02-10") == [(6, "new", 6, 25)]


def test_a_disk_that_fills_takes_all_back(store: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second of two parts can't be written, the first isn't there either."""
    before = _contents(project.root)
    write = pq.write_table

    def fails_later(table: pa.Table, where: Path) -> None:
        write(table, where)
        if "word=b" in str(where):
            raise OSError("No space left on device")

    monkeypatch.setattr(pq, "write_table", fails_later)
    with pytest.raises(SourceError, match=r"No space left on device\. Nothing was appended"):
        _append(store, "hive", [_row(1, "2020-02-03", 1, "a"), _row(1, "2020-02-04", 1, "b")])
    assert _contents(project.root) == before


KILLED = """
import os, sys
import pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from storekeeper.sources.parts import append_parts

write = pq.write_table
def killed(table, where):
    write(table, where)
    if "b=2" in str(where):
        os._exit(9)
pq.write_table = killed
append_parts(Path(sys.argv[1]), pa.table({"x": [1, 2], "b": [1, 2]}), ["b"])
"""


@pytest.mark.slow
def test_a_killed_process_leaves_no_part(store: Any, project: Project) -> None:
    """What was written before the kill isn't read, and the next append goes through."""
    folder = project.root / "data" / "killed"
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert done.returncode == 9
    assert [path for path in folder.rglob("*") if path.is_file()]
    assert not list(folder.rglob("*.parquet"))
    append_parts(folder, pa.table({"x": [3], "b": [2]}), ["b"])
    assert [pq.read_table(path, partitioning=None).to_pylist() for path in folder.rglob("*.parquet")] == [[{"x": 3}]]


def test_a_database_that_another_process_holds(store: Any, project: Project) -> None:
    """DuckDB lets one process write: whether the other one reads or writes, the error says so."""
    database = str(project.root / "data" / "behaviour.duckdb")
    for read_only in (True, False):
        code = f"import duckdb; c = duckdb.connect({database!r}, read_only={read_only}); print(1, flush=True); input()"
        holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        try:
            holder.stdout.readline()
            with pytest.raises(SourceError, match=r"lock.*(one process write|another process)"):
                _append(store, "duckdb", [_row(1, "2020-02-03")])
        finally:
            holder.communicate(b"\n")
    _append(store, "duckdb", [_row(1, "2020-02-03", 2)])
    assert _ask(store, "duckdb", [1], "2020-02-10") == [(2, "new", 2, 7)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("client", ["ours", "feast"])
def test_a_push_into_history_appends_once(store: Any, project: Project, source: str, client: str) -> None:
    """Two views share the push source's history, and an event pushed once is one event; any pandas index will do."""
    frame = pd.DataFrame([_row(2, "2020-02-03"), _row(1, "2020-02-03", 2), _row(1, "2020-02-04", 3)])
    if source == "mapped":
        frame.columns = pd.Index(["u", "t", "k", "c", "p", "w"])
    opened = store if client == "ours" else feast.FeatureStore(str(project.repo))
    opened.push(f"{source}_push", frame.iloc[1:].rename_axis("row"), to=PushMode.OFFLINE)
    assert _ask(store, source, [1, 2], "2020-02-10") == [(3, "new", 3, 10), (7, "old", 1, 7)]


def test_an_asynchronous_push_appends_once(store: Any) -> None:
    """As a feature server pushes."""
    asyncio.run(store.push_async("duckdb_push", pd.DataFrame([_row(1, "2020-02-03", 2)]), to=PushMode.OFFLINE))
    assert _ask(store, "duckdb", [1], "2020-02-10") == [(2, "new", 2, 7)]


def test_a_push_to_both_appends_only_what_was_written_online(project: Project) -> None:
    """A row that is rejected goes nowhere; pushed again when its time has come, it is there once."""
    project.declare(ONE_VIEW)
    store = project.apply()
    early, fine = (pd.DataFrame([_row(1, moment, 2)]) for moment in ("2020-05-01", "2020-02-03"))
    report = store.push("one_push", early, to=PushMode.ONLINE_AND_OFFLINE)
    assert (report.accepted, "clock" in report.rejected[0].reason) == (0, True)
    store.push("one_push", fine, to=PushMode.ONLINE_AND_OFFLINE)
    found = store.get_online_features(features=["one:word", "one:cents"], entity_rows=[{"user_id": 1}]).to_dict()
    assert (found["word"], found["cents"]) == (["new"], [2])
    spine = pd.DataFrame({"user_id": [1], "event_timestamp": [at("2020-06-01")]})
    history = store.get_historical_features(entity_df=spine, features=["one:cents"]).to_df()
    assert history["cents"].tolist() == [2]


def test_a_push_without_knowledge_time_is_known_now(store: Any) -> None:
    """Feast would refuse the rows; here the clock's now is when they became known."""
    frame = pd.DataFrame([_row(1, "2020-02-03", 2)]).drop(columns="known")
    store.push("duckdb_push", frame, to=PushMode.OFFLINE)
    store.write_to_offline_store("sql_latest", frame)
    for source in ("duckdb", "sql"):
        assert _ask(store, source, [1], "2020-02-29", filter_by_created_timestamp=True) == [(5, "old", 1, 5)]
        assert _ask(store, source, [1], "2020-03-01", filter_by_created_timestamp=True) == [(2, "new", 2, 7)]


def test_what_was_appended_is_materialised(store: Any) -> None:
    """The next full materialisation serves it: it says that it was known before the last one, which didn't see it."""
    views = ["duckdb_latest", "duckdb_windows"]
    store.materialize(at("2020-02-01"), NOW, feature_views=views)
    _append(store, "duckdb", [_row(1, "2020-02-01T12:00:00", 2, known=at("2020-02-20"))])
    store.materialize(at("2020-02-01"), NOW, feature_views=views)
    features = ["duckdb_latest:word", "duckdb_windows:n"]
    found = store.get_online_features(features=features, entity_rows=[{"user_id": 1}]).to_dict()
    assert (found["word"], found["n"]) == (["new"], [2])
