"""Connections to one PostgreSQL server; what goes wrong names the server and no secret."""

import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from storekeeper.errors import SettingError, SourceError
from storekeeper.online.backends.connections import OwnConnections

try:
    import psycopg
    from psycopg import errors as errors
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ModuleNotFoundError as missing:
    raise SettingError(
        f"An online store in PostgreSQL needs the package '{missing.name}'. Install it: "
        f"pip install 'storekeeper[postgres]'."
    ) from missing

Connection = psycopg.Connection[tuple[Any, ...]]
_Answer = TypeVar("_Answer")
_DRIVER = re.compile(r"^(postgres(?:ql)?)\+psycopg:")
_DEFAULTS = {"connect_timeout": "10", "application_name": "storekeeper"}


class Session:
    """Two connections a thread: one for single statements, one on which rows are streamed meanwhile.

    Parameters
    ----------
    url
        As libpq or SQLAlchemy take it: `postgresql://user:password@host:5432/database`.

    Raises
    ------
    SettingError
        If it can't be read; the message doesn't repeat it.
    """

    def __init__(self, url: str) -> None:
        self._options, self.place, self._secrets = _read_url(url)
        self._single: OwnConnections[Connection] = OwnConnections(_close)
        self._stream: OwnConnections[Connection] = OwnConnections(_close)

    def read(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """What `work` makes of a connection; done once more on a new one if the old one broke."""
        with self._told():
            connection = self._single.current()
            if connection is not None:
                try:
                    return work(connection)
                except psycopg.OperationalError:
                    if not connection.closed:
                        raise
                self._single.forget()
            return work(self._open(self._single))

    def write(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """As `read`, but done once: nobody knows what was done when a connection breaks."""
        with self._told():
            return work(self._live(self._single))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction on the connection for streams: all of it or nothing."""
        with self._told():
            connection = self._live(self._stream)
            with connection.transaction():
                yield connection

    def close(self) -> None:
        """Close connections: this thread's now, others' when they next ask or end."""
        self._single.close()
        self._stream.close()

    def _live(self, connections: OwnConnections[Connection]) -> Connection:
        """The thread's connection; a new one if the server has closed it."""
        connection = connections.current()
        if connection is not None and _is_open(connection):
            return connection
        connections.forget()
        return self._open(connections)

    def _open(self, connections: OwnConnections[Connection]) -> Connection:
        connection = psycopg.connect(self._options, autocommit=True)
        connections.keep(connection)
        # Each statement is of the moment at which it has its locks: an earlier one could lie before a replacement that
        # it waited for, and would find nothing in the new table. `postgres_tables.reading` says more.
        connection.execute("SET default_transaction_isolation = 'read committed'")
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._unusable(error) from None

    def _unusable(self, error: psycopg.Error) -> SourceError:
        problem = " ".join(str(error).split()) or type(error).__name__
        for secret in self._secrets:
            problem = problem.replace(secret, "***")
        return SourceError(
            f"The online store in {self.place} can't be used: {problem}. Check that the server is running, and that "
            f"the variable with its URL names the right one."
        )


def _read_url(url: str) -> tuple[str, str, list[str]]:
    """Options of a connection, its server's name for messages, and what messages must not hold."""
    try:
        options = conninfo_to_dict(_DRIVER.sub(r"\1:", url))
    except psycopg.ProgrammingError:
        options = {}
    # An '@' in a password that isn't written as %40 leaves some of it in the host.
    if not options or "@" in str(options.get("host")):
        raise SettingError(
            "The URL of the online store's PostgreSQL can't be read. Expected "
            "'postgresql://user:password@host:5432/database', with '@', ':', '/' and '%' of a password written as %40, "
            "%3A, %2F and %25."
        )
    secrets = [str(value) for name, value in options.items() if "password" in name and value]
    place = f"PostgreSQL at {options.get('host', 'localhost')}:{options.get('port', 5432)}"
    name = f"{place}, database '{options['dbname']}'" if "dbname" in options else place
    return make_conninfo("", **{**_DEFAULTS, **options}), name, secrets


def _is_open(connection: Connection) -> bool:
    """Whether the server hasn't closed a connection that nobody uses; nothing is sent."""
    if connection.closed:
        return False
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if not waiting.poll(0):
        return True
    try:
        connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return not waiting.poll(0)


def _close(connection: Connection) -> None:
    connection.close()
