"""A PostgreSQL server for a benchmark: on this machine alone, with a password, and as durable as it comes."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.redis_loopback import HOST, free_port

_PROGRAMS = "usr/lib/postgresql/*/bin"
_USER = "benchmark"


@contextmanager
def postgres_server() -> Iterator[str | None]:
    """The URL of a server while it is needed; None where the programs aren't installed."""
    programs = sorted(Path("/").glob(f"{_PROGRAMS}/initdb"), key=lambda path: float(path.parts[-3]))
    if not programs:
        yield None
        return
    password = secrets.token_hex(16)
    with _data_folder() as folder:
        _initialise(programs[-1], folder, password)
        port = free_port()
        with _running(programs[-1].with_name("postgres"), folder, port):
            yield f"postgresql://{_USER}:{password}@{HOST}:{port}/postgres"


@contextmanager
def _data_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        yield folder
    finally:
        shutil.rmtree(folder)


def _initialise(initdb: Path, folder: Path, password: str) -> None:
    # In a file: a command line is shown to every user of the machine.
    secret = folder / "password"
    secret.write_text(password, encoding="ascii")
    command = [str(initdb), "-D", str(folder / "data"), "-U", _USER, f"--pwfile={secret}", "--auth=scram-sha-256"]
    subprocess.run(
        [*command, "--encoding=UTF8", "--locale=C"], cwd=folder, check=True, capture_output=True, **_as_nobody_special()
    )
    secret.unlink()


@contextmanager
def _running(postgres: Path, folder: Path, port: int) -> Iterator[None]:
    settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "log_destination": "stderr"}
    command = [str(postgres), "-D", str(folder / "data")]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = folder / "log"
    with log.open("w", encoding="utf-8") as output, log.open(encoding="utf-8") as told:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, **_as_nobody_special())
        try:
            _wait(process, told)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", told: Any) -> None:
    """Until the server says that it answers."""
    lines = ""
    while "ready to accept connections" not in lines:
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL didn't start:\n{lines}{told.read()}")
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            lines += told.read()


def _as_nobody_special() -> dict[str, Any]:
    """The user that the server runs as: PostgreSQL refuses to be root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
