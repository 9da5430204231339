"""Independent pieces of array work side by side: NumPy and Arrow let go of Python's lock while they compute."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

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


def gathered(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`values[places]` for (n,) places within the values; each core gathers a stretch of them."""
    if len(places) < WORTHWHILE:
        return np.asarray(values[places])
    found = np.empty(len(places), values.dtype)
    edges = np.linspace(0, len(places), cores() + 1).astype(int)

    def gather(stretch: slice) -> None:
        # "clip" writes straight into the result, where "raise" would fill a copy first.
        values.take(places[stretch], out=found[stretch], mode="clip")

    side_by_side(gather, map(slice, edges[:-1], edges[1:]), rows=len(places))
    return found
