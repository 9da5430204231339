"""A Redis server for a benchmark: on this machine alone, with a password, keeping nothing."""

import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_PROGRAM = "redis-server"


@dataclass(frozen=True)
class Redis:
    """A running server."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """For clients."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def feast_text(self) -> str:
        """As Feast's Redis store wants it."""
        return f"{HOST}:{self.port},password={self.password},db=1"


@contextmanager
def redis_server() -> Iterator[Redis | None]:
    """A server while it is needed; None where the program isn't installed."""
    program = shutil.which(_PROGRAM)
    if program is None:
        yield None
        return
    server = Redis(free_port(), secrets.token_hex(16))
    # By standard input: a command line is shown to every user of the machine.
    settings = f'bind {HOST}\nport {server.port}\nrequirepass {server.password}\nsave ""\nappendonly no\n'
    with subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(settings)
            process.stdin.close()
            _wait(process)
            yield server
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def _wait(process: "subprocess.Popen[str]") -> None:
    """Until the server says that it answers. It says little after that: nobody needs to read on."""
    told = []
    for line in process.stdout or ():
        if "Ready to accept connections" in line:
            return
        told.append(line)
    raise RuntimeError(f"{_PROGRAM} didn't start:\n{''.join(told)}")
