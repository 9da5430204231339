"""CSV files give exactly what is written in them, however many there are and wherever a column shows its type."""

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FileSource
from feast.repo_config import load_repo_config
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import Project, at
from storekeeper.errors import DataError, SourceError, UsageError
from storekeeper.sources import OpenSources, ReadRequest, csv_files, read_source, source_schema
from storekeeper.sources.writing import check_appendable

TEXT = "id,at,x\n1,2020-02-01T00:00:00Z,5\n2,2020-02-02T00:00:00Z,\n"
ROWS = [{"id": 1, "at": at("2020-02-01"), "x": 5}, {"id": 2, "at": at("2020-02-02"), "x": None}]


def _write(project: Project, path: str, text: str) -> None:
    place = project.root / "data" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    place.write_bytes(gzip.compress(content) if path.lower().endswith("gz") else content)


def _source(path: str) -> FileSource:
    return FileSource(name="s", path=f"data/{path}", timestamp_field="at")


def _config(project: Project) -> Any:
    return load_repo_config(project.repo, Path(project.repo / "feature_store.yaml"))


def _read(project: Project, path: str, **options: Any) -> pa.Table:
    source, config = _source(path), _config(project)
    columns = tuple(source_schema(source, config).names)
    return read_source(source, config, ReadRequest(columns, **options))


def test_the_last_row_decides_the_type_too(project: Project) -> None:
    """A column of 30,000 integers and one fraction holds fractions; none is rounded."""
    _write(project, "e.csv", "id,x,y\n" + "".join(f"3,{i},{i}\n" for i in range(30_000)) + "1,1.5,word\n")
    table = _read(project, "e.csv")
    assert table.schema.types == [pa.int64(), pa.float64(), pa.string()]
    assert table["x"].to_pylist() == [*map(float, range(30_000)), 1.5]
    assert table["y"].to_pylist() == [*map(str, range(30_000)), "word"]


def test_an_empty_text_is_none_of_the_nulls(project: Project) -> None:
    """A quoted nothing is a text of no letters, or no number; an unquoted one is null; a column of nothing is null."""
    _write(project, "e.csv", 'id,word,n,day,none,blank\n1,"","5","2020-02-29",,""\n2,,"","",,""\n3,x,7,,,""\n')
    table = _read(project, "e.csv")
    assert table.schema.types == [pa.int64(), pa.string(), pa.int64(), pa.date32(), pa.null(), pa.string()]
    assert table.to_pylist() == [
        {"id": 1, "word": "", "n": 5, "day": date(2020, 2, 29), "none": None, "blank": ""},
        {"id": 2, "word": None, "n": None, "day": None, "none": None, "blank": ""},
        {"id": 3, "word": "x", "n": 7, "day": None, "none": None, "blank": ""},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,n\n#1,2\n3,4\n", [{"id": "#1", "n": 2}, {"id": "3", "n": 4}]),
        ("id;n\n1;2,5\n", [{"id": 1, "n": "2,5"}]),
        ("id|n\n1|2\n", [{"id": 1, "n": 2}]),
        ("id,n\r\n1,2\r\n", [{"id": 1, "n": 2}]),
        ("\ufeffid,n\n1,2", [{"id": 1, "n": 2}]),
        ("id,n\n007,2\n8,3\n", [{"id": "007", "n": 2}, {"id": "8", "n": 3}]),
        ('id,n\n1,"a ""b"", c\nd"\n', [{"id": 1, "n": 'a "b", c\nd'}]),
        ('"i\'d",n\nx,true\ny,false\n', [{"i'd": "x", "n": True}, {"i'd": "y", "n": False}]),
        ("id,n\n", []),
        ("id,n\nx,y\nz,w\n", [{"id": "x", "n": "y"}, {"id": "z", "n": "w"}]),
    ],
)
def test_what_is_written_is_read(text: str, expected: list[dict[str, Any]], project: Project) -> None:
    """Nothing is taken for a comment, for a title or for a number that it isn't; the first line names the columns."""
    _write(project, "e.csv", text)
    assert _read(project, "e.csv").to_pylist() == expected


