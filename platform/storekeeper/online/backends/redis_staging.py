"""New state of a view, brought beside the old and put in its place at once."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from redis import exceptions as redis_errors
from redis.connection import Connection

from storekeeper.errors import SourceError
from storekeeper.online.backends.base import Settled, StateRow
from storekeeper.online.backends.redis_layout import names, shard_of
from storekeeper.online.backends.redis_lines import Command, Lines, Transaction, exchange, send
from storekeeper.online.backends.redis_scripts import settle_commands

_ROWS_PER_COMMAND = 1000
_BYTES_PER_COMMAND = 1 << 20
_COMMANDS_AHEAD = 8

# KEYS: the hash of state, one of new rows that are put into it, and how far that has come. ARGV: about how many rows to
# put, so that no script takes seconds: Redis tells other clients that it is busy then, instead of letting them wait.
_MERGE = """
local cursor, count = redis.call('GET', KEYS[3]) or '0', 0
if cursor == 'end' then return end
repeat
  local found = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', 1000)
  cursor = found[1]
  for first = 1, #found[2], 2000 do
    redis.call('HSET', KEYS[1], unpack(found[2], first, math.min(first + 1999, #found[2])))
  end
  count = count + #found[2] / 2
until cursor == '0' or count >= tonumber(ARGV[1])
redis.call('SET', KEYS[3], cursor == '0' and 'end' or cursor)
"""
_ROWS_PER_SCRIPT = 250_000
_ALL = 1 << 53


@dataclass(frozen=True)
class Staging:
    """New state of a view that one writer brings.

    Attributes
    ----------
    lines
        Connections.
    view, shards
        Whose state it is, and how many shards it lies in.
    token
        The writer's own, which names its hashes.
    """

    lines: Lines
    view: str
    shards: int
    token: bytes

    def bring(self, rows: Iterable[StateRow]) -> list[int]:
        """Write rows beside the state, some commands ahead of their answers. How many there are, by shard."""
        counts, ahead = [0] * self.shards, 0
        with self.lines.line() as line:
            for shard, fields in _portions(rows, self.shards):
                send(line, [(b"HSET", self._next(shard), *fields)])
                counts[shard] += len(fields) // 2
                ahead += 1
                if ahead > _COMMANDS_AHEAD:
                    line.read_response()
                    ahead -= 1
            for _ in range(ahead):
                line.read_response()
        return counts

    def take_over(self, shard: int, count: int, *, keep: bool) -> list[Command]:
        """Commands that put so many new rows of a shard in the place of its state, or into it."""
        state, new = names(self.view, shard).state, self._next(shard)
        if not count:
            return [] if keep else [(b"UNLINK", state)]
        if not keep:
            return [(b"UNLINK", state), (b"RENAME", new, state)]
        progress = new + b":progress"
        portions = [*[_ROWS_PER_SCRIPT] * (count // _ROWS_PER_SCRIPT), _ALL]
        merges: list[Command] = [(b"EVAL", _MERGE, 3, state, new, progress, portion) for portion in portions]
        return [*merges, (b"UNLINK", new, progress)]

    def ended(self) -> Command:
        """The command that says that nobody writes now."""
        return (b"UNLINK", names(self.view).writer)

    def switch(self, counts: Sequence[int], transactions: Sequence[Transaction]) -> None:
        """Carry out transactions, if no other writer has begun since, and all that was brought is there.

        Raises
        ------
        SourceError
            If not; nothing has changed then.
        """
        with self.lines.line() as line:
            if _watched(line, names(self.view).writer, b"GET") != self.token:
                raise redis_errors.WatchError("the view has another writer now")
            there = [_watched(line, self._next(shard), b"HLEN") for shard in range(self.shards)]
            if there != list(counts):
                raise redis_errors.RedisError(f"of {sum(counts):,} rows written, {sum(there):,} are there")
            # The first one is what the connection watches for.
            exchange(line, transactions[:1])
            exchange(line, transactions[1:])

    def clear(self) -> None:
        """Remove what was brought and not taken over."""
        unlink_next(self.lines, self.view, self.shards, self.token)

    def _next(self, shard: int) -> bytes:
        return names(self.view, shard).next(self.token)


@contextmanager
def staging(lines: Lines, view: str, shards: int) -> Iterator[Staging]:
    """Begin to write a view's state; what a writer before left is removed, and so is what this one leaves."""
    token = secrets.token_hex(8).encode()
    ((before,),) = lines.transact([[(b"SET", names(view).writer, token, b"GET")]])
    if before is not None:
        unlink_next(lines, view, shards, before)
    begun = Staging(lines, view, shards, token)
    try:
        yield begun
    except BaseException:
        # The error that broke it off is the one to tell; the next writer tries again.
        with suppress(SourceError):
            begun.clear()
        raise


def unlink_next(lines: Lines, view: str, shards: int, token: bytes) -> None:
    """Remove what a writer has brought."""
    lines.transact([[(b"UNLINK", names(view, shard).next(token))] for shard in range(shards)])


def settle(view: str, settled: Iterable[Settled], until_us: int | None, shards: int) -> list[list[Command]]:
    """Commands that take settled rows away and remember their slots, by shard."""
    by_shard: list[list[Settled]] = [[] for _ in range(shards)]
    # An entity's rows side by side, so that they are taken apart once; and as `redis_remembered` has them.
    for row in sorted(settled, key=lambda row: (row.key, row.slot)):
        by_shard[shard_of(row.key, shards)].append(row)
    return [settle_commands(names(view, shard), rows, until_us) for shard, rows in enumerate(by_shard)]


def _watched(line: Connection, name: bytes, command: bytes) -> Any:
    """What a command tells of a key, from now on watched by the connection's next transaction."""
    send(line, [(b"WATCH", name), (command, name)])
    line.read_response()
    return line.read_response(disable_decoding=True)


def _portions(rows: Iterable[StateRow], shards: int) -> Iterator[tuple[int, list[bytes]]]:
    """Shards, and what goes into one command: key, value, key, value and so on."""
    filling: list[list[bytes]] = [[] for _ in range(shards)]
    sizes = [0] * shards
    for key, _, _, value in rows:
        shard = shard_of(key, shards) if shards > 1 else 0
        fields = filling[shard]
        fields += (key, value)
        sizes[shard] += len(value)
        if len(fields) >= 2 * _ROWS_PER_COMMAND or sizes[shard] >= _BYTES_PER_COMMAND:
            yield shard, fields
            filling[shard], sizes[shard] = [], 0
    yield from ((shard, fields) for shard, fields in enumerate(filling) if fields)
