"""One protocol in a process of its own.

`python -m storekeeper_training.benchmark.worker NAME DATA RESULTS SEED MODULE...`, as `runner` starts it. Each line on
stdout tells what is being done. Exit code 0: the result is in its place. Otherwise the reason is the last line on
stderr.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from storekeeper_training.benchmark.machine import machine_facts, peak_memory_mb
from storekeeper_training.benchmark.registry import all_protocols, find_protocols
from storekeeper_training.benchmark.results import Result, write_result


def measure(name: str, data: Path, results: Path, seed: int, modules: Sequence[str]) -> None:
    """Run a protocol and keep its result, with the peak memory of this process."""
    (protocol,) = find_protocols([name], all_protocols(modules))
    machine = machine_facts()
    outcome = replace(protocol.run(data, seed, _tell), peak_memory_mb=round(peak_memory_mb(), 1))
    write_result(results, Result(name, seed, outcome, machine, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"))


def _tell(doing: str) -> None:
    sys.stdout.write(f"{doing}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
