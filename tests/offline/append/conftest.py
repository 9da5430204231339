"""Projects whose every kind of source takes appended rows."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from offline.append.every_history import OLD, VIEWS
from projects import Project


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
