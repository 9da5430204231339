"""Rows that are read again by their addresses are the same rows, or there is an error."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FileSource

from projects import Project, at
from storekeeper.errors import SourceError
from storekeeper.sources import DuckDBSource, OpenSource, OpenSources, ReadRequest
from storekeeper.sources.relation import ADDRESS
from storekeeper.sources.writing import append_to_source

ROWS = 30_000
START = at("2020-02-01")


def _rows(count: int = ROWS) -> pa.Table:
    """Rows in no order of key or time, with a number by which each is known."""
    rng = np.random.default_rng(3)
    seconds = pa.array(rng.integers(0, 30 * 86_400, count) * 1_000_000 + int(START.timestamp()) * 1_000_000)
    return pa.table(
        {
            "user_id": pa.array(rng.integers(0, 50, count), mask=rng.random(count) < 0.05),
            "at": seconds.cast(pa.timestamp("us", "UTC")),
            "n": np.arange(count),
            "word": pa.array([f"w{number % 77}" for number in range(count)]),
        }
    )


def _duckdb(**options: Any) -> DuckDBSource:
    return DuckDBSource(**{"name": "s", "database": "data/behaviour.duckdb", "timestamp_field": "at"} | options)


def _file(path: str, **options: Any) -> FileSource:
    return FileSource(name="s", path=path, timestamp_field="at", **options)


def _fill(project: Project) -> None:
    rows = _rows()
    project.add_duckdb("rows", rows)
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        connection.execute("CREATE VIEW seen AS SELECT * FROM rows")
        connection.execute("CREATE TABLE numbered AS SELECT *, -n AS rowid FROM rows")
        connection.execute("CREATE SCHEMA nested; CREATE TABLE nested.inner_rows AS SELECT * FROM rows")
        connection.execute("CREATE TABLE holes AS SELECT * FROM rows")
        connection.execute("DELETE FROM holes WHERE n % 3 = 1 OR n BETWEEN 5000 AND 9000 OR n < 100")
        connection.execute(
            "INSERT INTO holes SELECT * FROM rows WHERE n < 50; UPDATE holes SET word = 'new' WHERE n = 7"
        )
    pq.write_table(rows, project.root / "data/rows.parquet", row_group_size=2048)
    pq.write_table(rows.append_column("file_row_number", [range(ROWS)]), project.root / "data/numbered.parquet")
    pq.write_table(rows.append_column("FILE_INDEX", [range(ROWS)]), project.root / "data/indexed.parquet")
    project.add_csv("data/rows.csv", rows.slice(0, 500))
    for folder in ("data/parts/b", "data/parts/a", "data/one"):
        (project.root / folder).mkdir(parents=True)
    pq.write_table(rows, project.root / "data/one/only.parquet", row_group_size=3000)
    for place, name in enumerate(["a/z", "b/10", "b/9", "middle"]):
        pq.write_table(rows.slice(place * 7500, 7500), project.root / f"data/parts/{name}.parquet", row_group_size=999)
    pq.write_to_dataset(rows, project.root / "data/hive", partition_cols=["word"])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same rows in every kind of source. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("addresses"))
    made.configure()
    _fill(made)
    return made


@pytest.fixture
def sources(filled: Project) -> Iterator[OpenSources]:
    with OpenSources(filled.open().config) as opened:
        yield opened


ADDRESSED = {
    "table": _duckdb(table="rows"),
    "table in a schema": _duckdb(table="nested.inner_rows"),
    "table with holes": _duckdb(table="holes"),
    "parquet": _file("data/rows.parquet"),
    "folder": _file("data/parts"),
    "folder of one": _file("data/one"),
}
WITHOUT = {
    "view": _duckdb(table="seen"),
    "query": _duckdb(query="SELECT * FROM rows"),
    "table with a column rowid": _duckdb(table="numbered"),
    "parquet with a column file_row_number": _file("data/numbered.parquet"),
    "parquet with a column FILE_INDEX": _file("data/indexed.parquet"),
    "csv": _file("data/rows.csv"),
    "hive": _file("data/hive"),
}
each_addressed = pytest.mark.parametrize("source", ADDRESSED.values(), ids=ADDRESSED.keys())
REQUESTS: dict[str, dict[str, Any]] = {
    "all": {},
    "bounds": {"timestamp": "at", "start": at("2020-02-10"), "end": at("2020-02-12")},
    "keys": {"keys": pa.table({"user_id": pa.array([3, 49, 1000, 0], pa.int16())})},
    "both": {"timestamp": "at", "end": at("2020-02-12"), "keys": pa.table({"user_id": [7, 8]})},
    "nobody": {"keys": pa.table({"user_id": pa.array([], pa.int64())})},
}


def _known(rows: pa.Table) -> dict[int, tuple[Any, ...]]:
    addresses = rows[ADDRESS].to_pylist()
    others = rows.drop_columns([ADDRESS]).to_pylist()
    return {address: tuple(row.values()) for address, row in zip(addresses, others, strict=True)}


@each_addressed
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_rows_are_found_again(source: Any, request_: dict[str, Any], sources: OpenSources) -> None:
    """Whatever part was read, in order of distinct addresses, other columns of these very rows are had by them."""
    opened = sources.open(source)
    assert opened.addressed
    first = opened.read(ReadRequest(("n",), addressed=True, **request_))
    addresses = first[ADDRESS].to_numpy()
    assert np.all(np.diff(addresses) > 0)
    wanted = addresses[:: max(1, len(addresses) // 700)]
    again = opened.read_at(wanted, ("word", "n", "user_id"))
    assert again.column_names == ["word", "n", "user_id", ADDRESS]
    found, read = _known(again), _known(first)
    assert sorted(found) == wanted.tolist()
    users, words = _rows()["user_id"].to_pylist(), _rows()["word"].to_pylist()
    for address, (word, number, user) in found.items():
        assert (number,) == read[address]
        assert user == users[number]
        assert word in {words[number], "new"}


@each_addressed
def test_nothing_is_found_by_no_address(source: Any, sources: OpenSources) -> None:
    """No addresses, no rows, all columns."""
    found = sources.open(source).read_at(np.zeros(0, np.int64), ("word",))
    assert (found.column_names, found.num_rows) == (["word", ADDRESS], 0)


@each_addressed
def test_addressed_sources_know_how_many_rows_they_have(source: Any, sources: OpenSources) -> None:
    """Their number is that of the rows read."""
    opened = sources.open(source)
    assert opened.row_count() == opened.read(ReadRequest(("n",))).num_rows


@pytest.mark.parametrize("source", WITHOUT.values(), ids=WITHOUT.keys())
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_where_addresses_mean_nothing_there_are_none(
    source: Any, request_: dict[str, Any], sources: OpenSources
) -> None:
    """Views, queries, text, partitions, and tables that use the name themselves have none; keys keep their order."""
    opened = sources.open(source)
    assert not opened.addressed
    assert opened.row_count() is None
    columns = ("n", "at", "user_id")
    all_rows = opened.read(ReadRequest(columns)).to_pylist()
    asked = ReadRequest(columns, **request_)
    keys = None if asked.keys is None else set(asked.keys["user_id"].to_pylist())
    low, high = asked.start or START, asked.end or at("2030-01-01")
    expected = [row for row in all_rows if low <= row["at"] <= high and (keys is None or row["user_id"] in keys)]
    assert opened.read(asked).to_pylist() == expected


def test_columns_of_ones_own_are_read_as_such(sources: OpenSources) -> None:
    """A column named `rowid` or `file_row_number` is a column as any."""
    assert sources.open(WITHOUT["table with a column rowid"]).read(ReadRequest(("rowid",)))["rowid"][5].as_py() == -5
    numbered = sources.open(WITHOUT["parquet with a column file_row_number"])
    assert numbered.read(ReadRequest(("file_row_number",), limit=3))["file_row_number"].to_pylist() == [0, 1, 2]


@pytest.mark.parametrize("source", [_duckdb(table="rows"), _file("data/parts"), _duckdb(table="seen")])
def test_mapped_keys_are_pushed_under_their_own_names(source: Any, sources: OpenSources) -> None:
    """Names that are swapped, and names with spaces, quotes and SQL in them, lead to the right columns."""
    mapping = {"user_id": "n", "n": 'the "user" AS n', "word": "user_id"}
    source.field_mapping = mapping
    try:
        names = ('the "user" AS n', "user_id", "n")
        opened = OpenSource(source, sources.open(source).relation)
        keys = pa.table({"n": [4, 5]})
        found = opened.read(ReadRequest(names, keys=keys, addressed=opened.addressed))
        assert found.column_names == [*names, *([ADDRESS] if opened.addressed else [])]
        rows = _rows()
        users = rows["user_id"].to_pylist()
        # Files are read in the order of their names, so the whole source tells the order.
        expected = [n for n in opened.read(ReadRequest(names))[names[0]].to_pylist() if users[n] in (4, 5)]
        assert found[names[0]].to_pylist() == expected
        assert found["user_id"].to_pylist() == rows["word"].take(pa.array(expected)).to_pylist()
        if opened.addressed:
            again = opened.read_at(found[ADDRESS].to_numpy()[:3], names)
            assert sorted(again[names[0]].to_pylist()) == sorted(expected[:3])
    finally:
        source.field_mapping = {}


def test_columns_with_sql_in_their_names(project: Project) -> None:
    """A column may be called as it likes: its name is never read as SQL."""
    names = ["a AS b", 'quo"te', "source", "select", "__place", "rowid AS x", "ä ö"]
    rows = pa.table({name: [place, place + 1] for place, name in enumerate(names)})
    project.add_duckdb("rows", rows)
    project.add_parquet("data/rows.parquet", rows)
    with OpenSources(project.open().config) as sources:
        for source in (_duckdb(table="rows"), _file("data/rows.parquet")):
            for key in names:
                keys = rows.select([key]).slice(1)
                found = sources.open(source).read(ReadRequest(tuple(names), keys=keys, addressed=True))
                assert found.drop_columns([ADDRESS]).to_pylist() == rows.slice(1).to_pylist()
                again = sources.open(source).read_at(found[ADDRESS].to_numpy(), tuple(names))
                assert again.drop_columns([ADDRESS]).to_pylist() == rows.slice(1).to_pylist()


def _shorter(path: Any) -> None:
    pq.write_table(_rows(10), path)


def _other(path: Any) -> None:
    partial = path.with_name("partial")
    pq.write_table(_rows().set_column(2, "n", [np.arange(ROWS)[::-1]]), partial)
    partial.replace(path)


def _touched(path: Any) -> None:
    os.utime(path, ns=(1, 1))


def _gone(path: Any) -> None:
    path.unlink()


def _broken(path: Any) -> None:
    path.write_bytes(b"no parquet")


@pytest.mark.parametrize("change", [_shorter, _other, _touched, _gone, _broken])
@pytest.mark.parametrize("place", ["data/rows.parquet", "data/parts/b.parquet"])
def test_a_file_that_changes_between_two_reads(change: Callable[[Any], None], place: str, project: Project) -> None:
    """Rows of a file that isn't the one that was opened are an error that names source and file, not other rows."""
    (project.root / "data/parts").mkdir()
    for path in ("data/rows.parquet", "data/parts/a.parquet", "data/parts/b.parquet"):
        project.add_parquet(path, _rows())
    source = _file("data/parts" if "parts" in place else place)
    with OpenSources(project.open().config) as sources:
        opened = sources.open(source)
        addresses = opened.read(ReadRequest(("n",), addressed=True))[ADDRESS].to_numpy()
        change(project.root / place)
        name = place.rpartition("/")[2]
        with pytest.raises(SourceError, match=rf"Source 's': The file '.*{name}' changed.*Run it again"):
            opened.read_at(addresses[:5], ("word",))
    with OpenSources(project.open().config) as sources:
        if change in (_other, _touched):
            assert sources.open(source).read(ReadRequest(("n",))).num_rows % ROWS == 0


