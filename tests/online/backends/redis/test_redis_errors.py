"""A Redis that goes away, comes back, refuses or is full: told without secrets, and nothing is mixed up afterwards."""

import importlib
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from online.backends.two_layers import KEYS, META, VIEW, contents, look, pushed_row, state_rows
from servers.loopback import HOST
from servers.redis_server import Redis, prepared, started
from storekeeper.errors import SettingError, SourceError
from storekeeper.online.backends import Asked, Found, StateRow, redis_lines
from storekeeper.online.backends.redis import RedisBackend
from storekeeper.online.backends.redis_layout import names

THERE = Found([b"v"] * 3, [], [])


@pytest.fixture
def server(redis_server: Redis) -> Redis:
    """A server that has one view's state."""
    redis_server.tell("FLUSHALL")
    backend = RedisBackend(redis_server.url())
    backend.replace(VIEW, state_rows(b"v"), META)
    backend.close()
    return redis_server


@pytest.fixture
def backend(server: Redis) -> Iterator[RedisBackend]:
    """A backend over it that has a connection open."""
    made = RedisBackend(server.url())
    assert look(made, KEYS) == THERE
    yield made
    made.close()


def test_a_restarted_server_is_connected_to_again() -> None:
    """Readers and writers that were connected before go on; while it is away, they are told."""
    with prepared() as new:
        with started(new) as server:
            backends = [RedisBackend(server.url()) for _ in range(3)]
            backends[0].replace(VIEW, state_rows(b"v"), META)
            assert [look(backend, KEYS) for backend in backends] == [THERE] * 3
            server.tell("SAVE")
        with pytest.raises(SourceError, match=f"Redis at {HOST}:{server.port} can't be used .* Check that it runs"):
            look(backends[0], KEYS)
        with started(server):
            assert look(backends[0], KEYS) == THERE
            assert backends[1].push(VIEW, [pushed_row(b"k", 1)]) == [True]
            assert backends[2].replace(VIEW, state_rows(b"w"), META) == 3
            assert contents(backends[0]) == (META, [b"k", *KEYS], [None, *[b"w"] * 3], 3, [pushed_row(b"k", 1)])
        for backend in backends:
            backend.close()


def test_closed_connections_are_opened_again(server: Redis, backend: RedisBackend) -> None:
    """Whatever comes first after the server has closed a connection that nobody used."""
    works = [
        lambda: look(backend, KEYS) == THERE, lambda: backend.push(VIEW, []) == [], lambda: backend.count(VIEW) == 3,
        lambda: backend.update(VIEW, [], META) == 0, lambda: backend.create(VIEW) is None,
    ]  # fmt: skip
    for work in works:
        server.tell("CLIENT", "KILL", "TYPE", "normal")
        assert work()


def test_a_slow_answer_is_no_later_one(server: Redis) -> None:
    """An answer that comes after its time is told, and isn't taken for the answer to the next question."""
    backend = RedisBackend(server.url(socket_timeout=0.2))
    assert look(backend, KEYS) == THERE
    process = server.tell("INFO", "server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(SourceError, match="Timeout reading"):
            look(backend, KEYS)
        with pytest.raises(SourceError, match="Timeout"):
            backend.push(VIEW, [pushed_row(b"k", 1)])
    finally:
        os.kill(process, signal.SIGCONT)
    assert RedisBackend(server.url()).views() == [VIEW]
    assert look(backend, [b"nobody"]) == Found([None], [], [])
    backend.close()


def test_a_wrong_password_is_told(server: Redis) -> None:
    """With the server's name, what to do, and without either password."""
    with pytest.raises(SourceError, match=f"Redis at {HOST}:{server.port} .*Check the user and the password") as caught:
        look(RedisBackend(f"redis://:geheim@{HOST}:{server.port}"), KEYS)
    assert "geheim" not in f"{caught.value}{caught.value.__cause__!r}{caught.value.__context__!r}"
    with pytest.raises(SourceError, match="Authentication required"):
        look(RedisBackend(f"redis://{HOST}:{server.port}"), KEYS)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:geheim/extra@host:6379/0", "redis://:ge#heim@host", "http://:geheim@host", "geheim", "",
        "redis://:geheim@host:port", "redis://:geheim@host/name", "redis://:geheim@[host", "unix://:geheim@/socket",
        "redis://:geheim@host?nonsense=geheim", "redis://:geheim@host?db=geheim",
        "rediss://:geheim@host?ssl_cert_reqs=geheim", "redis://:geheim@host?socket_timeout=geheim",
    ],
)  # fmt: skip
def test_unreadable_urls_are_not_repeated(url: str) -> None:
    """The error says what is expected, and neither it nor what led to it shows the URL."""
    with pytest.raises(SettingError, match="Expected 'redis://user:password@host:6379/0'") as caught:
        RedisBackend(url)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert "heim" not in str(caught.value)


