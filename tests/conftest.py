"""Fixtures that all tests share: small projects, and a synthetic shop over the project's own feature repo."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from command_line import make_ready, run_here
from projects import Project
from servers.postgres_server import Postgres, serve_postgres
from servers.redis_server import Redis, serve_redis
from synthetic_shop import fill_shop


@event.listens_for(Engine, "connect")
def _never_wait_for_the_disk(connection: Any, _: object) -> None:
    """SQLite's waits for the disk, which no test is about, would be most of the tests' time."""
    if type(connection).__module__ == "sqlite3":
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True)
def _no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the caller's shell don't reach the tests."""
    kept = ("STOREKEEPER_SHOPS", "STOREKEEPER_DATASETS")
    for name in [name for name in os.environ if name.startswith("STOREKEEPER_") and name not in kept]:
        monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project whose clock stands at `NOW`."""
    made = Project(tmp_path)
    made.configure()
    return made


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[str], Project]:
    """Several projects, each in a folder of the given name."""

    def make(name: str) -> Project:
        made = Project(tmp_path / name)
        made.configure()
        return made

    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test process. Shared: make a database of your own in it."""
    yield from serve_postgres()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server of this test process. Shared: what is in it may be gone by the next test."""
    yield from serve_redis()


@pytest.fixture(scope="session")
def redis_with_tls() -> Iterator[Redis]:
    """The same that speaks TLS alone."""
    yield from serve_redis(tls=True)


@pytest.fixture(scope="session")
def redis_in_cluster() -> Iterator[Redis]:
    """The same as a cluster's only node."""
    yield from serve_redis(cluster=True)


@pytest.fixture(scope="session")
def shop_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project's own feature repo over a small synthetic shop, applied. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("shop"))
    fill_shop(made)
    return made


@pytest.fixture
def own_shop_project(shop_project: Project, tmp_path: Path) -> Project:
    """A copy of `shop_project` that a test may change."""
    shutil.copytree(shop_project.root, tmp_path / "shop")
    return Project(tmp_path / "shop")


@pytest.fixture(scope="session")
def applied_home(shop_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the synthetic shop, with its features applied. Shared: take a copy to change it."""
    home = tmp_path_factory.mktemp("applied") / "shop"
    shutil.copytree(shop_project.root, home)
    with pytest.MonkeyPatch.context() as patch:
        assert run_here(home, ["apply"], patch) == 0
    return home


@pytest.fixture(scope="session")
def ready_home(applied_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a training set, three quick models and online state. Shared: take a copy to change it."""
    home = tmp_path_factory.mktemp("ready") / "shop"
    shutil.copytree(applied_home, home)
    make_ready(home)
    return home