VALUES = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), VALUES), min_size=1, max_size=8))
def test_any_text_and_any_integer_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, Any]]
) -> None:
    """Quoted text is read to the letter, unquoted nothing as null, and integers to the last digit."""
    project = Project(tmp_path_factory.mktemp("csv"))
    project.configure()
    fields = ["" if word is None else '"' + word.replace('"', '""') + '"' for _, word in rows]
    # A text that is a number or a time would be read as that: one letter in front tells it is none.
    lines = [
        f"{number},{field[:1]}{'w' * bool(field)}{field[1:]}" for (number, _), field in zip(rows, fields, strict=True)
    ]
    _write(project, "e.csv", "\n".join(["number,word", *lines, ""]))
    found = [(row["number"], row["word"]) for row in _read(project, "e.csv").to_pylist()]
    assert found == [(number, None if word is None else f"w{word}") for number, word in rows]


@pytest.mark.parametrize("path", ["E.CSV", "e.csv.gz", "E.CSV.GZ", "e.tsv", "e.TSV.gz", "b[1]/e*.csv"])
def test_files_are_known_by_their_endings(path: str, project: Project) -> None:
    """In whatever case, packed or not, and whatever else the name has in it; in a folder too."""
    _write(project, path, TEXT.replace(",", "\t") if ".tsv" in path.lower() else TEXT)
    assert _read(project, path).to_pylist() == ROWS
    _write(project, f"folder/{path}", TEXT.replace(",", "\t") if ".tsv" in path.lower() else TEXT)
    assert _read(project, "folder").to_pylist() == ROWS


def test_a_folder_of_csv_files(project: Project) -> None:
    """Files are read in the order of their paths; a column is of the type that holds the values of all files."""
    _write(project, "log/b.csv", "id,x,y,z,day\n3,1.5,word,,2020-02-01T10:00:00\n")
    _write(project, "log/a/2.csv", f"id,x,y,z,day\n1,{2**53 + 1},7,,2020-02-01\n")
    _write(project, "log/a/10.csv.gz", 'id,x,y,z,day\n0,,,"",\n')
    for path in ("log", "log/**/*.csv*", "log/**"):
        table = _read(project, path)
        types = [pa.int64(), pa.float64(), pa.string(), pa.string(), pa.timestamp("us")]
        assert table.schema.types == types, path
        assert table["id"].to_pylist() == [0, 1, 3]
        assert table["x"].to_pylist() == [None, float(2**53 + 1), 1.5]
        assert table["y"].to_pylist() == [None, "7", "word"]
        assert table["z"].to_pylist() == ["", None, None]
        assert [day and day.isoformat() for day in table["day"].to_pylist()] == [
            None, "2020-02-01T00:00:00", "2020-02-01T10:00:00",
        ]  # fmt: skip
    assert _read(project, "log/a/*.csv")["id"].to_pylist() == [1]


def test_a_partitioned_folder_of_csv_files(project: Project) -> None:
    """What folders name is a column, and rows of keys are found by it."""
    _write(project, "log/place=a/1.csv", TEXT)
    _write(project, "log/place=b/1.csv", TEXT.replace(",5", ",6"))
    for path in ("log", "log/*/*.csv"):
        assert _read(project, path)["place"].to_pylist() == ["a", "a", "b", "b"]
        found = _read(project, path, keys=pa.table({"place": ["b"]})).to_pylist()
        assert found == [ROWS[0] | {"x": 6, "place": "b"}, ROWS[1] | {"place": "b"}]


def test_patterns_of_parquet_files(project: Project) -> None:
    """A pattern is read as Feast's own stores read it: in order, without what doesn't match."""
    folder = project.root / "data/log"
    folder.mkdir()
    for name, number in (("b.parquet", 2), ("a.parquet", 1), ("other.txt", 9), ("[a].parquet", 0)):
        pq.write_table(pa.table({"n": [number]}), folder / name)
    assert _read(project, "log/*.parquet")["n"].to_pylist() == [0, 1, 2]
    assert _read(project, "log/?.parquet")["n"].to_pylist() == [1, 2]
    assert _read(project, "log/[a].parquet")["n"].to_pylist() == [0]
    with pytest.raises(SourceError, match=r"'s': there is no file .*log/x\*\.parquet'.*project root"):
        _read(project, "log/x*.parquet")


