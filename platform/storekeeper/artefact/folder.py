"""Where artefacts lie: `models_dir/<task>/<model>/<version>/`, whole or not at all."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

from storekeeper.artefact.contents import write_contents
from storekeeper.artefact.manifest import Manifest, read_manifest
from storekeeper.errors import NotFoundError, UsageError, listing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PART = ".part-"


@dataclass(frozen=True, order=True)
class Artefact:
    """A trained model on disk.

    Attributes
    ----------
    task, model, version
        Which one.
    path
        Its folder.
    """

    task: str
    model: str
    version: int
    path: Path


def write_artefact(
    models_dir: Path, manifest: Manifest, fill: Callable[[Path], None], check: Callable[[Path], None] | None = None
) -> Artefact:
    """Write a new version; it appears under its name complete and checked, or not at all.

    Parameters
    ----------
    models_dir
        The root of all artefacts.
    manifest
        The record; its `version` is replaced by the next free one.
    fill
        Writes the model's files into the (temporary) folder it is given.
    check
        Raises if the finished folder must not be accepted. Without it the artefact is on record as unchecked.
    """
    home = task_folder(models_dir, manifest.task) / _checked(manifest.model, "model")
    home.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=_PART, dir=home))
    try:
        temporary.chmod(0o755)
        fill(temporary)
        return _publish(home, temporary, manifest, check)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def list_artefacts(models_dir: Path, task: str | None = None, model: str | None = None) -> tuple[Artefact, ...]:
    """Every artefact below, by task, model and version, oldest first; optionally of one task or one model."""
    tasks = "*" if task is None else _checked(task, "task")
    models = "*" if model is None else _checked(model, "model")
    found = (path for path in models_dir.glob(f"{tasks}/{models}/*") if path.name.isdecimal())
    return tuple(sorted(Artefact(path.parts[-3], path.parts[-2], int(path.name), path) for path in found))


def find_artefact(models_dir: Path, task: str, model: str, version: int | None = None) -> Artefact:
    """One artefact; the latest version if none is named.

    Raises
    ------
    NotFoundError
        If there is none; the message lists the task's models and versions.
    """
    fitting = [a for a in list_artefacts(models_dir, task, model) if version in (None, a.version)]
    if fitting:
        return fitting[-1]
    asked = f"'{model}'" if version is None else f"version {version} of '{model}'"
    existing = list_artefacts(models_dir, task)
    if not existing:
        raise _no_models(models_dir, task)
    raise NotFoundError(
        f"Task '{task}' has no model {asked}. It has: {listing(f'{a.model} {a.version}' for a in existing)}. "
        f"Train it: storekeeper train {task} --model {model}."
    )


def best_artefact(models_dir: Path, task: str) -> Artefact:
    """The task's model with the best validation figure, among the latest versions trained on the newest dataset.

    Test figures are never looked at: they are for the report, not for choosing.

    Raises
    ------
    NotFoundError
        If the task has no model; the message lists the tasks that have.
    """
    latest = {artefact.model: artefact for artefact in list_artefacts(models_dir, task)}
    if not latest:
        raise _no_models(models_dir, task)
    manifests = {model: read_manifest(artefact.path) for model, artefact in latest.items()}
    newest = max(manifests.values(), key=lambda manifest: manifest.created_at)
    rivals = [name for name, manifest in manifests.items() if manifest.dataset_hash == newest.dataset_hash]
    return latest[max(sorted(rivals), key=lambda name: manifests[name].selection_value())]


def task_folder(models_dir: Path, task: str) -> Path:
    """Where a task's models lie.

    Raises
    ------
    UsageError
        If the name is not one folder's.
    """
    return models_dir / _checked(task, "task")


def _publish(home: Path, temporary: Path, manifest: Manifest, check: Callable[[Path], None] | None) -> Artefact:
    """Give the finished folder the next free version; another writer may take one in between."""
    task, model = home.parts[-2:]
    version = max((int(path.name) for path in home.iterdir() if path.name.isdecimal()), default=0) + 1
    while True:
        replace(manifest, version=version).write(temporary)
        if check is not None:
            check(temporary)
        write_contents(temporary, checked=check is not None)
        target = home / str(version)
        try:
            temporary.rename(target)
        except OSError:
            if not target.exists():
                raise
            version += 1
        else:
            return Artefact(task, model, version, target)


def _no_models(models_dir: Path, task: str) -> NotFoundError:
    tasks = {artefact.task for artefact in list_artefacts(models_dir)}
    return NotFoundError(
        f"Task '{task}' has no trained model. Tasks that have: {listing(tasks)}. Train one: storekeeper train {task}."
    )


def _checked(name: str, what: str) -> str:
    """A name that is one folder and nothing else, since it may come from a request."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"A {what} name holds letters, digits, '_', '-' and '.' alone. Received: '{name}'.")
    return name
