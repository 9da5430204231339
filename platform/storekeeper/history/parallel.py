"""Independent pieces of array work side by side: NumPy and Arrow let go of Python's lock while they compute."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Fewer rows than this aren't worth a thread.
WORTHWHILE = 100_000
_MOST = 8


def cores() -> int:
    """How many threads may work at once."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], *, rows: int) -> list[Result]:
    """Results of `work` for each item, in order; on several cores where `rows` say that it pays.

    Results don't depend on how many cores there are: the items are the same.
    """
    given = list(items)
    if rows < WORTHWHILE or len(given) < 2 or cores() < 2:
        return [work(item) for item in given]
    with ThreadPoolExecutor(min(len(given), cores())) as pool:
        return list(pool.map(work, given))
