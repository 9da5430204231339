"""The pytest plug-in: a fixture with the feature repo at hand."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from storekeeper.testing.repo import FeatureRepo


@pytest.fixture(scope="session")
def feature_repo_path(pytestconfig: pytest.Config) -> Path:
    """The feature repo under test: the one of the project that pytest runs in. Define it anew to test another."""
    from storekeeper.settings import REPO_FOLDER, find_home

    return find_home(pytestconfig.rootpath, env={}) / REPO_FOLDER


@pytest.fixture(scope="session")
def feature_repo(feature_repo_path: Path) -> "FeatureRepo":
    """Its declarations, loaded once, ready for examples: see `storekeeper.testing.FeatureRepo`."""
    from storekeeper.testing.repo import FeatureRepo

    return FeatureRepo.load(feature_repo_path)
