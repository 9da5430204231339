"""One contender, once, in a process of its own: `python -m benchmarks.worker <kind> <contender> ...`.

A toy case runs first, so that late imports and caches count for nobody. The last line printed is JSON.
"""

import argparse
import contextlib
import importlib
import json
import mmap
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_TOUCHED_BYTES = 4 << 30
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def main() -> None:
    """Run and print `{"seconds", "peak_mb", "start_mb"}`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["latest", "windows"])
    parser.add_argument("contender")
    parser.add_argument("files", type=Path)
    parser.add_argument("toy", type=Path)
    parser.add_argument("answer", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):
        measured = _measure(given, Path(scratch))
    print(json.dumps(measured))


def _measure(given: argparse.Namespace, scratch: Path) -> dict[str, float]:
    import pyarrow.parquet as pq

    prepare = importlib.import_module(f"benchmarks.{given.kind}").prepare
    prepare(given.contender, given.toy, scratch / "toy")()
    work = prepare(given.contender, given.files, scratch / "real")
    _touch_memory()
    _forget_peak()
    start_mb = _peak_mb()
    start = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - start
    peak_mb = _peak_mb()
    pq.write_table(answer, given.answer)
    return {"seconds": seconds, "peak_mb": peak_mb, "start_mb": start_mb}


def _touch_memory() -> None:
    """A virtual machine may get its memory only when it touches it: nobody's answer shall wait for that.

    NumPy's large arrays lie in large pages where there are any, so that the system has such pages at hand afterwards.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    np.empty(min(_TOUCHED_BYTES, free // 2), np.uint8)[:: mmap.PAGESIZE] = 1


def _forget_peak() -> None:
    """Linux can count the peak anew; elsewhere the toy case and imports stay in it."""
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5", encoding="ascii")


def _peak_mb() -> float:
    """Peak resident memory. getrusage would count the parent's memory at the fork as ours, so ask /proc first."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
