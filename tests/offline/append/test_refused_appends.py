"""Rows that can't be appended whole are refused or taken back, and never touch what is there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from offline.append.every_history import SOURCES, append, ask, contents, new_row
from projects import Project, at
from storekeeper.errors import DataError, SourceError, UsageError
from storekeeper.sources.parts import append_parts


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
    rows = pa.Table.from_pylist([new_row(1, "2020-02-03"), new_row(1, "2020-02-04")])
    for name, values in columns.items():
        rows = rows.drop_columns([name] if name in rows.column_names else []).append_column(
            name, pa.array(values) if isinstance(values, list) else values
        )
    before = contents(project.root)
    with pytest.raises(DataError, match=message):
        append(store, source, rows)
    assert contents(project.root) == before
    assert ask(store, source, [1], "2020-02-10") == [(5, "old", 1, 5)]


@pytest.mark.parametrize(
    ("source", "column", "value", "message"),
    [("sql", "cents", 1.5, r"'cents'.*row 0 has 1\.5"), ("mapped", "cents", 2**31, r"'c' of source 'mapped'.*int32")],
)
def test_so_it_is_in_a_database_and_under_mapped_names(
    store: Any, source: str, column: str, value: Any, message: str
) -> None:
    """The message names the column as the source does."""
    with pytest.raises(DataError, match=message):
        append(store, source, [new_row(1, "2020-02-03", **{column: value})])
    assert ask(store, source, [1], "2020-02-10") == [(5, "old", 1, 5)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_missing_column_is_named(store: Any, source: str) -> None:
    """So is one that isn't given: nulls are given, not left out."""
    row = new_row(1, "2020-02-03")
    del row["share"]
    with pytest.raises(DataError, match=r"Missing: '(share|p)'"):
        append(store, source, [row])


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
        append(store, source, [new_row(1, "2020-02-03")])
    assert (project.root / "data" / "rows.parquet").read_bytes() == before


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
    rows = [new_row(1, f"2020-02-0{day}", day) for day in range(2, 7)] + [new_row(1, "2020-02-07", 13)]
    with pytest.raises(DataError, match=r"(?s)refuses a row.*CHECK.*Nothing was written"):
        append(store, database, rows)
    assert ask(store, database, [1], "2020-02-10") == [(5, "old", 1, 5)]
    append(store, database, rows[:-1])
    assert ask(store, database, [1], "2020-02-10") == [(6, "new", 6, 25)]


def test_a_disk_that_fills_takes_all_back(store: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second of two parts can't be written, the first isn't there either."""
    before = contents(project.root)
    write = pq.write_table

    def fails_later(table: pa.Table, where: Path) -> None:
        write(table, where)
        if "word=b" in str(where):
            raise OSError("No space left on device")

    monkeypatch.setattr(pq, "write_table", fails_later)
    with pytest.raises(SourceError, match=r"No space left on device\. Nothing was appended"):
        append(store, "hive", [new_row(1, "2020-02-03", 1, "a"), new_row(1, "2020-02-04", 1, "b")])
    assert contents(project.root) == before


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
                append(store, "duckdb", [new_row(1, "2020-02-03")])
        finally:
            holder.communicate(b"\n")
    append(store, "duckdb", [new_row(1, "2020-02-03", 2)])
    assert ask(store, "duckdb", [1], "2020-02-10") == [(2, "new", 2, 7)]
