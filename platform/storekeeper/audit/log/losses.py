"""What was served and is not in the log: dropped, waiting, or lost with the process that served it."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storekeeper.audit.log.files import list_files, replace_file
from storekeeper.audit.log.tally import SUFFIX as TALLY
from storekeeper.audit.log.tally import read_tally
from storekeeper.errors import DataError

SUFFIX = ".losses.json"


@dataclass(frozen=True)
class RunLoss:
    """One process' account.

    Attributes
    ----------
    run
        Its digits, which are in the names of its files.
    appended
        How many vectors it served, as far as anything tells.
    logged
        How many of them are in the log.
    dropped
        How many it gave up itself: the queue was full, or the disk refused them.
    waiting
        How many still wait to be written: it lives.
    lost
        How many are nowhere: it was killed before it wrote them, or a file is gone.
    problem
        Why the disk refused the last ones; None if it did not.
    """

    run: str
    appended: int
    logged: int
    dropped: int = 0
    waiting: int = 0
    lost: int = 0
    problem: str | None = None

    @property
    def missing(self) -> int:
        """How many were served and will never be in the log."""
        return self.dropped + self.lost


def write_losses(log: Path, run: str, appended: int, dropped: int, problem: str | None) -> None:
    """Keep the count beside the files, so that an audit in another process sees it."""
    content = {"dropped": dropped, "problem": problem, "appended": appended}
    replace_file(log / f"{run}{SUFFIX}", json.dumps(content).encode())


def read_losses(log: Path) -> list[RunLoss]:
    """Every run's account, by its digits.

    Raises
    ------
    DataError
        If a count can't be read; the message names its file.
    """
    # Counts first: what is written meanwhile is then not taken for lost.
    tallies = dict(_tallies(log))
    told = dict(_told(log))
    logged: dict[str, int] = defaultdict(int)
    following: dict[str, int] = defaultdict(int)
    for file in list_files(log):
        if file.run:
            logged[file.run] += file.rows
            following[file.run] = max(following[file.run], file.next_sequence)
    accounts = []
    for run in sorted({*tallies, *told, *logged}):
        counted, lives = tallies.get(run, (0, False))
        before, dropped, problem = told.get(run, (0, 0, None))
        appended = max(counted, before, following[run], logged[run] + dropped)
        rest = appended - logged[run] - dropped
        waiting, lost = (rest, 0) if lives else (0, rest)
        accounts.append(RunLoss(run, appended, logged[run], dropped, waiting, lost, problem))
    return accounts


def count_dropped(log: Path) -> int:
    """How many served vectors all runs together could not keep.

    Raises
    ------
    DataError
        If a count can't be read; the message names its file.
    """
    return sum(dropped for _, (_, dropped, _) in _told(log))


def _tallies(log: Path) -> Iterator[tuple[str, tuple[int, bool]]]:
    """How many vectors each run was given, and whether it lives; a run that ends meanwhile needs no tally."""
    for path in sorted(log.glob(f"*{TALLY}")):
        with suppress(FileNotFoundError):
            yield path.name.removesuffix(TALLY), read_tally(path)


def _told(log: Path) -> Iterator[tuple[str, tuple[int, int, str | None]]]:
    """Each run's own word: vectors it was given, vectors it dropped, and why."""
    for path in sorted(log.glob(f"*{SUFFIX}")):
        try:
            read = json.loads(path.read_bytes())
            yield (
                path.name.removesuffix(SUFFIX),
                (
                    int(read.get("appended", 0)),
                    int(read["dropped"]),
                    read.get("problem"),
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"'{path}' is not a count of lost vectors: {error}. Remove it if it is damaged.") from error
