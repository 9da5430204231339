"""Servers of a test run start on free ports, are gone when their tests are, and missing ones are told."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from servers import postgres_server
from servers.loopback import HOST, free_port, lacking, running
from servers.postgres_server import Postgres, serve_postgres

SERVE = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex((HOST, port)) == 0


def test_a_server_runs_as_long_as_its_block(tmp_path: Path) -> None:
    """It answers inside, and nothing answers afterwards."""
    with running(lambda port: [sys.executable, "-c", SERVE, str(port)], _answers, tmp_path / "log") as port:
        assert _answers(port)
    assert not _answers(port)


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    """What it printed is in the error."""
    program = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    server = running(lambda port: [*program, str(port)], _answers, tmp_path / "log")
    with pytest.raises(RuntimeError, match="no such thing"):
        server.__enter__()


def test_free_ports_are_free() -> None:
    """Nothing listens on one."""
    assert not _answers(free_port())


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_missing_programs(ci: str, outcome: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL its tests are skipped, and on CI they fail; both name Debian's package."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(postgres_server, "_PROGRAMS", "/nowhere/*/bin")
    with pytest.raises(outcome, match="apt-get install postgresql"):
        next(serve_postgres())
    with pytest.raises(outcome, match="apt-get install redis-server"):
        lacking("Redis", "redis-server")


def test_the_password_is_asked_for(postgres: Postgres) -> None:
    """A wrong password is refused, and the right one isn't shown in the fixture's own text."""
    import psycopg

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        Postgres(postgres.port, "wrong").connect()
    assert postgres.password not in repr(postgres)
    with postgres.connect() as connection:
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
