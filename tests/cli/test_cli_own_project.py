"""A project of one's own, into which no shop is loaded."""

import sqlite3
from datetime import datetime
from typing import Any

import pytest

from projects import Project
from storekeeper.ledger import Ledger
from storekeeper.settings import Settings

_DECLARATIONS = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
level = FeatureView(name="level", entities=[user], source=log, schema=[Field(name="amount", dtype=Int64)])
"""


@pytest.fixture
def own(project: Project) -> Project:
    """A project with a log and a view over it; its database is not there yet."""
    project.add_duckdb("log", [{"user_id": 1, "at": datetime(2020, 2, 1), "amount": 3}])  # noqa: DTZ001  (naive is UTC)
    project.declare(_DECLARATIONS)
    return project


def test_apply_makes_the_ledger_of_a_new_project(own: Project, run: Any) -> None:
    """Where there is no database, `apply` makes it with the ledger's tables, and `materialize` writes to them."""
    run(own.root, "apply").done()
    run(own.root, "materialize").done()
    found = Ledger(Settings.load(own.root).database_url).find_materialisation("level")
    assert found is not None


def test_a_refused_repo_leaves_no_database(own: Project, run: Any) -> None:
    """Nothing is written where a check fails."""
    own.declare(_DECLARATIONS.replace("amount", "nowhere"))
    assert run(own.root, "apply").code == 2
    assert not (own.root / "data" / "shop.db").exists()


def test_apply_leaves_a_database_alone_that_is_there(own: Project, run: Any) -> None:
    """A database of one's own gets no tables that its owner didn't ask for."""
    own.add_sqlite("CREATE TABLE customers (name TEXT);")
    run(own.root, "apply").done()
    connection = sqlite3.connect(own.root / "data" / "shop.db")
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    assert tables == [("customers",)]


def test_a_task_of_ones_own_without_training_set_is_told_how_it_is_built(own: Project, run: Any) -> None:
    """The advice names the file, as commands must: no built-in task has the name of one's own."""
    task = "from dataclasses import replace\nfrom storekeeper_training.tasks import CHURN\n"
    (own.root / "mine.py").write_text(f"{task}MINE = replace(CHURN, name='mine')\n", encoding="utf-8")
    run(own.root, "apply").done()
    assert "storekeeper dataset build FILE.py:NAME" in run(own.root, "lint", "mine.py:MINE").err
    assert "storekeeper dataset build churn" in run(own.root, "lint", "churn").err
