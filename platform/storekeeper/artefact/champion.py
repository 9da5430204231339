"""Which model of a task was promoted: `models_dir/<task>/champion.json`, the truth that serving reads.

It lies beside the artefacts, so that a copied folder of models serves what it served before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from storekeeper.artefact.contents import read_contents
from storekeeper.artefact.document import read_document, write_document
from storekeeper.artefact.folder import Artefact, best_artefact, find_artefact, task_folder
from storekeeper.errors import DataError

try:
    from fcntl import LOCK_EX, flock
except ImportError:  # pragma: no cover  (no such locks on this system: the last of two writers at once wins)
    flock = None  # type: ignore[assignment]

CHAMPION_FILE = "champion.json"
_LOCK_FILE = ".champion.lock"


@dataclass(frozen=True)
class Promotion:
    """One change of the model that answers.

    Attributes
    ----------
    action
        Whether it was named, or the former one came back.
    model, version
        The model that answered from then on.
    digest
        `Contents.digest` of its artefact.
    at
        When, UTC.
    """

    action: Literal["promote", "rollback"]
    model: str
    version: int
    digest: str
    at: datetime

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def place(self) -> tuple[str, int]:
        """Model and version."""
        return self.model, self.version


@dataclass(frozen=True)
class Promotions:
    """All changes of one task, oldest first; nothing is ever taken away.

    Attributes
    ----------
    history
        The changes.
    """

    history: tuple[Promotion, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def standing(self) -> tuple[Promotion, ...]:
        """Promotions that were not rolled back, oldest first; the last is the champion's."""
        stack: list[Promotion] = []
        for change in self.history:
            if change.action == "promote":
                stack.append(change)
            else:
                stack.pop()
        return tuple(stack)

    @property
    def champion(self) -> Promotion | None:
        """What serves; None where nothing was promoted."""
        standing = self.standing
        return standing[-1] if standing else None

    @property
    def former(self) -> Promotion | None:
        """What a rollback brings back; None where there is nothing."""
        standing = self.standing
        return standing[-2] if len(standing) > 1 else None

    def add(self, change: Promotion) -> "Promotions":
        """These and one more."""
        return replace(self, history=(*self.history, change))

    def __post_init__(self) -> None:
        """Refuse a history in which more was rolled back than promoted."""
        depth = 0
        for change in self.history:
            depth += 1 if change.action == "promote" else -1
            if depth < 1:
                raise DataError(f"Nothing stood before the promotion that was rolled back at {change.at.isoformat()}.")


def read_promotions(models_dir: Path, task: str) -> Promotions:
    """The changes of a task; none where nothing was promoted yet.

    Raises
    ------
    DataError
        If the file is damaged. Nothing is served in its place: that would be another model than was chosen.
    """
    path = task_folder(models_dir, task) / CHAMPION_FILE
    return read_document(path, Promotions) if path.is_file() else Promotions()


def change_promotions(models_dir: Path, task: str, change: Callable[[Promotions], Promotions]) -> Promotions:
    """Replace a task's changes by what `change` makes of them, one writer after the other; readers see whole files.

    An error in `change` leaves all as it was.
    """
    folder = task_folder(models_dir, task)
    with _locked(folder):
        before = read_promotions(models_dir, task)
        after = change(before)
        if after != before:
            write_document(folder / CHAMPION_FILE, after)
        return after


def champion_artefact(models_dir: Path, task: str) -> Artefact | None:
    """The promoted artefact; None where nothing was promoted.

    Raises
    ------
    NotFoundError
        If it is gone.
    DataError
        If `champion.json` is damaged, or another artefact lies in the promoted one's place.
    """
    champion = read_promotions(models_dir, task).champion
    if champion is None:
        return None
    artefact = find_artefact(models_dir, task, champion.model, champion.version)
    contents = read_contents(artefact.path)
    if contents is None or contents.digest != champion.digest:
        raise DataError(
            f"'{artefact.path}' is another model than the one that was promoted at {champion.at.isoformat()}. Put that "
            f"one back, or promote this one: storekeeper models promote {task} {champion.model} {champion.version}."
        )
    return artefact


def default_artefact(models_dir: Path, task: str) -> Artefact:
    """What answers for a task when no model is named: the promoted one, else `best_artefact`.

    Raises
    ------
    NotFoundError, DataError
        As `champion_artefact` and `best_artefact` do. A champion that can't be found is an error; no other takes over.
    """
    return champion_artefact(models_dir, task) or best_artefact(models_dir, task)


def promotions_stamp(models_dir: Path) -> dict[str, bytes]:
    """Something that differs when a promotion was made: what the files hold, by task."""
    return {path.parent.name: path.read_bytes() for path in models_dir.glob(f"*/{CHAMPION_FILE}")}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time, threads and processes alike."""
    with (folder / _LOCK_FILE).open("ab") as file:
        if flock is not None:
            flock(file, LOCK_EX)
        yield