def test_a_host_that_is_no_name() -> None:
    """It is told like one that can't be reached."""
    with pytest.raises(SourceError, match=r"Redis at a\.\.b:6379 can't be used .*looked up"):
        RedisBackend("redis://:geheim@a..b").views()


def test_what_rows_raise_is_not_taken_for_redis(backend: RedisBackend) -> None:
    """An error of whoever brings the rows goes through as it is."""

    def rows() -> Iterator[StateRow]:
        yield StateRow(b"k", 1, 1, "ä".encode())
        raise UnicodeError("in a source")

    with pytest.raises(UnicodeError, match="in a source"):
        backend.replace(VIEW, rows(), META)
    assert look(backend, KEYS) == THERE


def test_settings_in_the_url(server: Redis) -> None:
    """A database's number, user and settings of redis-py count; the error of an unknown one names it."""
    backend = RedisBackend(server.url(1, socket_connect_timeout=3).replace("//:", "//default:"))
    assert backend.views() == []
    backend.create("in database 1")
    assert RedisBackend(server.url()).views() == [VIEW]
    with pytest.raises(SettingError, match="Its settings are: color, socket_timeout"):
        RedisBackend(server.url(socket_timeout=1, color="red"))
    with pytest.raises(SourceError, match="can't be used"):
        RedisBackend(server.url(99)).views()
    backend.close()


@pytest.mark.parametrize("package", ["hiredis", "redis"])
def test_a_missing_package_is_told(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the backend without what `storekeeper[redis]` installs says so."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, redis_lines.__name__)
    with pytest.raises(SettingError, match=rf"needs the package '{package}'.*pip install 'storekeeper\[redis\]'"):
        importlib.import_module(redis_lines.__name__)


def test_tls(redis_with_tls: Redis) -> None:
    """With the certificate all works; without it, or without TLS, nothing does."""
    backend = RedisBackend(redis_with_tls.url())
    backend.replace(VIEW, state_rows(b"v"), META)
    assert backend.push(VIEW, [pushed_row(b"k", 1)]) == [True]
    assert look(backend, KEYS) == THERE
    backend.close()
    bare = f"//:{redis_with_tls.password}@{HOST}:{redis_with_tls.port}"
    for url in (f"rediss:{bare}", f"rediss:{bare}?ssl_ca_certs=/nowhere.pem", f"redis:{bare}"):
        with pytest.raises(SourceError, match="TLS settings") as caught:
            look(RedisBackend(url), KEYS)
        assert redis_with_tls.password not in str(caught.value)


def test_a_full_server_keeps_what_it_has(server: Redis, backend: RedisBackend) -> None:
    """Without memory nothing is written, and all that was there is read; with memory, writing goes on."""
    rows = [pushed_row(b"%d" % i, 1) for i in range(700)]
    server.tell("CONFIG", "SET", "maxmemory", 1)
    try:
        for work in (
            lambda: backend.push(VIEW, rows), lambda: backend.update(VIEW, state_rows(b"w"), META),
            lambda: backend.replace(VIEW, state_rows(b"w"), META), lambda: backend.create("new"),
        ):  # fmt: skip
            with pytest.raises(SourceError, match="Check that its memory suffices"):
                work()
            assert contents(backend) == (META, KEYS, [b"v"] * 3, 3, [])
    finally:
        server.tell("CONFIG", "SET", "maxmemory", 0)
    assert backend.push(VIEW, rows) == [True] * 700
    assert backend.replace(VIEW, state_rows(b"w"), META) == 3
    assert server.tell("KEYS", "*next*") == []


def test_a_key_that_is_not_ours(server: Redis, backend: RedisBackend) -> None:
    """A value of another type at a view's key is told, and the other views' answers aren't taken for its own."""
    server.tell("SET", names("foreign").state, "text")
    for _ in range(2):
        with pytest.raises(SourceError, match="WRONGTYPE"):
            backend.read([Asked("foreign", KEYS), Asked(VIEW, KEYS)])
        assert look(backend, KEYS) == THERE


def _look_forever(backend: RedisBackend) -> None:
    keys = [b"%d" % i for i in range(300_000)]
    while True:
        look(backend, keys)


def test_an_interrupted_reader_leaves_no_answer_behind(backend: RedisBackend) -> None:
    """After Ctrl-C in the middle of an answer, the next question gets its own."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGVTALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            _look_forever(backend)
    finally:
        signal.signal(signal.SIGVTALRM, before)
    assert look(backend, KEYS) == THERE
