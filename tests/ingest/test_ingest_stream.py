"""`storekeeper ingest --stream redis`: nothing is lost and nothing counts twice, whoever dies in the middle."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ingest.clicks import click, counts, expected_counts, make_ready
from projects import Project
from servers.redis_server import Redis
from storekeeper.errors import SettingError, SourceError
from storekeeper.ingest.pusher import EventPusher
from storekeeper.ingest.redis_stream import Broker, EventStream, connected
from storekeeper.ingest.run import Summary, ingest
from storekeeper.ingest.stopping import Stop

VARIABLE = "STREAM_URL"
GROUP = "windows"


@pytest.fixture
def key() -> str:
    """A stream of the test's own."""
    return f"clicks-{uuid.uuid4()}"


def fill(server: Redis, key: str, events: Iterable[Any], **fields: str) -> None:
    """Add entries."""
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for event in events:
            pipeline.xadd(key, {"event": json.dumps(event), **fields})
        pipeline.execute()


def pending(server: Redis, key: str) -> int:
    """Entries that were delivered and not acknowledged."""
    with server.client() as client:
        return int(client.xpending(key, GROUP)["pending"])


@contextmanager
def consumer(server: Redis, key: str, size: int = 100, **settings: Any) -> Iterator[EventStream]:
    """A consumer in this process, that takes others for dead at once."""
    broker = Broker(
        VARIABLE, key, GROUP, settings.pop("consumer", uuid.uuid4().hex), **{"claim_seconds": 0.05, **settings}
    )
    with connected(broker, {VARIABLE: server.url()}) as client:
        yield EventStream(client, broker, size)


def drained(store: Any, server: Redis, key: str, **settings: Any) -> Summary:
    """What became of all that was in the stream."""
    with consumer(server, key, **settings) as stream:
        return ingest(stream.batches(Stop(), drain=True), EventPusher(store, "clicks"), lambda _: None, Stop())


def test_all_entries_once(project: Project, redis_server: Redis, key: str) -> None:
    """All entries are pushed and acknowledged; entries that repeat an event are duplicates; another run has nothing."""
    store = make_ready(project)
    fill(redis_server, key, map(click, [*range(250), *range(50)]))
    first, again = drained(store, redis_server, key), drained(store, redis_server, key)
    assert (first.accepted, first.duplicates, first.rejected) == (250, 50, 0)
    assert again.events == 0
    assert pending(redis_server, key) == 0
    assert counts(project) == expected_counts(range(250))


def test_rejects_are_told_by_id(project: Project, redis_server: Redis, key: str) -> None:
    """Entries that hold no event are rejected with their id, and acknowledged; the others go in."""
    store, told = make_ready(project), []
    with redis_server.client() as client:
        ids = [client.xadd(key, fields).decode() for fields in ({"event": "{"}, {"other": "x"}, {"event": b"\xff"})]
    fill(redis_server, key, [click(1), click(2, user_id=None)])
    with consumer(redis_server, key) as stream:
        summary = ingest(stream.batches(Stop(), drain=True), EventPusher(store, "clicks"), told.extend, Stop())
    assert (summary.accepted, summary.rejected) == (1, 4)
    assert {one.place for one in told} >= set(ids)
    assert "no field 'event'" in next(one.reason for one in told if one.place == ids[1])
    assert pending(redis_server, key) == 0


def test_pushed_and_not_acknowledged(project: Project, redis_server: Redis, key: str) -> None:
    """What a consumer pushed and didn't acknowledge is claimed by another, and counts once."""
    store = make_ready(project)
    fill(redis_server, key, map(click, range(100)))
    with consumer(redis_server, key, 60) as dying:
        first = next(dying.batches(Stop()))
        assert EventPusher(store, "clicks").push_batch(first).accepted == 60
    summary = drained(store, redis_server, key)
    assert (summary.accepted, summary.duplicates) == (40, 60)
    assert counts(project) == expected_counts(range(100))


def test_own_entries_first(project: Project, redis_server: Redis, key: str) -> None:
    """A consumer that is started again under its name takes up what it left, without waiting."""
    store = make_ready(project)
    fill(redis_server, key, map(click, range(100)))
    with consumer(redis_server, key, 60, consumer="one", claim_seconds=3600) as dying:
        next(dying.batches(Stop()))
    assert drained(store, redis_server, key, consumer="one", claim_seconds=3600).accepted == 100


