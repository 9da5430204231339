"""Servers of a test run: on a free port of this machine, waited for, stopped by their process id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HOST = "127.0.0.1"
_DEADLINE_SECONDS = 60
_PAUSE_SECONDS = 0.05
_ATTEMPTS = 3


def lacking(program: str, package: str) -> None:
    """Skip the tests that need a program; on CI they fail, for there it must be."""
    told = f"{program} is not installed. Install Debian's package: apt-get install {package}."
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running(
    command: Callable[[int], Sequence[str]],
    ready: Callable[[int], bool],
    log: Path,
    *,
    end: signal.Signals = signal.SIGTERM,
    options: Mapping[str, Any] | None = None,
) -> Iterator[int]:
    """A server's port, from when it answers until the block ends.

    Parameters
    ----------
    command
        Given a port, the command that serves there.
    ready
        Whether the server at a port answers.
    log
        Where what it prints goes; told if it doesn't start.
    end
        The signal that ends it in order.
    options
        More for `subprocess.Popen`, such as the user that it runs as.
    """
    process, port = _start(command, ready, log, options or {})
    try:
        yield port
    finally:
        stop(process, end)


def _start(
    command: Callable[[int], Sequence[str]], ready: Callable[[int], bool], log: Path, options: Mapping[str, Any]
) -> tuple["subprocess.Popen[bytes]", int]:
    """Start on a free port; another process may take it first, so more than once."""
    for _ in range(_ATTEMPTS):
        port = free_port()
        with log.open("ab") as output:
            process = subprocess.Popen(
                command(port), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
            )
        if _answers(process, lambda port=port: ready(port)):
            return process, port
        stop(process, signal.SIGKILL)
    raise RuntimeError(f"{command(0)[0]} didn't start:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _answers(process: "subprocess.Popen[bytes]", ready: Callable[[], bool]) -> bool:
    """Ask until the server answers; False if it ended, or time is up."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if ready():
            return True
        try:
            process.wait(_PAUSE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return False
    return False


def stop(process: "subprocess.Popen[bytes]", end: signal.Signals) -> None:
    """End a process by its id and wait until it has ended; one that doesn't is killed."""
    if process.poll() is None:
        process.send_signal(end)
    try:
        process.wait(_DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
