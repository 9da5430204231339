"""What a piece of work costs: seconds, and the most memory that the process held meanwhile."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STATM = Path("/proc/self/statm")
_INTERVAL_SECONDS = 0.02


@dataclass(frozen=True)
class Cost:
    """Wall time, and the process' greatest resident memory during the work, everything loaded before included."""

    seconds: float
    peak_memory_mb: float


def measure(work: Callable[[], T]) -> tuple[T, Cost]:
    """Do the work and say what it cost.

    Memory is sampled on Linux; elsewhere it is the process' peak so far, which an earlier piece of work may have set.
    """
    peak_bytes = [resident_bytes()]
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(_INTERVAL_SECONDS):
            peak_bytes[0] = max(peak_bytes[0], resident_bytes())

    sampler = threading.Thread(target=sample, name="memory-sampler", daemon=True)
    started = time.perf_counter()
    sampler.start()
    try:
        result = work()
    finally:
        seconds = time.perf_counter() - started
        stop.set()
        sampler.join()
    return result, Cost(seconds, max(peak_bytes[0], resident_bytes()) / 1e6)


def resident_bytes() -> int:
    """Resident memory of this process now; its peak where the system doesn't tell."""
    import resource

    if _STATM.is_file():
        return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
