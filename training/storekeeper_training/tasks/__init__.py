"""What can be predicted: each task a frozen declaration of spine, label, horizon, features and baseline."""

from storekeeper.errors import NotFoundError, UsageError, listing
from storekeeper_training.tasks.churn import CHURN
from storekeeper_training.tasks.click import CLICK
from storekeeper_training.tasks.next_item import NEXT_ITEM
from storekeeper_training.tasks.own import task_from_file
from storekeeper_training.tasks.purchase import PURCHASE
from storekeeper_training.tasks.returns import RETURN
from storekeeper_training.tasks.sales import SALES
from storekeeper_training.tasks.task import Forecast, Kind, Parameter, RuleBaseline, Shares, Task

TASKS: tuple[Task, ...] = (CLICK, PURCHASE, RETURN, NEXT_ITEM, CHURN, SALES)


def find_task(name: str) -> Task:
    """The task of this name, or `FILE.py:NAME`: the task that a Python file of one's own declares under this name.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    UsageError
        If the file can't be run, what it declares is no task, or the task has the name of a built-in one.
    """
    if ":" in name:
        return _own_task(name)
    for task in TASKS:
        if task.name == name:
            return task
    raise NotFoundError(
        f"There is no task '{name}'. Tasks: {listing(task.name for task in TASKS)}. One of your own: my_tasks.py:NAME."
    )


def _own_task(place: str) -> Task:
    task = task_from_file(place)
    if task.name in {built_in.name for built_in in TASKS}:
        raise UsageError(f"'{place}' declares a task named '{task.name}', as a built-in one is. Give it another name.")
    return task


__all__ = [
    "CHURN",
    "CLICK",
    "NEXT_ITEM",
    "PURCHASE",
    "RETURN",
    "SALES",
    "TASKS",
    "Forecast",
    "Kind",
    "Parameter",
    "RuleBaseline",
    "Shares",
    "Task",
    "find_task",
]