def test_rows_deleted_between_two_reads(filled: Project) -> None:
    """Addresses that lead nowhere are an error."""
    with OpenSources(filled.open().config) as sources:
        for source in (_duckdb(table="holes"), _file("data/parts"), _file("data/rows.parquet")):
            with pytest.raises(SourceError, match=r"'s'.*changed while it was read: expected 2 rows, found \d"):
                sources.open(source).read_at(np.array([1, 2**50]), ("n",))


@pytest.mark.parametrize("folder", ["data/plain", "data/hive"])
def test_parts_appended_meanwhile_are_the_next_readers(folder: str, project: Project) -> None:
    """What is appended to a folder after it was opened is not seen, and moves no row to another's place."""
    rows = _rows(1000)
    if folder == "data/hive":
        pq.write_to_dataset(rows, project.root / folder, partition_cols=["word"])
    else:
        (project.root / folder).mkdir()
        project.add_parquet(f"{folder}/first.parquet", rows)
    source, config = _file(folder), project.open().config
    with OpenSources(config) as sources:
        opened = sources.open(source)
        before = opened.read(ReadRequest(("n", "word"), addressed=opened.addressed))
        new = rows.set_column(3, "word", [["a new word"] * 1000])
        append_to_source(source, config, pa.concat_tables([new, rows]))
        assert opened.read(ReadRequest(("n", "word"), addressed=opened.addressed)).equals(before)
        if opened.addressed:
            again = opened.read_at(before[ADDRESS].to_numpy(), ("n", "word"))
            assert sorted(again["n"].to_pylist()) == list(range(1000))
    with OpenSources(config) as sources:
        assert sources.open(source).read(ReadRequest(("n",))).num_rows == 3000


