"""Connections to one Redis server, and transactions on them; what goes wrong names the server and no secret."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from storekeeper.errors import SettingError, SourceError

try:
    import hiredis
    from redis import exceptions as redis_errors
    from redis.connection import Connection, parse_url
except ModuleNotFoundError as missing:
    raise SettingError(
        f"An online store in Redis needs the package '{missing.name}'. Install it: pip install 'storekeeper[redis]'."
    ) from missing

#: A command's name and arguments; of those that read, the second one is the key.
Command = tuple[bytes | str | int, ...]
#: What is done at one moment.
Transaction = Sequence[Command]

# Its own types know no tuples of several parts.
_packed: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]

_EXPECTED = "Expected 'redis://user:password@host:6379/0', or 'rediss://...' with TLS"
# A large view's replacement stops the server for a moment, so an answer has longer than a connection.
_DEFAULTS = {"host": "localhost", "port": 6379, "socket_connect_timeout": 5.0, "socket_timeout": 30.0}

# ARGV: of each command, how many parts it has, and the parts.
_ONE_BY_ONE = """
local answers, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  answers[#answers + 1] = redis.call(unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
return answers
"""
#: So many arguments a command may have for Lua's stack to hold them.
MOST_ARGUMENTS = 5000


class Lines:
    """As many connections as there are callers at one time; a forked process opens its own.

    Parameters
    ----------
    url
        `redis://` or `rediss://` (TLS), with settings of redis-py's connections in its query, such as
        `?ssl_ca_certs=ca.pem` or `?socket_timeout=2` (seconds; 30 by default, and 5 to connect).

    Raises
    ------
    SettingError
        If the URL can't be read; it isn't repeated.
    """

    def __init__(self, url: str) -> None:
        self._open, self.place = _opener(url)
        self._free: deque[Connection] = deque()
        self._process = os.getpid()

    def transact(self, transactions: Sequence[Transaction], *, reading: bool = False) -> list[list[Any]]:
        """Send transactions in one go; what the commands of each answered.

        A server that was restarted is connected to anew. If the connection breaks while an answer is awaited, reading
        starts over once; writing doesn't, as nobody knows whether it was done.

        Raises
        ------
        SourceError
            If the server can't be reached, or refused a command. All commands of a transaction are carried out then,
            or none, unless the server's memory is full or one of the keys isn't ours.
        """
        with self._told():
            return self._read(transactions) if reading else self._exchange(self._live, transactions)

    @contextmanager
    def line(self) -> Iterator[Connection]:
        """A connection that is alive, for a block of its own; what Redis raises in it becomes a SourceError."""
        with self._told(), self._borrowed(self._live) as line:
            yield line

    def close(self) -> None:
        """Close all connections that nobody uses."""
        free = self._here()
        while free:
            free.pop().disconnect()

    def _read(self, transactions: Sequence[Transaction]) -> list[list[Any]]:
        try:
            return self._exchange(self._take, transactions)
        except redis_errors.AuthenticationError:
            raise
        except redis_errors.ConnectionError:
            self.close()
        except redis_errors.OutOfMemoryError:
            # A full server refuses transactions, also those that only read, but runs scripts.
            scripts = self._exchange(self._live, [[_as_script(one)] for one in transactions])
            return [answers for (answers,) in scripts]
        return self._exchange(self._live, transactions)

    def _exchange(self, take: Callable[[], Connection], transactions: Sequence[Transaction]) -> list[list[Any]]:
        with self._borrowed(take) as line:
            return exchange(line, transactions)

    @contextmanager
    def _borrowed(self, take: Callable[[], Connection]) -> Iterator[Connection]:
        line = take()
        try:
            yield line
        except BaseException:
            # Answers may be under way that nobody waits for.
            line.disconnect()
            raise
        self._here().append(line)

    def _take(self) -> Connection:
        """A free connection, or a new one."""
        try:
            return self._here().pop()
        except IndexError:
            line = self._open()
            try:
                line.connect()
            except UnicodeError as error:
                raise redis_errors.ConnectionError(f"its host has no name that can be looked up: {error}") from error
            return line

    def _live(self) -> Connection:
        """As `_take`, if the server hasn't closed it."""
        while self._here():
            line = self._take()
            if _is_quiet(line):
                return line
            line.disconnect()
        return self._take()

    def _here(self) -> deque[Connection]:
        """Free connections of this process; a parent's are let go, which leaves its own ends open."""
        if self._process != os.getpid():
            self._free, self._process = deque(), os.getpid()
        return self._free

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except redis_errors.RedisError as error:
            raise SourceError(f"{self.place} can't be used ({error}). {_advice(error)}") from error


def exchange(line: Connection, transactions: Sequence[Transaction]) -> list[list[Any]]:
    """Send transactions over one connection; what the commands of each answered.

    Raises
    ------
    RedisError
        If one of them failed; the connection may hold answers to others then.
    """
    send(line, [command for one in transactions for command in _framed(one)])
    return [_answers(line, len(one)) for one in transactions]


def send(line: Connection, commands: Iterable[Command]) -> None:
    """Send commands without waiting for their answers."""
    line.send_packed_command((b"".join([_packed(command) for command in commands]),))


def _framed(transaction: Transaction) -> Transaction:
    return transaction if len(transaction) == 1 else ((b"MULTI",), *transaction, (b"EXEC",))


def _answers(line: Connection, count: int) -> list[Any]:
    if count == 1:
        return [line.read_response(disable_decoding=True)]
    for _ in range(1 + count):
        line.read_response(disable_decoding=True)
    answers: list[Any] | None = line.read_response(disable_decoding=True)
    if answers is None:
        raise redis_errors.WatchError("what was watched has changed")
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _as_script(transaction: Transaction) -> Command:
    keys = dict.fromkeys(command[1] for command in transaction)
    parts = [part for command in transaction for part in (len(command), *command)]
    return (b"EVAL", _ONE_BY_ONE, len(keys), *keys, *parts)


def _is_quiet(line: Connection) -> bool:
    try:
        return not line.can_read(0)
    except redis_errors.ConnectionError:
        return False


def _advice(error: Exception) -> str:
    if isinstance(error, redis_errors.AuthenticationError):
        return "Check the user and the password in its URL."
    if isinstance(error, redis_errors.WatchError):
        return "Another replacement of the same view began meanwhile, or it was dropped: materialise again."
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError):
        return "Check that it runs, and the host, port and TLS settings of its URL."
    if str(error).startswith(("MOVED", "CROSSSLOT")) or type(error).__name__ == "MovedError":
        return "It is one of several servers of a cluster; Storekeeper needs one that holds all slots."
    return "Check that its memory suffices and it evicts nothing, and what its user may do."


def _opener(url: str) -> tuple[Callable[[], Connection], str]:
    """What opens a connection, and the server's name."""
    told, settings = None, ""
    try:
        parts = urlsplit(url)
        settings = f" Its settings are: {', '.join(sorted(parse_qs(parts.query)))}." if parts.query else ""
        if parts.scheme in {"redis", "rediss"} and parts.path.strip("/").isdecimal() | (not parts.path.strip("/")):
            told = parse_url(url)
            made = told.pop("connection_class", Connection)
            options = {**_DEFAULTS, **told, "protocol": 2}
            made(**options)
            return lambda: made(**options), f"Redis at {options['host']}:{options['port']}"
    except (ValueError, TypeError, redis_errors.RedisError):
        pass
    # Out of the block above, so that an error that may repeat a secret isn't chained.
    raise SettingError(f"The URL of the online store's Redis can't be read. {_EXPECTED}.{settings}")
