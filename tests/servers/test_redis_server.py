"""Redis servers of a test run ask for their password, keep it to themselves, and missing ones are told."""

from typing import Any

import pytest
import redis

from servers import redis_server as servers
from servers.loopback import HOST
from servers.redis_server import Redis, serve_redis


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_program(ci: str, outcome: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Redis its tests are skipped, and on CI they fail; both name Debian's package."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(servers.shutil, "which", lambda _: None)
    with pytest.raises(outcome, match="apt-get install redis-server"):
        next(serve_redis())


def test_the_password_is_asked_for(redis_server: Redis) -> None:
    """Without it nothing is answered; and the fixture shows it to nobody."""
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(HOST, redis_server.port).ping()
    assert redis_server.tell("PING") is True
    assert redis_server.password not in repr(redis_server)


def test_a_server_is_gone_with_its_data() -> None:
    """When its block ends, nobody answers at its port and its folder is removed."""
    serving = serve_redis()
    server = next(serving)
    assert server.tell("SET", "key", "value") is True
    serving.close()
    assert not server.folder.exists()
    with pytest.raises(redis.ConnectionError):
        server.tell("PING")


def test_a_cluster_refuses_several_slots(redis_in_cluster: Redis) -> None:
    """So a test sees who asks for keys of several slots at once."""
    with pytest.raises(redis.ResponseError, match="hash to the same slot"):
        redis_in_cluster.tell("MGET", "a", "b")
