"""Under which names a server of this machine alone may be asked."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from storekeeper_serving.app import LOOPBACK_HOSTS, create_app
from storekeeper_serving.server import bind_socket, is_loopback


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example:8000", 400),
        ("", 400),
    ],
)
def test_only_names_of_this_machine(shop: Any, make_client: Callable[[Any], Any], host: str, status: int) -> None:
    """A page whose own name leads here reads nothing: only names of this machine are answered."""
    with make_client(create_app(shop.settings, hosts=LOOPBACK_HOSTS)) as client:
        assert client.get("/tasks", headers={"Host": host}).status_code == status


def test_what_is_a_loopback() -> None:
    """The default address is this machine's alone; all addresses are not."""
    for host, expected in (("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)):  # noqa: S104
        with closing(bind_socket(host, 0)) as bound:
            assert is_loopback(bound) is expected
