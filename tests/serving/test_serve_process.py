"""`storekeeper serve` as a process: it says where it answers, answers, and ends cleanly."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from storekeeper.audit.log import read_served
from storekeeper.errors import NotFoundError, StorekeeperError, UsageError
from storekeeper_serving.options import ServingOptions
from storekeeper_serving.process import serve_project
from storekeeper_serving.server import bind_socket, url_of

COMMAND = """
import sys, typer
from storekeeper.errors import StorekeeperError
from storekeeper_serving.commands import register
app = typer.Typer()
app.callback()(lambda: None)
register(app)
try:
    app()
except StorekeeperError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
finally:
    print("tensorflow" in sys.modules or "keras" in sys.modules, file=sys.stderr)
"""


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, killed if a test fails."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", *arguments],
        env={**os.environ, "STOREKEEPER_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_serve(shop: Any, good_body: dict[str, Any], end: signal.Signals) -> None:
    """On a free port it prints its URL, answers with every model, never imports TensorFlow, and ends with exit 0."""
    with started(shop.settings.home, "--port", "0") as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line.startswith("Serving on http://127.0.0.1:"), process.communicate()[1]
        url = line.removeprefix("Serving on ")
        assert httpx.get(f"{url}/health", timeout=60).json()["status"] == "ok"
        for model in ("xgboost", "dnn-reference", "logistic", "rule"):
            answer = httpx.post(f"{url}/predict/purchase", json={**good_body, "model": model}, timeout=60)
            assert answer.status_code == 200, answer.text
        process.send_signal(end)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")
    assert errors.splitlines()[-1] == "False"
    assert "Traceback" not in errors
    (group,) = read_served(shop.settings.served_dir)
    assert group.table.num_rows == 8


def refusal(shop: Any, port: int = 0, host: str = "127.0.0.1") -> StorekeeperError:
    """The error with which serving ends before it starts."""
    with pytest.raises(StorekeeperError) as caught:
        serve_project(shop.settings, ServingOptions(), host, port, pytest.fail)
    assert caught.value.exit_code == 2
    return caught.value


def test_port_in_use(shop: Any) -> None:
    """A taken port is a clear error, found before anything is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refusal(shop, port)
    assert isinstance(error, UsageError)
    assert str(port) in str(error)
    assert "--port 0" in str(error)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("no.such.host.invalid", 0), ("", -1)])
def test_impossible_address(shop: Any, host: str, port: int) -> None:
    """An address that can't be is a clear error."""
    assert isinstance(refusal(shop, port, host), UsageError)


def test_missing_models(shop: Any) -> None:
    """Without any model there is nothing to serve; the message says how to train one."""
    shutil.rmtree(shop.settings.models_dir)
    error = refusal(shop)
    assert isinstance(error, NotFoundError)
    assert "storekeeper train" in str(error)


def test_no_servable_model(shop: Any) -> None:
    """When every model is refused, serving does not start and says why."""
    shutil.rmtree(shop.settings.models_dir)
    shop.write_model("rule", definition_hash="0" * 64)
    assert "other definitions" in str(refusal(shop))


def test_free_port() -> None:
    """Port 0 takes a free port, and the URL names it."""
    with bind_socket("127.0.0.1", 0) as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("limit", ["max_rows", "max_body_bytes", "flush_seconds", "refresh_seconds"])
def test_impossible_options(limit: str) -> None:
    """Limits must be positive."""
    with pytest.raises(StorekeeperError, match=limit):
        ServingOptions(**{limit: 0})  # type: ignore[arg-type]
