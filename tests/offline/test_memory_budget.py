"""What a memory limit means, and the folder for what goes beyond it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storekeeper.errors import SettingError
from storekeeper.offline.memory import MemoryBudget, memory_budget, parse_bytes

# Enters a scratch folder, says where, and waits to be told to leave it, or to be killed.
_HOLD = """
import sys
from pathlib import Path
from storekeeper.offline.memory import MemoryBudget
with MemoryBudget(1, 1, Path(sys.argv[1])).scratch() as made:
    (made / "00.arrow").write_bytes(b"much")
    print(made, flush=True)
    sys.stdin.read()
"""


@contextmanager
def _holder(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    command = [sys.executable, "-c", _HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    """A live process's folder stays; once it is killed, the next retrieval removes it, and nothing else."""
    budget = MemoryBudget(1, 1, tmp_path / "spill")
    with _holder(budget.folder) as (process, held):
        strangers = [budget.folder / name for name in ("notes", "my-notes", "²-x", "-1-x")]
        for stranger in strangers:
            stranger.mkdir()
        with budget.scratch() as made:
            assert {held, made, *strangers} == set(budget.folder.iterdir())
        assert (held / "00.arrow").is_file()
        process.kill()
        process.wait()
        assert held.is_dir()
        with budget.scratch() as made:
            assert {made, *strangers} == set(budget.folder.iterdir())
    assert set(strangers) == set(budget.folder.iterdir())


def test_a_process_that_ends_clears_its_own(tmp_path: Path) -> None:
    """A process whose work was done leaves nothing."""
    with _holder(tmp_path / "spill") as (process, held):
        process.communicate("done")
        assert (process.returncode, held.exists()) == (0, False)


def test_folders_are_each_ones_own(tmp_path: Path) -> None:
    """Two retrievals of one process don't meet, and a number that no process can have is nobody's."""
    budget = MemoryBudget(1, 1, tmp_path / "spill")
    (budget.folder / f"{10**30}-x").mkdir(parents=True)
    with budget.scratch() as first, budget.scratch() as second:
        assert first != second
        assert {first, second} == set(budget.folder.iterdir())
    assert list(budget.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8GB", 8 * 10**9), ("8 gb", 8 * 10**9), ("1.5GiB", 3 * 2**29), (" 512MiB ", 2**29), ("500m", 5 * 10**8),
        ("1000", 1000), ("10b", 10), ("0", 0), ("2TB", 2 * 10**12), ("1kib", 1024), ("0.5K", 500),
        ("999999999TB", 2**60), ("9" * 400, 2**60),
    ],
)  # fmt: skip
def test_amounts_of_memory(text: str, amount: int) -> None:
    """Amounts are read as people write them; those that no machine has are the most there can be."""
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", " ", "much", "-1GB", "1e9", "8 G B", "8GBB", "GB", "1,5GB", "50%", "inf", "8EB"])
def test_other_texts_are_refused(text: str) -> None:
    """Anything else is an error that names the setting, the text and the variable."""
    with pytest.raises(SettingError, match=rf"memory_limit.*'8GB'.*'{re.escape(text)}'.*STOREKEEPER_MEMORY_LIMIT"):
        parse_bytes(text)


def test_the_variable_goes_before_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's limit counts, then the setting; neither is half of the machine, and little is the least."""
    default = memory_budget(None, tmp_path)
    large = memory_budget("100GB", tmp_path)
    assert large.events_bytes > default.events_bytes >= memory_budget("1MB", tmp_path).events_bytes == 32_000_000
    assert large.database_bytes == 25 * 10**9
    assert large.folder == tmp_path / "data" / "spill"
    monkeypatch.setenv("STOREKEEPER_MEMORY_LIMIT", "4GB")
    assert memory_budget("100GB", tmp_path).database_bytes == 10**9
    monkeypatch.setenv("STOREKEEPER_MEMORY_LIMIT", "")
    assert memory_budget("100GB", tmp_path) == large
