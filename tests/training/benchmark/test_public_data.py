"""Public data sets are found by setting, or named with their origin."""

from pathlib import Path

import pytest

from storekeeper.errors import NotFoundError, SettingError
from storekeeper_training.benchmark import find_public_data


def test_a_set_that_is_there_is_found(tmp_path: Path) -> None:
    """The variable leads to the folder of sets, each in a folder of its name."""
    (tmp_path / "cdnow").mkdir()
    (tmp_path / "cdnow" / "master.parquet").touch()
    found = find_public_data("cdnow", ("master.parquet",), {"STOREKEEPER_DATASETS": str(tmp_path)})
    assert found == tmp_path / "cdnow"


def test_a_missing_file_is_named_with_the_origin_of_the_set(tmp_path: Path) -> None:
    """The message says what lacks and where the public original is."""
    with pytest.raises(NotFoundError, match=r"lacks 'master.parquet'.*lifetimes"):
        find_public_data("cdnow", ("master.parquet",), {"STOREKEEPER_DATASETS": str(tmp_path)})


def test_an_unset_variable_is_named() -> None:
    """Without the setting the message names it, and the set's origin."""
    with pytest.raises(SettingError, match=r"STOREKEEPER_DATASETS is not set.*UCI"):
        find_public_data("online_retail", ("online_retail_2010_2011.parquet",), {})
