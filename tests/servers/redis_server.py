"""A Redis server of the test run's own, with a password; plain, with TLS, or as a cluster's only node."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from servers.loopback import HOST, free_port, lacking, running

_PROGRAM = "redis-server"
# Nothing is kept, unless a test asks for it (`SAVE`).
_SETTINGS = {"bind": HOST, "save": '""', "appendonly": "no", "databases": "16"}
_SLOTS = 16_384


@dataclass(frozen=True)
class Redis:
    """A running server.

    Attributes
    ----------
    port
        Where it listens, on this machine alone.
    password
        Of the default user, who may do everything.
    folder
        Its data; certificates too.
    tls
        Whether it speaks TLS alone, by a certificate of its own.
    """

    port: int
    password: str = field(repr=False)
    folder: Path
    tls: bool = False

    @property
    def certificate(self) -> Path:
        """What signs the server's certificate: itself."""
        return self.folder / "certificate.pem"

    def url(self, database: int = 0, **settings: Any) -> str:
        """The URL with the password, for a client that trusts the certificate."""
        if self.tls:
            settings = {"ssl_ca_certs": self.certificate, **settings}
        query = f"?{urlencode(settings)}" if settings else ""
        return f"{'rediss' if self.tls else 'redis'}://:{self.password}@{HOST}:{self.port}/{database}{query}"

    def client(self) -> Any:
        """A redis-py client of one connection; to be closed."""
        import redis

        return redis.Redis.from_url(self.url(), single_connection_client=True)

    def tell(self, *command: Any) -> Any:
        """What the server answers to one command."""
        with self.client() as client:
            return client.execute_command(*command)


def serve_redis(*, tls: bool = False, cluster: bool = False) -> Iterator[Redis]:
    """Start a server; stop it and remove its data when asked for more."""
    with prepared(tls=tls, cluster=cluster) as server, started(server, cluster=cluster) as answering:
        yield answering


@contextmanager
def prepared(*, tls: bool = False, cluster: bool = False) -> Iterator[Redis]:
    """A server that doesn't run yet; its folder is removed afterwards."""
    if shutil.which(_PROGRAM) is None:
        lacking("Redis", _PROGRAM)
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-redis-"))
    try:
        server = Redis(0, secrets.token_hex(16), folder, tls)
        if tls:
            _make_certificate(server.certificate)
        _configure(server, cluster)
        yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def started(server: Redis, *, cluster: bool = False) -> Iterator[Redis]:
    """The server while it runs: at its own port if it ran before, else at a free one."""

    def at(port: int) -> Redis:
        return replace(server, port=server.port or port)

    with running(
        lambda port: _command(at(port), cluster), lambda port: _is_ready(at(port), cluster), server.folder / "log"
    ) as port:
        yield at(port)


def _configure(server: Redis, cluster: bool) -> None:
    """The password stands in a file: a command line is shown to every user of the machine."""
    settings: Mapping[str, Any] = {**_SETTINGS, "dir": server.folder, "requirepass": server.password}
    if cluster:
        settings = {**settings, "cluster-enabled": "yes"}
    if server.tls:
        settings = {
            **settings, "tls-cert-file": server.certificate, "tls-key-file": server.certificate.with_suffix(".key"),
            "tls-ca-cert-file": server.certificate, "tls-auth-clients": "no",
        }  # fmt: skip
    lines = "".join(f"{name} {value}\n" for name, value in settings.items())
    (server.folder / "redis.conf").write_text(lines, encoding="utf-8")


def _command(server: Redis, cluster: bool) -> list[str]:
    ports = ["--port", "0", "--tls-port", str(server.port)] if server.tls else ["--port", str(server.port)]
    # A cluster's nodes talk at another port, by default 10,000 above, which may not exist.
    bus = ["--cluster-port", str(free_port())] if cluster else []
    return [_PROGRAM, str(server.folder / "redis.conf"), *ports, *bus]


def _make_certificate(certificate: Path) -> None:
    if shutil.which("openssl") is None:
        lacking("OpenSSL", "openssl")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=storekeeper", "-addext", f"subjectAltName=IP:{HOST}",
        "-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _is_ready(server: Redis, cluster: bool) -> bool:
    """Whether it answers; a new cluster's node is given all slots."""
    import redis

    try:
        with server.client() as client:
            if not cluster:
                return client.ping() is True
            told = client.execute_command("CLUSTER INFO")
            if told["cluster_slots_assigned"] == "0":
                client.execute_command("CLUSTER ADDSLOTSRANGE", 0, _SLOTS - 1)
            return bool(told["cluster_state"] == "ok")
    except redis.ConnectionError:
        return False
