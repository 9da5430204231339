"""Where a project keeps its online state: each backend, on a real server where it has one, with nothing in it yet."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import yaml

from projects import Project

Keep = Callable[[pytest.FixtureRequest, Project], None]
_DATABASES = count()


def keep_state(request: pytest.FixtureRequest, project: Project, backend: str) -> None:
    """Have the project's online state kept in a backend, by its name in `PLACES`, as long as the test runs."""
    PLACES[backend](request, project)


def _in_sqlite(request: pytest.FixtureRequest, project: Project) -> None:
    _configure(project, backend="sqlite")


def _in_redis(request: pytest.FixtureRequest, project: Project) -> None:
    server = request.getfixturevalue("redis_server")
    server.tell("FLUSHALL")
    request.getfixturevalue("monkeypatch").setenv("STOREKEEPER_REDIS_URL", server.url())
    _configure(project, backend="redis")


def _in_postgres(request: pytest.FixtureRequest, project: Project) -> None:
    url = request.getfixturevalue("postgres").make_database(f"state_{next(_DATABASES)}")
    request.getfixturevalue("monkeypatch").setenv("STOREKEEPER_POSTGRES_URL", url)
    _configure(project, backend="postgres")


PLACES: dict[str, Keep] = {"sqlite": _in_sqlite, "redis": _in_redis, "postgres": _in_postgres}


def _configure(project: Project, **settings: Any) -> None:
    """Change the `online_store` block of feature_store.yaml."""
    file = project.repo / "feature_store.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["online_store"] |= settings
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
