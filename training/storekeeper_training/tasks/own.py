"""Tasks of one's own: a Python file that declares them."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from storekeeper.errors import NotFoundError, UsageError, listing
from storekeeper_training.tasks.task import Task


def task_from_file(place: str) -> Task:
    """The task that `FILE.py:NAME` names; the file is run, and may import its neighbours.

    Raises
    ------
    NotFoundError
        If there is no such file, or it declares no such name; the message lists the tasks that it declares.
    UsageError
        If the file can't be run, or what it declares under the name is no task.
    """
    file_name, _, name = place.rpartition(":")
    path = Path(file_name).expanduser()
    if not path.is_file():
        raise NotFoundError(f"There is no file '{path}' to read the task '{name}' from. Expected FILE.py:NAME.")
    declared = _run(path.resolve())
    tasks = [other for other, value in declared.items() if isinstance(value, Task)]
    if name not in declared:
        raise NotFoundError(f"'{path}' declares no '{name}'. Tasks that it declares: {listing(tasks)}.")
    task = declared[name]
    if not isinstance(task, Task):
        raise UsageError(
            f"'{name}' of '{path}' must be a storekeeper_training.tasks.Task. It is of type {type(task).__name__}. "
            f"Tasks that the file declares: {listing(tasks)}."
        )
    return task


def _run(path: Path) -> dict[str, object]:
    """What the file declares."""
    spec = spec_from_file_location(f"storekeeper_own_tasks_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"'{path}' is no Python file. A task of one's own is named FILE.py:NAME.")
    module = module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UsageError(f"'{path}' can't be run: {type(error).__name__}: {error}.") from error
    finally:
        sys.path.remove(str(path.parent))
    return vars(module)
