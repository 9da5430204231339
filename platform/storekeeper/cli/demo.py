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

from storekeeper.cli.audit_commands import audit_and_prove
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

# What customers buy most, at what a unit of the category has cost of late, as in training: what a shop page would ask.
_ASKED = """
WITH recent AS (
    SELECT customer_id, category, amount_cents, quantity
    FROM events
    WHERE event_type = 'purchase' AND customer_id IS NOT NULL AND category IS NOT NULL
        AND event_time >= $now - INTERVAL 28 DAY AND event_time < $now AND known_time <= $now
),
prices AS (
    SELECT category, (sum(amount_cents) / nullif(sum(quantity), 0))::DOUBLE AS price FROM recent GROUP BY category
)
SELECT customer_id, category, price
FROM recent JOIN prices USING (category)
WHERE price IS NOT NULL
GROUP BY ALL
ORDER BY count(*) DESC, customer_id, category
LIMIT 500
"""

# Of what the model was given, this many are shown: the pair's own history first.
_SHOWN = 12
_FIRST_SHOWN = "affinity_"


def demo(
    context: typer.Context,
    fresh: Annotated[bool, typer.Option(help="Remove data/ first, so that every step is done anew.")] = False,
) -> None:
    """Run the main job: load, apply, build, train, materialise, serve, prove."""
    settings, started = Settings.load(), time.perf_counter()
    if fresh:
        _clear(settings)
    for number, step in enumerate(STEPS, start=1):
        _announce(number, step.title, " ".join(("storekeeper", *step.command)))
        _run(context, step.command)
    _announce(len(STEPS) + 1, "Serve", "storekeeper serve --port 0")
    answer = _serve_and_ask(settings)
    _announce(len(STEPS) + 2, "Prove that served equals trained", "storekeeper audit --views")
    proof = audit_and_prove()
    _announce(len(STEPS) + 3, "What came out", "storekeeper evaluate purchase")
    _print_answer(answer)
    _run(context, ("evaluate", "purchase"))
    console.print(proof, soft_wrap=True)
    console.print(f"\nDone in {time.perf_counter() - started:.0f} s. Serve it yourself: storekeeper serve")


def _announce(number: int, title: str, command: str) -> None:
    console.rule(f"[bold]{number}. {title}[/]  [dim]{command}[/]", align="left")


def _run(context: typer.Context, command: tuple[str, ...]) -> None:
    """Run another command of this program in this process; its errors pass through."""
    program: Any = context.find_root().command
    program.main(args=list(command), prog_name="storekeeper", standalone_mode=False)


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
    """The prediction with a few of its features: the whole vector would push all else off the screen."""
    asked, given = answer["asked"], answer["answer"]
    features = given["features"]
    names = sorted(features, key=lambda name: not name.startswith(_FIRST_SHOWN))[:_SHOWN]
    rows = [[name, "null" if features[name][0] is None else features[name][0]] for name in names]
    customer, category = asked["customer_id"][0], asked["category"][0]
    console.print(
        f"Served: household {customer} buys in {category} within 7 days with probability "
        f"{given['probabilities'][0]:.3f} ({given['model']}).",
        soft_wrap=True,
    )
    print_table("It was given, among others:", {"feature": "left", "value": "right"}, rows)
    console.print(
        f'All {len(features)}: ask storekeeper serve with "features": true, as in the README.\n', soft_wrap=True
    )
