"""One contender, once, in a process of its own: `python -m benchmarks.worker <kind> <contender> ...`.

A toy case runs first, so that late imports and caches count for nobody. The last line printed is JSON.
"""

import argparse
import contextlib
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory import forget_peak, peak_mb, touch_memory


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
    touch_memory()
    forget_peak()
    start_mb = peak_mb()
    start = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - start
    measured = {"seconds": seconds, "peak_mb": peak_mb(), "start_mb": start_mb}
    pq.write_table(answer, given.answer)
    return measured


if __name__ == "__main__":
    main()
