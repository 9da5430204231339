"""The project whose log training rows are asked of."""

from typing import Any

import pytest

from offline.retrieval.retrieved_log import fill
from projects import Project


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One applied project for the whole file. Shared: don't change it."""
    made = Project(tmp_path_factory.mktemp("retrieval"))
    made.configure()
    fill(made)
    return made


@pytest.fixture(scope="module")
def store(shared: Project) -> Any:
    return shared.open()
