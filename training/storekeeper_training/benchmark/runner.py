"""Run protocols one after the other, each in a process of its own; keep what is done, skip what can't be run."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from storekeeper.errors import NotFoundError, SettingError
from storekeeper_training.benchmark import registry
from storekeeper_training.benchmark.protocol import Protocol
from storekeeper_training.benchmark.public_data import find_public_data
from storekeeper_training.benchmark.results import Result, read_result, result_path

State = Literal["measured", "kept", "skipped", "failed"]


@dataclass(frozen=True)
class Run:
    """How a protocol went.

    Attributes
    ----------
    protocol
        Which one.
    state
        `measured` now, `kept` from an earlier run, `skipped` or `failed`.
    result
        None where it was skipped or failed.
    reason
        Why it was skipped or failed; empty otherwise.
    """

    protocol: Protocol
    state: State
    result: Result | None = None
    reason: str = ""


def run_protocols(
    protocols: Sequence[Protocol],
    results: Path,
    seed: int,
    *,
    refresh: bool,
    tell: Callable[[str, str], None],
) -> tuple[Run, ...]:
    """Measure what isn't measured yet, in the order given.

    Parameters
    ----------
    results
        The folder of kept results: one that is there with the same seed isn't measured again.
    refresh
        Measure again what is there too; the old result stays until the new one is whole.
    tell
        `tell(name, doing)` is called as work goes on.
    """
    return tuple(_run(protocol, results, seed, refresh, tell) for protocol in protocols)


def missing(protocol: Protocol) -> str:
    """Which package or data set a protocol lacks; empty where it can be run."""
    if lacking := [name for name in protocol.packages if find_spec(name) is None]:
        return f"it needs the package {', '.join(lacking)}: pip install 'storekeeper[tensorflow]'"
    try:
        find_public_data(protocol.data, protocol.files)
    except (NotFoundError, SettingError) as error:
        return str(error)
    return ""


def _run(
    protocol: Protocol,
    results: Path,
    seed: int,
    refresh: bool,
    tell: Callable[[str, str], None],
) -> Run:
    kept = read_result(results, protocol.name, seed)
    if kept is not None and not refresh:
        return Run(protocol, "kept", kept)
    if lacks := missing(protocol):
        return Run(protocol, "skipped", reason=lacks)
    data = find_public_data(protocol.data, protocol.files)
    reason = _work(protocol, data, results, seed, tell)
    measured = None if reason else read_result(results, protocol.name, seed)
    if measured is None:
        return Run(protocol, "failed", reason=reason or f"it left no result in {result_path(results, protocol.name)}")
    return Run(protocol, "measured", measured)


def _work(protocol: Protocol, data: Path, results: Path, seed: int, tell: Callable[[str, str], None]) -> str:
    """Run the worker to its end; says why it failed, empty where it didn't."""
    arguments = (protocol.name, str(data), str(results), str(seed), *registry.PROTOCOL_MODULES)
    command = [sys.executable, "-m", "storekeeper_training.benchmark.worker", *arguments]
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:  # noqa: S603
            try:
                for line in process.stdout or ():
                    tell(protocol.name, line.rstrip())
            except BaseException:
                process.kill()
                raise
        errors.seek(0)
        said = [line for line in errors.read().splitlines() if line.strip()]
    if process.returncode == 0:
        return ""
    return said[-1] if said else f"its process ended with code {process.returncode}"
