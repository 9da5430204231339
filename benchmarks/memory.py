"""Memory of this process: its peak, counted anew from some moment on."""

import contextlib
import mmap
import os
import resource
import sys
from pathlib import Path

import numpy as np

_TOUCHED_BYTES = 4 << 30
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def touch_memory(most_bytes: int = _TOUCHED_BYTES) -> None:
    """A virtual machine may get its memory only when it touches it: nobody's answer shall wait for that.

    NumPy's large arrays lie in large pages where there are any, so that the system has such pages at hand afterwards.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    np.empty(min(most_bytes, free // 2), np.uint8)[:: mmap.PAGESIZE] = 1


def forget_peak() -> None:
    """Linux can count the peak anew; elsewhere the toy case and imports stay in it."""
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5", encoding="ascii")


def peak_mb() -> float:
    """Peak resident memory. getrusage would count the parent's memory at the fork as ours, so ask /proc first."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