def test_deleted_entries(project: Project, redis_server: Redis, key: str) -> None:
    """Entries that were deleted while they were pending hold nobody up."""
    store = make_ready(project)
    fill(redis_server, key, map(click, range(10)))
    with consumer(redis_server, key, 10, consumer="one", claim_seconds=3600) as dying:
        batch = next(dying.batches(Stop()))
    redis_server.tell("XDEL", key, *batch.places[:4])
    assert drained(store, redis_server, key, consumer="one", claim_seconds=3600).accepted == 6
    assert pending(redis_server, key) == 0


def test_a_push_that_fails_is_not_acknowledged(redis_server: Redis, key: str) -> None:
    """Where the store can't be written, entries stay pending."""

    class Broken:
        """A pusher whose store can't be written."""

        def push_batch(self, _: Any) -> Any:
            """Fail."""
            raise SourceError("The disk is full.")

    fill(redis_server, key, [click(1)])
    with consumer(redis_server, key) as stream, pytest.raises(SourceError, match="full"):
        ingest(stream.batches(Stop()), Broken(), lambda _: None, Stop())  # type: ignore[arg-type]
    assert pending(redis_server, key) == 1


def test_no_secret_is_told(redis_server: Redis, key: str) -> None:
    """Neither a wrong URL nor a server that is gone tells the password."""
    broker = Broker(VARIABLE, key, GROUP, "one")
    for url in ("redis://:secret@host:port/0", "ftp://:secret@host"):
        with pytest.raises(SettingError) as wrong, connected(broker, {VARIABLE: url}):
            pass
        assert "secret" not in str(wrong.value)
        assert wrong.value.__context__ is None
    bad = redis_server.url().replace(redis_server.password, "secret")
    with connected(broker, {VARIABLE: bad}) as client, pytest.raises(SourceError) as gone:
        next(EventStream(client, broker, 1).batches(Stop()))
    assert "secret" not in str(gone.value)
    assert VARIABLE in str(gone.value)
    redis_server.tell("SET", key, "no stream")
    with consumer(redis_server, key) as stream, pytest.raises(SourceError, match="stream"):
        next(stream.batches(Stop()))


@pytest.fixture
def start(project: Project, redis_server: Redis, key: str) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`start(...)` starts the command on the stream in a process of its own; all are killed at the end."""
    processes: list[subprocess.Popen[str]] = []

    def call(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "storekeeper", "ingest", "clicks", "--stream", "redis", "--stream-key", key]
        command += ["--group", GROUP, "--url-env", VARIABLE, "--json", *arguments]
        environment = {**os.environ, VARIABLE: redis_server.url()}
        processes.append(
            subprocess.Popen(
                command, cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return processes[-1]

    yield call
    for process in processes:
        process.kill()
        process.communicate()


def until(server: Redis, key: str, entries: int) -> None:
    """Wait until a group's consumers have been given so many entries."""
    with server.client() as client:
        while True:
            groups = client.xinfo_groups(key) if client.exists(key) else []
            if groups and (groups[0].get("entries-read") or 0) >= entries:
                return
            client.blpop(["nothing-ever-comes"], timeout=0.01)


@pytest.mark.slow
def test_killed_in_the_middle(project: Project, redis_server: Redis, key: str, start: Callable[..., Any]) -> None:
    """A consumer is killed amid its batches, and another takes over: nothing is lost, nothing is there twice."""
    make_ready(project)
    numbers = range(3000)
    fill(redis_server, key, map(click, numbers))
    killed = start("--batch", "20")
    until(redis_server, key, 500)
    killed.kill()
    killed.communicate()
    assert redis_server.tell("XLEN", key) == 3000
    heir = start("--drain", "--claim-after", "0.2")
    out, err = heir.communicate(timeout=240)
    assert heir.returncode == 0, err
    told = json.loads(out)
    assert 0 < told["events"] < 3000
    assert counts(project) == expected_counts(numbers)
    assert pending(redis_server, key) == 0


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_stopped(
    project: Project, redis_server: Redis, key: str, start: Callable[..., Any], end: signal.Signals
) -> None:
    """Ctrl-C finishes the batch in hand: what was delivered is acknowledged, and the summary tells of it."""
    make_ready(project)
    fill(redis_server, key, map(click, range(300)))
    process = start("--batch", "50")
    until(redis_server, key, 100)
    process.send_signal(end)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["accepted"] >= 100
    assert pending(redis_server, key) == 0
    assert sum(count or 0 for count in counts(project)) == told["accepted"]
