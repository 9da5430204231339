"""How much memory a retrieval may use, and where it goes when that isn't enough."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storekeeper.errors import SettingError

MEMORY_VARIABLE = "STOREKEEPER_MEMORY_LIMIT"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)
# What Python, Arrow and DuckDB take by themselves.
_BASE_BYTES = 750_000_000
# Sorting and answering take so many times what the events themselves take.
_WORK_FACTOR = 5
_LEAST_BYTES = 32_000_000
# No machine has more, and DuckDB takes no more.
_MOST_BYTES = 2**60


@dataclass(frozen=True)
class MemoryBudget:
    """How much may be held in memory.

    Attributes
    ----------
    events_bytes
        Of a history at once.
    database_bytes
        By DuckDB itself.
    folder
        Where histories go that don't fit.
    """

    events_bytes: int
    database_bytes: int
    folder: Path

    @classmethod
    def of_limit(cls, limit_bytes: int, folder: Path) -> "MemoryBudget":
        """What a limit for the whole process leaves for each."""
        events = max((limit_bytes - _BASE_BYTES) // _WORK_FACTOR, _LEAST_BYTES)
        return cls(events, max(limit_bytes // 4, 4 * _LEAST_BYTES), folder)

    def shared_by(self, count: int) -> "MemoryBudget":
        """The budget of each of several that work at once."""
        return MemoryBudget(self.events_bytes // count, self.database_bytes // count, self.folder)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is gone afterwards; what a killed process left behind is cleared first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(self.folder)
        made = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.folder))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def memory_budget(setting: str | None, home: Path) -> MemoryBudget:
    """The budget for a setting such as '8GB'; the environment's goes first, and half of the machine is the default.

    Raises
    ------
    SettingError
        If it is no amount of memory.
    """
    text = os.environ.get(MEMORY_VARIABLE) or setting
    limit = parse_bytes(text) if text else _machine_bytes() // 2
    return MemoryBudget.of_limit(limit, home / "data" / "spill")


def parse_bytes(text: str) -> int:
    """Bytes of an amount as people write it.

    >>> parse_bytes("8GB"), parse_bytes("1.5 GiB"), parse_bytes("500m")
    (8000000000, 1610612736, 500000000)
    """
    match = _AMOUNT.fullmatch(text)
    if not match:
        raise SettingError(
            f"memory_limit must be an amount of memory such as '8GB' or '512MiB'. Received: '{text}'. Correct it in "
            f"feature_store.yaml (offline_store), or the variable {MEMORY_VARIABLE}."
        )
    return int(min(float(match.group(1)) * _UNITS[(match.group(2) or "").lower()], _MOST_BYTES))


def _machine_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 * 10**9


def _clear_abandoned(folder: Path) -> None:
    for left in folder.glob("*-*"):
        owner = left.name.partition("-")[0]
        if owner.isdecimal() and not _runs(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
