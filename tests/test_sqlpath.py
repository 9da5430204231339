"""The SQLAlchemy plug-in that roots SQLite paths."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from projects import Project


def _touch(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS t (a)"))
    engine.dispose()
    return str(engine.url)


@pytest.mark.parametrize("folder", ["feature_repo", "."])
def test_one_relative_path_is_one_file(project: Project, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root and from the repo, where `feast apply` works, the same file is opened; its folder is made."""
    monkeypatch.chdir(project.root / folder)
    assert _touch("sqlite:///new/registry.db?plugin=storekeeper") == f"sqlite:///{project.root}/new/registry.db"
    assert (project.root / "new" / "registry.db").is_file()
    assert not (project.repo / "new").exists()


def test_absolute_paths_stay(tmp_path: Path) -> None:
    """An absolute path needs no project."""
    assert _touch(f"sqlite:///{tmp_path}/a.db?plugin=storekeeper") == f"sqlite:///{tmp_path}/a.db"


def test_memory_stays() -> None:
    """So does a database in memory."""
    assert _touch("sqlite://?plugin=storekeeper") == "sqlite://"


def test_other_options_stay(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the query goes to the driver."""
    monkeypatch.chdir(project.root)
    shown = _touch("sqlite:///a.db?plugin=storekeeper&timeout=3")
    assert shown == f"sqlite:///{project.root}/a.db?timeout=3"
