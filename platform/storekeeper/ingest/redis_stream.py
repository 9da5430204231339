"""A Redis stream as the broker of events: read by a group of consumers, acknowledged once they are pushed.

An entry is delivered to one consumer of the group and stays pending until it is acknowledged, which happens when its
batch is committed. What a consumer that died has left pending is claimed by another after a while. So each entry is
pushed at least once; and since an event counts once however often it is pushed, it counts once.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from storekeeper.errors import SettingError, SourceError, listing
from storekeeper.ingest.batch import Batch, Refused
from storekeeper.ingest.json_events import read_batch
from storekeeper.ingest.stopping import Stop

#: An entry's id and its fields; None of one that was deleted while it was pending.
Entry: TypeAlias = tuple[bytes, Mapping[bytes, bytes] | None]

_BLOCK_MILLISECONDS = 1000
_TIMEOUTS = {"socket_connect_timeout": 5.0, "socket_timeout": 30.0}


def own_name() -> str:
    """A consumer's name that no other process of a group has."""
    return f"{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"


@dataclass(frozen=True)
class Broker:
    """Which stream is read, and as whom.

    Attributes
    ----------
    url_variable
        The environment variable that holds the server's URL.
    key
        The stream.
    group
        The group of consumers that share its entries; it is made at the stream's beginning if it isn't there.
    consumer
        This one's name. What a former process of that name left pending is taken up at once.
    event_field
        The entries' field that holds an event as a JSON object.
    claim_seconds
        How long an entry of another consumer has been pending when that one is taken for dead.
    """

    url_variable: str
    key: str
    group: str
    consumer: str
    event_field: str = "event"
    claim_seconds: float = 60.0


class EventStream:
    """A consumer of a stream.

    Parameters
    ----------
    client
        A redis-py client that gives bytes.
    broker
        What is read.
    size
        Entries that a batch holds at most.
    """

    def __init__(self, client: Any, broker: Broker, size: int) -> None:
        self._client, self._broker, self._size = client, broker, size
        self._claims_at = 0.0
        self._has_own = True

    def batches(self, stop: Stop, *, drain: bool = False) -> Iterator[Batch]:
        """Batches until a stop is wanted; with `drain` also until no entry of the group is left.

        Each is acknowledged by its `done`.

        Raises
        ------
        SourceError
            If the server can't be reached, or the key is no stream.
        """
        with self._told():
            self._join()
        while not stop.wanted:
            with self._told():
                entries = self._left() or self._new()
                over = drain and not entries and not self._is_pending()
            if entries:
                yield self._batch(entries)
            elif over:
                return

    def _join(self) -> None:
        from redis.exceptions import ResponseError

        try:
            self._client.xgroup_create(self._broker.key, self._broker.group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _left(self) -> Sequence[Entry]:
        """Entries that were delivered and not acknowledged: first this consumer's own, then those of dead ones."""
        if self._has_own:
            if entries := self._read("0"):
                return entries
            self._has_own = False
        if time.monotonic() < self._claims_at:
            return ()
        entries = self._claimed()
        if not entries:
            self._claims_at = time.monotonic() + self._broker.claim_seconds / 2
        return entries

    def _new(self) -> Sequence[Entry]:
        wait = max(1, min(_BLOCK_MILLISECONDS, int(500 * self._broker.claim_seconds)))
        return self._read(">", block=wait)

    def _read(self, start: str, **options: int) -> Sequence[Entry]:
        broker = self._broker
        answer = self._client.xreadgroup(
            broker.group, broker.consumer, {broker.key: start}, count=self._size, **options
        )
        return answer[0][1] if answer else ()

    def _claimed(self) -> Sequence[Entry]:
        broker, start = self._broker, b"0-0"
        while True:
            start, entries, *_ = self._client.xautoclaim(
                broker.key,
                broker.group,
                broker.consumer,
                min_idle_time=int(1000 * broker.claim_seconds),
                start_id=start,
                count=self._size,
            )
            if entries or start == b"0-0":
                found: Sequence[Entry] = entries
                return found

    def _is_pending(self) -> bool:
        return bool(self._client.xpending(self._broker.key, self._broker.group)["pending"])

    def _batch(self, entries: Sequence[Entry]) -> Batch:
        ids = [entry for entry, _ in entries]
        there = [(entry.decode(), fields) for entry, fields in entries if fields]
        name = self._broker.event_field.encode()
        found = [(place, fields[name]) for place, fields in there if name in fields]
        strange = tuple(_without_event(place, fields, name) for place, fields in there if name not in fields)
        batch = read_batch([place for place, _ in found], [text for _, text in found])
        return replace(batch, unread=(*batch.unread, *strange), done=lambda: self._acknowledge(ids))

    def _acknowledge(self, ids: Sequence[bytes]) -> None:
        with self._told():
            self._client.xack(self._broker.key, self._broker.group, *ids)

    @contextmanager
    def _told(self) -> Iterator[None]:
        from redis.exceptions import RedisError

        try:
            yield
        except RedisError as error:
            raise SourceError(
                f"The stream '{self._broker.key}' can't be read ({error}). Check that Redis runs, the URL in "
                f"{self._broker.url_variable} and that the key is a stream. What was not acknowledged is read again."
            ) from error


def _without_event(place: str, fields: Mapping[bytes, bytes], name: bytes) -> Refused:
    told = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in fields.items()}
    return Refused(place, f"The entry has no field '{name.decode()}'. It has: {listing(told)}.", repr(told))


@contextmanager
def connected(broker: Broker, env: Mapping[str, str] = os.environ) -> Iterator[Any]:
    """A client of the broker's server; nothing is contacted yet.

    Raises
    ------
    SettingError
        If redis-py isn't installed, the variable isn't set, or its content is no URL, which isn't repeated.
    """
    try:
        import redis
    except ModuleNotFoundError as missing:
        raise SettingError(
            f"Reading a Redis stream needs the package '{missing.name}'. Install it: pip install 'storekeeper[redis]'."
        ) from missing
    url = env.get(broker.url_variable)
    if not url:
        raise SettingError(
            f"The variable {broker.url_variable}, which holds the URL of the stream's Redis, isn't set. Set it to "
            f"'redis://user:password@host:6379/0' or name another variable: --url-env."
        )
    client = None
    with suppress(ValueError, TypeError):
        client = redis.Redis.from_url(url, **_TIMEOUTS)
    if client is None:
        # Out of the block above, so that an error that may repeat a secret isn't chained.
        raise SettingError(
            f"The URL in {broker.url_variable} can't be read. Expected 'redis://user:password@host:6379/0', or "
            f"'rediss://...' with TLS."
        )
    with client:
        yield client
