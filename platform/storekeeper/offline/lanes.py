"""Views of one retrieval side by side: while one waits for a single core, another uses the rest."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


def in_lanes(work: Callable[[int], Result], lanes: int) -> list[Result]:
    """Results of `work(0)`, `work(1)` and so on, each in a thread that sees the caller's context.

    The first error of the first lane that has one is raised, after all lanes have come to their end.
    """
    if lanes == 1:
        return [work(0)]
    with ThreadPoolExecutor(lanes) as pool:
        pending = [pool.submit(copy_context().run, work, lane) for lane in range(lanes)]
        return [one.result() for one in pending]
