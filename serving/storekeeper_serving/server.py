"""The server process: a bound socket, a line when it answers, a clean end."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from types import FrameType

import uvicorn
from fastapi import FastAPI

from storekeeper.errors import SettingError, UsageError

_GRACE_SECONDS = 10


def bind_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet; port 0 takes a free one.

    Raises
    ------
    UsageError
        If the port is taken or may not be used, or the host is not this machine's.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"A port is a number from 0 (any free one) to 65535. Received: {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"'{host}' is not an address of this machine: {error}. Use 127.0.0.1.") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise UsageError(
            f"Can't listen on {host}, port {port}: {error.strerror}. Stop what uses it, or choose another: "
            f"--port 0 takes a free one."
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The URL under which a bound socket answers."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach a bound socket."""
    return ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


class Server(uvicorn.Server):
    """uvicorn's server, which tells when it accepts connections and takes signals for a wish, not an accident.

    Parameters
    ----------
    app
        What it serves.
    on_ready
        Called once connections are accepted.
    """

    def __init__(self, app: FastAPI, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS)
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second SIGINT stops at once. Unlike uvicorn's, the signal is not raised again at the end."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def run_server(app: FastAPI, bound: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until a signal comes, then answer what is under way and return.

    Raises
    ------
    SettingError
        If the application could not start.
    """
    server = Server(app, on_ready)
    server.run(sockets=[bound])
    if not server.started:
        raise SettingError("Serving could not start. The log above says why.")
