"""`storekeeper demo`: the main job from a real shop's data to a live, proven prediction; each step a command."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from storekeeper.cli.output import console, print_table
from storekeeper.errors import CheckFailedError, SourceError
from storekeeper.settings import Settings

_SERVING = "Serving on "
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Step:
    """One step: what it does, and the command that does it."""

    title: str
    command: tuple[str, ...]


STEPS = (
    Step("Load a real shop: The Complete Journey", ("load", "complete-journey")),
    Step("Declare and apply the features", ("apply",)),
    Step("Build a point-in-time-correct training set", ("dataset", "build", "purchase")),
    Step("Train, and evaluate on the test period", ("train", "purchase")),
    Step("Materialise to the online store", ("materialize",)),
)

# What customers buy most, at the price that the category sold for: what a shop page would ask about.
_ASKED = """
SELECT customer_id, category, median(amount_cents / quantity) AS price
FROM events
WHERE event_type = 'purchase' AND customer_id IS NOT NULL AND category IS NOT NULL AND quantity > 0
    AND event_time >= $now - INTERVAL 28 DAY AND event_time < $now
GROUP BY ALL
ORDER BY count(*) DESC, customer_id, category
LIMIT 500
"""


def demo(
    fresh: Annotated[bool, typer.Option(help="Remove data/ first, so that every step is done anew.")] = False,
) -> None:
    """Run the main job: load, apply, build, train, materialise, serve, prove."""
    settings, started = Settings.load(), time.perf_counter()
    if fresh:
        _clear(settings)
    for number, step in enumerate(STEPS, start=1):
        _announce(number, step.title, " ".join(("storekeeper", *step.command)))
        _run(step.command)
    _announce(len(STEPS) + 1, "Serve", "storekeeper serve --port 0")
    answer = _serve_and_ask(settings)
    _announce(len(STEPS) + 2, "Prove that served equals trained", "storekeeper audit --views")
    _run(("audit", "--views"))
    _announce(len(STEPS) + 3, "What came out", "storekeeper evaluate purchase")
    _run(("evaluate", "purchase"))
    _print_answer(answer)
    console.print(f"\nDone in {time.perf_counter() - started:.0f} s. Serve it yourself: storekeeper serve")


def _announce(number: int, title: str, command: str) -> None:
    console.rule(f"[bold]{number}. {title}[/]  [dim]{command}[/]", align="left")


def _run(command: tuple[str, ...]) -> None:
    """Run another command of this program in this process; its errors pass through."""
    from typer.main import get_command

    from storekeeper.cli.main import build_app

    get_command(build_app()).main(args=list(command), prog_name="storekeeper", standalone_mode=False)


def _clear(settings: Settings) -> None:
    import shutil

    if settings.data_dir.is_dir():
        shutil.rmtree(settings.data_dir)


def _serve_and_ask(settings: Settings) -> dict[str, Any]:
    """Start the server, ask for real predictions over HTTP, stop it; returns the first answer with its features."""
    keys = _whom_to_ask(settings)
    with _server() as url:
        console.print(f"{url} answers; its documentation is at {url}/docs")
        health = _get(f"{url}/health")
        console.print(f"GET /health: {health['status']}")
        many = _post(f"{url}/predict/purchase", _request(keys, features=False))
        console.print(f"POST /predict/purchase: {len(many['probabilities'])} probabilities by {many['model']}")
        first = {name: values[:1] for name, values in keys.items()}
        return {"asked": first, "answer": _post(f"{url}/predict/purchase", _request(first, features=True))}


def _request(keys: dict[str, list[Any]], *, features: bool) -> dict[str, Any]:
    entities = {name: keys[name] for name in ("customer_id", "category")}
    return {"entities": entities, "context": {"price": keys["price"]}, "features": features}


def _whom_to_ask(settings: Settings) -> dict[str, list[Any]]:
    from storekeeper.shop.behaviour import open_behaviour

    connection = open_behaviour(settings.behaviour_path)
    try:
        now = settings.clock.now()
        found = connection.sql(_ASKED, params={"now": now.replace(tzinfo=None)}).to_arrow_table()
    finally:
        connection.close()
    if not found.num_rows:
        raise SourceError(
            f"No purchases in the 28 days before {now.isoformat()}, so there is nothing to ask for. Set the clock to a "
            f"time within the shop's history."
        )
    asked: dict[str, list[Any]] = found.to_pydict()
    return asked


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """`storekeeper serve` in a process of its own, on a free port; stopped at the end."""
    command = [sys.executable, "-m", "storekeeper", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:  # noqa: S603  (ourselves)
        try:
            yield _wait_for_url(process)
        except BaseException:
            _stop(process)
            raise
        if code := _stop(process):
            raise CheckFailedError(f"The server ended with exit code {code} instead of 0.")


def _stop(process: "subprocess.Popen[str]") -> int:
    """Ask it to end, and end it if it doesn't; returns its exit code."""
    process.terminate()
    try:
        return process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _wait_for_url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    for line in process.stdout:
        if line.startswith(_SERVING):
            return line.removeprefix(_SERVING).strip()
        console.print(line.rstrip())
    raise SourceError(f"The server stopped before it answered (exit code {process.wait()}). Its message is above.")


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=_START_SECONDS) as response:  # noqa: S310  (our own server)
        return json.load(response)


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(  # noqa: S310  (our own server)
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_START_SECONDS) as response:  # noqa: S310
        return json.load(response)


def _print_answer(answer: dict[str, Any]) -> None:
    asked, given = answer["asked"], answer["answer"]
    rows = [[name, "null" if values[0] is None else values[0]] for name, values in given["features"].items()]
    customer, category = asked["customer_id"][0], asked["category"][0]
    print_table(
        f"Served: household {customer} buys in {category} within 7 days with probability "
        f"{given['probabilities'][0]:.3f} ({given['model']}). It was given:",
        {"feature": "left", "value": "right"},
        rows,
    )
