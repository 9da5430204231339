"""A build that is stopped at any moment, gently or not, leaves no half-written training set."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storekeeper.ledger import Ledger
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore
from storekeeper_training.build import build_dataset
from storekeeper_training.dataset import read_dataset
from storekeeper_training.tasks import PURCHASE

pytestmark = pytest.mark.slow

# Builds through the command line; at a chosen moment it says so and waits for its end.
PROGRAM = """
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq

# Whoever runs the tests in a shell's background has Ctrl-C ignored, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)
moment, *options = sys.argv[1:]
write_table, rename = pq.write_table, Path.rename


def wait():
    print("now", flush=True)
    sys.stdin.read()


def write_half(table, path):
    write_table(table.slice(0, table.num_rows // 2), path)
    wait()


def rename_others(path, target):
    if path.name.endswith(".partial"):
        wait()
    return rename(path, target)


if moment == "writing":
    pq.write_table = write_half
else:
    Path.rename = rename_others
from storekeeper.cli import main

sys.argv = ["storekeeper", "dataset", "build", "purchase", *options]
main()
"""


@pytest.fixture
def settings(applied_home: Path, tmp_path: Path) -> Settings:
    """A shop with applied features; the test's own."""
    shutil.copytree(applied_home, tmp_path / "shop")
    return Settings.load(tmp_path / "shop", {})


def stop_build(settings: Settings, moment: str, by: signal.Signals, *options: str) -> int:
    """Build in another process and stop it at a moment; returns how it ended."""
    environment = os.environ | {"STOREKEEPER_HOME": str(settings.home), "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, moment, *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.endswith("now\n"):
                process.send_signal(by)
                break
        else:
            raise AssertionError(f"It never came to that: {said}")
        process.communicate()
    return process.returncode


def names(settings: Settings) -> list[str]:
    """What lies where training sets do."""
    return sorted(path.name for path in (settings.datasets_dir / "purchase").iterdir())


def build_whole(settings: Settings) -> str:
    """Build to the end, and read what was built; returns the folder's name."""
    built = build_dataset(PURCHASE, settings, FeatureStore(settings.feature_repo))
    assert read_dataset(PURCHASE, built.folder).table.num_rows == built.manifest["rows"]
    return built.folder.name


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_killed(settings: Settings, moment: str) -> None:
    """Killed, it leaves nothing under the final name nor in the ledger; the next build removes what lies about."""
    assert stop_build(settings, moment, signal.SIGKILL) == -signal.SIGKILL
    (left,) = names(settings)
    assert left.endswith(".partial")
    assert Ledger(settings.database_url).list_datasets() == []
    assert names(settings) != [final := build_whole(settings)]
    assert names(settings) == [final]


def test_interrupted(settings: Settings) -> None:
    """Ctrl-C ends with code 130 and leaves nothing at all."""
    assert stop_build(settings, "writing", signal.SIGINT) == 130
    assert names(settings) == []


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_killed_where_a_set_lies_already(settings: Settings, moment: str) -> None:
    """Built anew and killed, the old set is there whole, or none is; the next build has a whole one."""
    final = build_whole(settings)
    assert stop_build(settings, moment, signal.SIGKILL, "--force") == -signal.SIGKILL
    if moment == "writing":
        assert read_dataset(PURCHASE, settings.datasets_dir / "purchase" / final)
    else:
        assert final not in names(settings)
    assert build_whole(settings) == final
    build_dataset(PURCHASE, settings, FeatureStore(settings.feature_repo), force=True)
    assert names(settings) == [final]


def test_a_living_writer_is_left_alone(settings: Settings) -> None:
    """What another process is writing stays; so do folders that no writer made."""
    home = settings.datasets_dir / "purchase"
    kept = [f".{'a' * 16}.{os.getppid()}.partial", ".mine", "notes"]
    for name in kept:
        (home / name).mkdir(parents=True)
    assert names(settings) == sorted([*kept])
    final = build_whole(settings)
    assert names(settings) == sorted([*kept, final])
