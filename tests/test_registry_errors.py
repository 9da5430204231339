"""A registry that can't be used is one clear error, whenever it is met."""

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from command_line import run_here
from projects import Project
from storekeeper.errors import SourceError

VIEW = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
"""


def test_a_broken_file(project: Project) -> None:
    """A registry file that is none is a source error that says what to do."""
    project.registry.write_bytes(b"no database " * 400)
    with pytest.raises(SourceError, match=r"registry sqlite:///.*registry\.db can't be used.*storekeeper apply"):
        project.open().list_feature_views()


def test_a_registry_that_breaks_later(project: Project) -> None:
    """So is one that loses its tables while it is open."""
    store = project.apply(VIEW)
    with store.registry.write_engine.begin() as connection:
        connection.execute(text("DROP TABLE feature_views"))
    with pytest.raises(SourceError, match="no such table: feature_views"):
        store.registry.list_feature_views(store.project)


def test_the_password_is_not_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database's own words about its URL are shown without the password."""
    config = project.repo / "feature_store.yaml"
    url = "postgresql+psycopg://anna:geheim@db/shop"
    config.write_text(config.read_text(encoding="utf-8").replace("sqlite:///data/registry.db?plugin=storekeeper", url))

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception("no geheim for anna"))

    monkeypatch.setattr("feast.infra.registry.sql.create_engine", refuse)
    with pytest.raises(SourceError) as caught:
        _ = project.open().registry
    assert "postgresql+psycopg://anna:***@db/shop can't be used: no *** for anna" in str(caught.value)


@pytest.mark.parametrize("command", [["apply"], ["materialize"], ["audit"]])
def test_commands_end_in_one_message(
    project: Project, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands exit with 2 and say it on stderr, without a traceback."""
    project.declare(VIEW)
    project.registry.write_bytes(b"no database " * 400)
    assert run_here(project.root, command, monkeypatch) == 2
    assert capsys.readouterr().err.startswith("Error: The registry sqlite:///")


def test_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A database's error from anywhere else is one message, too."""
    from storekeeper.cli import main

    def fail() -> None:
        raise OperationalError("SELECT secret", {}, Exception("can't reach postgresql://anna:geheim@db/shop"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["storekeeper.cli.main"], "build_app", lambda: fail)
    monkeypatch.setattr(sys, "argv", ["storekeeper"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:  # main changes how warnings are shown
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "Error: A database can't be used: can't reach postgresql://***@db/shop\n"