def test_partitions_that_are_left_out_do_not_move_others(filled: Project) -> None:
    """A key that is a partition is read from its files only, with the values that stand in them."""
    with OpenSources(filled.open().config) as sources:
        opened = sources.open(WITHOUT["hive"])
        found = opened.read(ReadRequest(("n", "word"), keys=pa.table({"word": ["w76", "w3"]})))
    assert {(row["n"] % 77, row["word"]) for row in found.to_pylist()} == {(76, "w76"), (3, "w3")}
    assert found.num_rows == sum(number % 77 in (3, 76) for number in range(ROWS))


def test_an_append_while_the_source_is_open(project: Project) -> None:
    """One process can't write to a DuckDB file that it is reading: an error says so, and both go on afterwards."""
    project.add_duckdb("rows", _rows(100))
    config, source = project.open().config, _duckdb(table="rows")
    with OpenSources(config) as sources:
        opened = sources.open(source)
        batches = opened.batches(ReadRequest(("n",)))
        next(batches)
        with pytest.raises(SourceError, match=r"'s'.*can't be opened for writing.*Nothing was written"):
            append_to_source(source, config, _rows(5))
        batches.close()
        assert opened.read(ReadRequest(("n",))).num_rows == 100
    append_to_source(source, config, _rows(5))
    with OpenSources(config) as sources:
        assert sources.open(source).row_count() == 105
