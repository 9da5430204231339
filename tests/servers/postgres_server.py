"""A PostgreSQL server of the test run's own, with a password, far from UTC."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.loopback import HOST, lacking, running

USER = "anna"
_PROGRAMS = "/usr/lib/postgresql/*/bin"
# Nothing that is kept needs to survive; a zone that shows who relies on the server's.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "timezone": "Asia/Kolkata",
}


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes
    ----------
    port
        Where it listens, on this machine alone.
    password
        Of the user `USER`, who may do everything.
    """

    port: int
    password: str = field(repr=False)

    def url(self, database: str = "postgres", driver: str = "postgresql+psycopg") -> str:
        """The SQLAlchemy URL of a database, with the password."""
        return f"{driver}://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> Any:
        """A psycopg connection that commits each statement."""
        import psycopg

        return psycopg.connect(self.url(database, "postgresql"), autocommit=True)

    def make_database(self, name: str) -> str:
        """The URL of a new, empty database; one of that name is dropped."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


def serve_postgres() -> Iterator[Postgres]:
    """Start a server; stop it and remove its data when asked for more."""
    programs = _programs()
    password = secrets.token_hex(16)
    with _data_folder() as folder:
        _initialise(programs, folder, password)
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(folder / "data"), *settings]
        with running(
            lambda port: [*command, "-p", str(port)],
            lambda port: _is_ready(Postgres(port, password)),
            folder / "log",
            end=signal.SIGINT,
            options=_as_nobody_special(),
        ) as port:
            yield Postgres(port, password)


def _programs() -> Path:
    """The newest release's folder of programs."""
    found = sorted(Path("/").glob(f"{_PROGRAMS[1:]}/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        lacking("PostgreSQL", "postgresql")
    return found[-1].parent


@contextmanager
def _data_folder() -> Iterator[Path]:
    """A folder that the server's user owns; pytest's own folders let no other user in."""
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-postgres-"))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def _as_nobody_special() -> dict[str, Any]:
    """The user that the server runs as: PostgreSQL refuses to be root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _initialise(programs: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password, encoding="ascii")
    command = [
        str(programs / "initdb"), "-D", str(folder / "data"), "-U", USER, f"--pwfile={secret}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]},
        **_as_nobody_special(),
    )  # fmt: skip
    secret.unlink()
    assert done.returncode == 0, done.stdout + done.stderr


def _is_ready(server: Postgres) -> bool:
    import psycopg

    try:
        with psycopg.connect(server.url(driver="postgresql"), connect_timeout=10) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
