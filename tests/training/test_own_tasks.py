"""Tasks of one's own from a file, and shops that can't support a task."""

from pathlib import Path

import pytest

from storekeeper.errors import DataError, NotFoundError, UsageError
from storekeeper_training.spine import read_spine
from storekeeper_training.tasks import CHURN, RETURN, TASKS, find_task
from training.spine_log import START, Happened, write_log

_OWN = """
from dataclasses import replace

from days import DAYS
from storekeeper_training.tasks import CHURN

REPEAT_BUYER = replace(CHURN, name="repeat_buyer", parameters={**CHURN.parameters, "every": DAYS})
SAME_NAME = CHURN
NO_TASK = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of tasks with a neighbour that it imports."""
    (tmp_path / "days.py").write_text("from datetime import timedelta\n\nDAYS = timedelta(days=3)\n")
    file = tmp_path / "my_tasks.py"
    file.write_text(_OWN)
    return file


def test_every_built_in_task_is_found_by_its_name() -> None:
    """The names are those of the six behaviours, each once."""
    assert [find_task(task.name) for task in TASKS] == list(TASKS)
    assert len({task.name for task in TASKS}) == len(TASKS)


def test_a_file_declares_a_task(own: Path) -> None:
    """`FILE.py:NAME` is the task that the file declares, neighbours imported."""
    task = find_task(f"{own}:REPEAT_BUYER")
    assert (task.name, task.parameters["every"].days) == ("repeat_buyer", 3)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("OTHER", NotFoundError, r"declares no 'OTHER'.*'CHURN', 'REPEAT_BUYER', 'SAME_NAME'"),
        ("NO_TASK", UsageError, r"'NO_TASK'.*must be a storekeeper_training.tasks.Task.*int"),
        ("SAME_NAME", UsageError, r"a task named 'churn', as a built-in one is"),
    ],
)
def test_a_name_that_is_no_task_is_refused(own: Path, name: str, error: type[Exception], message: str) -> None:
    """The message says what the file declares, or why it can't be taken."""
    with pytest.raises(error, match=message):
        find_task(f"{own}:{name}")


def test_a_file_that_fails_or_is_missing_is_named(tmp_path: Path) -> None:
    """A missing file and one that raises are told apart, each by name."""
    with pytest.raises(NotFoundError, match=r"no file '.*absent.py'"):
        find_task(f"{tmp_path / 'absent.py'}:X")
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('nothing works')")
    with pytest.raises(UsageError, match=r"broken.py' can't be run: RuntimeError: nothing works"):
        find_task(f"{broken}:X")


def test_a_shop_that_lacks_a_tasks_events_is_refused_by_their_names(tmp_path: Path) -> None:
    """The message names the missing event types and those that are there."""
    log = write_log(tmp_path / "log.duckdb", Happened("purchase", START, 1, 1, basket_id=1, quantity=1, amount_cents=1))
    with pytest.raises(DataError, match=r"'return' needs events of the types 'return'.*It has: 'purchase'"):
        read_spine(RETURN, log)
    with pytest.raises(DataError, match=r"the types 'click or offer_redeemed'"):
        read_spine(
            find_task("click"), write_log(tmp_path / "log2.duckdb", Happened("impression", START, 1, 1, session_id=1))
        )
    assert CHURN.events == ("purchase",)
