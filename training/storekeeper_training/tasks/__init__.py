"""What can be predicted: each task a frozen declaration of spine, label, horizon, features and baseline."""

from storekeeper.errors import NotFoundError, listing
from storekeeper_training.tasks.purchase import PURCHASE
from storekeeper_training.tasks.task import Kind, Parameter, RuleBaseline, Shares, Task

TASKS: tuple[Task, ...] = (PURCHASE,)


def find_task(name: str) -> Task:
    """The task of this name.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    """
    for task in TASKS:
        if task.name == name:
            return task
    raise NotFoundError(f"There is no task '{name}'. Tasks: {listing(task.name for task in TASKS)}.")


__all__ = ["PURCHASE", "TASKS", "Kind", "Parameter", "RuleBaseline", "Shares", "Task", "find_task"]