def test_parquet_files_that_differ_are_read_as_they_are(project: Project) -> None:
    """A fraction in the second file is no integer because the first has integers, and a new column isn't lost."""
    folder = project.root / "data/log"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1], "word": [7]}), folder / "a.parquet")
    pq.write_table(pa.table({"n": [1.5], "word": ["x"], "new": [True]}), folder / "b.parquet")
    assert _read(project, "log").to_pylist() == [
        {"n": 1.0, "word": "7", "new": None}, {"n": 1.5, "word": "x", "new": True},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "path", "match"),
    [
        ({"log/a.csv": TEXT, "log/b/c.parquet": ""}, "log", r"'s': 'data/log' has CSV files beside.*\*\.parquet"),
        ({"log/a.csv": TEXT, "log/b.parquet": ""}, "log/*", r"'s': 'data/log/\*' has CSV files beside Parquet"),
        ({"log/notes.txt": ""}, "log", r"'s': no file in the folder '.*log' ends in one of \.parquet, \.csv"),
        ({"log/a.csv": TEXT, "log/b.csv": "at,id,x\n"}, "log", r"a\.csv' and '.*b\.csv'.*'at', 'id', 'x'.*same order"),
        ({"log/a.csv": TEXT, "log/b.csv": "id;at;x\n1;2020-01-01;2\n"}, "log", r"separated by ','.*separated by ';'"),
        ({"a.csv": ""}, "a.csv", r"'s'.*[Hh]eader"),
    ],
)  # fmt: skip
def test_files_that_are_no_one_table(files: dict[str, str], path: str, match: str, project: Project) -> None:
    """Mixed kinds, differing columns, and nothing at all are errors that say which files."""
    for name, text in files.items():
        _write(project, name, text)
    with pytest.raises(SourceError, match=match):
        _read(project, path)


def test_integers_beyond_64_bits_name_column_and_row(project: Project) -> None:
    """An integer that int64 can't hold is an error, not a float near it, and no other value is touched."""
    _write(project, "e.csv", f"id,x\n1,5\n2,{2**63}\n")
    assert source_schema(_source("e.csv"), _config(project)).types == [pa.int64(), pa.int64()]
    with pytest.raises(DataError, match=r"'s'.*'x'.*row 1.*9223372036854775808"):
        _read(project, "e.csv")
    assert read_source(_source("e.csv"), _config(project), ReadRequest(("id",)))["id"].to_pylist() == [1, 2]


def test_a_file_is_looked_through_once_while_sources_are_open(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sources over one file share what was found; when it has changed, it is looked through again."""
    seen, look = [], csv_files._columns_of
    monkeypatch.setattr(csv_files, "_columns_of", lambda connection, path: seen.append(path) or look(connection, path))
    _write(project, "e.csv", TEXT)
    other = FileSource(name="other", path="data/e.csv", timestamp_field="at")
    with OpenSources(_config(project)) as sources:
        for source in (_source("e.csv"), other, _source("e.csv")):
            assert sources.open(source).read(ReadRequest(("x",)))["x"].to_pylist() == [5, None]
        assert len(seen) == 1
        _write(project, "e.csv", TEXT.replace(",5", ",5.5"))
        third = FileSource(name="third", path="data/e.csv", timestamp_field="at")
        assert sources.open(third).read(ReadRequest(("x",)))["x"].to_pylist() == [5.5, None]
    assert len(seen) == 2


@pytest.mark.parametrize(("path", "match"), [("log", "folder of CSV files"), ("log/*.csv", "or pattern 'data/log/")])
def test_nothing_is_appended_to_csv_files_or_patterns(path: str, match: str, project: Project) -> None:
    """Parquet parts beside CSV files would make the source unreadable, and a pattern may leave them out."""
    _write(project, "log/a.csv", TEXT)
    with pytest.raises(UsageError, match=match):
        check_appendable(_source(path), _config(project))
