"""A PostgreSQL database with the same rows in tables and views, and room for a test's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from projects import Project
from servers.postgres_server import Postgres
from sources.postgres.shop_rows import ROWS

SCHEMA = """
CREATE TABLE rows (
    user_id BIGINT, at TIMESTAMPTZ, known TIMESTAMP, amount DOUBLE PRECISION, word TEXT, flag BOOLEAN
);
CREATE VIEW seen AS SELECT * FROM rows;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM rows;
CREATE SCHEMA "Nested one";
CREATE TABLE "Nested one"."Rows" (LIKE rows);
"""


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    """A database with the same rows in tables and views. Shared: don't change it."""
    made = postgres.make_database("sources")
    with postgres.connect("sources") as connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        for row in ROWS:
            known = row[2] and row[2].replace(tzinfo=None)
            cursor.execute("INSERT INTO rows VALUES (%s, %s, %s, %s, %s, %s)", (*row[:2], known, *row[3:]))
        cursor.execute('INSERT INTO "Nested one"."Rows" SELECT * FROM rows; REFRESH MATERIALIZED VIEW kept')
    return made


@pytest.fixture
def config(project: Project, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SHOP_URL", url)
    return project.open().config


@pytest.fixture
def execute(postgres: Postgres, url: str) -> Iterator[Callable[[str], None]]:
    """Runs statements in the database; the tables `own` and `other` are dropped in the end."""
    with postgres.connect("sources") as connection:
        yield connection.execute
        connection.execute("DROP TABLE IF EXISTS own, other CASCADE")
