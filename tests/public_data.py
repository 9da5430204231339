"""Public data sets for tests: the folder that STOREKEEPER_DATASETS names, or a skip that says which set is missing."""

from pathlib import Path

import pytest

from storekeeper.errors import NotFoundError, SettingError
from storekeeper_training.benchmark import find_public_data


def public_data(name: str, *files: str) -> Path:
    """The set's folder; the test is skipped by name where it isn't there."""
    try:
        return find_public_data(name, files)
    except (NotFoundError, SettingError) as error:
        pytest.skip(f"data set '{name}': {error}")
