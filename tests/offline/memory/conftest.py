"""A project over every kind of source, and retrievals that hold a few events at once."""

from pathlib import Path
from typing import Any

import pytest

from offline.memory.every_source import DECLARED, fill, random_log
from projects import Project
from storekeeper.offline import retrieve
from storekeeper.offline.memory import MemoryBudget
from storekeeper.sources import duckdb_relation, sql_reader


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project with the same log in every kind of source. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("memory"))
    made.configure()
    fill(made, random_log())
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
