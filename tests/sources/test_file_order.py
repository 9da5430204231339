"""Files are read in one order, and what is appended comes last in it (rule 4)."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FileSource
from feast.repo_config import load_repo_config
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import Project
from storekeeper.sources import ReadRequest, read_source
from storekeeper.sources.parts import append_parts, partition_keys

NAMES = st.text("ab01-._~ ä[*?", min_size=1, max_size=4).filter(lambda name: name.strip(".~ "))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join([*parts[:-1], f"{parts[-1]}.parquet"]))
APPENDED = ["~000000001-0badcafe", "~000000007-0badcafe"]
PLACED = st.one_of(
    PATHS, st.builds(lambda path, end: path.replace(".parquet", f"{end}.parquet"), PATHS, st.sampled_from(APPENDED))
)


def _project(root: Path) -> Project:
    project = Project(root)
    project.configure()
    return project


def _read(project: Project, path: str = "data/log", columns: tuple[str, ...] = ("n",)) -> list[Any]:
    config = load_repo_config(project.repo, Path(project.repo / "feature_store.yaml"))
    source = FileSource(name="s", path=path, timestamp_field="at")
    return read_source(source, config, ReadRequest(columns))["n"].to_pylist()


def _write(folder: Path, path: str, number: Any) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": [number]}), folder / path)


@settings(deadline=None, max_examples=40)
@given(st.lists(PLACED, min_size=1, max_size=6, unique=True), st.integers(1, 3))
def test_appended_rows_are_the_last_whatever_the_names(paths: list[str], appends: int) -> None:
    """In a folder of any nested names the rows of each append follow all that were there, for every reader of ours."""
    with tempfile.TemporaryDirectory() as root:
        project = _project(Path(root))
        folder = project.root / "data/log"
        for number, path in enumerate(paths):
            # A file's name may be another's folder.
            if not any(parent.is_file() for parent in (folder / path).parents) and not (folder / path).is_dir():
                _write(folder, path, number)
        before = _read(project)
        for number in range(appends):
            append_parts(folder, pa.table({"n": [100 + number]}), ())
            assert _read(project) == [*before, *range(100, 101 + number)]


@pytest.mark.parametrize("names", [["z", "a/1"], ["part", "part-0"], ["b/1", "b", "a"], ["part-10", "part-9"]])
def test_appended_parts_also_sort_last_by_their_paths(names: list[str], project: Project) -> None:
    """Who knows paths alone reads appended rows last too."""
    folder = project.root / "data/log"
    for number, name in enumerate(names):
        _write(folder, f"{name}.parquet", number)
    for number in (7, 8):
        append_parts(folder, pa.table({"n": [number]}), ())
    paths = sorted(folder.rglob("*.parquet"), key=lambda path: path.parts)
    assert [pq.read_table(path, partitioning=None)["n"][0].as_py() for path in paths][-2:] == [7, 8]
    assert _read(project)[-2:] == [7, 8]


def test_a_correction_in_another_partition_comes_last(project: Project) -> None:
    """Where folders name values, rows appended to the first of them follow those of the last."""
    folder = project.root / "data/log"
    for number, name in enumerate(["k=a/part-0", "k=b/part-0"]):
        _write(folder, f"{name}.parquet", number)
    for number, key in ((7, "b"), (8, "a"), (9, "c"), (10, "a")):
        append_parts(folder, pa.table({"n": [number], "k": [key]}), partition_keys(folder))
    assert _read(project) == [0, 1, 7, 8, 9, 10]


def test_files_without_appends_come_by_their_paths(project: Project) -> None:
    """Folder by folder, as paths compare part by part."""
    folder = project.root / "data/log"
    for number, name in enumerate(["a/b", "a-b", "a", "b/2", "b/10"]):
        _write(folder, f"{name}.parquet", number)
    assert _read(project) == [0, 1, 2, 4, 3]
