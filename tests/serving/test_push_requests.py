"""`POST /events/{source}`: what is sent is in the windows at once, and what can't be kept is told event by event."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from storekeeper.store import FeatureStore
from storekeeper_serving.app import LOOPBACK_HOSTS, create_app

NDJSON, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"


def purchase(number: int, **changes: Any) -> dict[str, Any]:
    """A purchase of the customer 1; each number is one of its own."""
    second = f"2017-12-24T{10 + number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    return {
        "customer_id": 1, "event_time": second, "category": "SOUP", "department": "GROCERY", "product_id": 10,
        "basket_id": 9000 + number, "store_id": 1, "quantity": 1, "amount_cents": 100 + number, "saved_cents": 0,
        "unit_price_cents": 100 + number, "discount_share": 0.0, **changes,
    }  # fmt: skip


def lines(events: Any) -> bytes:
    """Events as newline JSON."""
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def post(client: Any, body: bytes, kind: str = NDJSON, source: str = "purchases") -> Any:
    """The answer to a push."""
    return client.post(f"/events/{source}", content=body, headers={"content-type": kind})


def lines_28d(shop: Any) -> int:
    """Purchase lines of the customer 1, as they are served."""
    store = FeatureStore(shop.settings.feature_repo)
    found = store.get_online_features(
        features=["customer_activity:lines_28d"], entity_rows=[{"customer_id": 1}]
    ).to_dict()
    return int(found["lines_28d"][0])


@pytest.fixture
def pushing(shop: Any, make_client: Callable[[Any], Any]) -> Any:
    """A client of a shop that the test may push to."""
    with make_client(create_app(shop.settings)) as client:
        yield client


def test_three_types(shop: Any, pushing: Any) -> None:
    """The same events as lines, as a list and as an Arrow stream are accepted once, and are in the windows at once."""
    events = [purchase(number) for number in range(3)]
    before = lines_28d(shop)
    first = post(pushing, lines(events))
    assert (first.status_code, first.json()) == (200, {"accepted": 3, "duplicates": 0, "rejected": []})
    assert lines_28d(shop) == before + 3
    table = pa.Table.from_pylist(events)
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    for kind, body in (("application/json; charset=utf-8", json.dumps(events).encode()), (ARROW, buffer.getvalue())):
        answer = post(pushing, body, kind)
        assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "duplicates": 3, "rejected": []})
    assert lines_28d(shop) == before + 3


@pytest.mark.parametrize("kind", [NDJSON, "application/json"])
def test_rejects(shop: Any, pushing: Any, kind: str) -> None:
    """Rows that can't be kept are told by their place and reason; the others go in."""
    before = lines_28d(shop)
    events = [purchase(0), purchase(1, customer_id="one"), {"customer_id": 1}, 7, purchase(2)]
    body = lines(events) if kind == NDJSON else json.dumps(events).encode()
    answer = post(pushing, body, kind).json()
    assert (answer["accepted"], [one["row"] for one in answer["rejected"]]) == (2, [1, 2, 3])
    assert "'customer_id' must be int64" in answer["rejected"][0]["reason"]
    assert "lacks the column" in answer["rejected"][1]["reason"]
    assert lines_28d(shop) == before + 2


def test_rows_of_lines_are_lines(pushing: Any) -> None:
    """A line that is no JSON is a reject with its line's place; blank lines count, but are no events."""
    answer = post(pushing, lines([purchase(0)]) + b"\n{oops\n").json()
    assert (answer["accepted"], [one["row"] for one in answer["rejected"]]) == (1, [2])


@pytest.mark.parametrize(
    ("source", "kind", "body", "status", "code"),
    [
        ("nothing", NDJSON, b"{}", 404, "unknown_source"),
        ("purchases", "text/plain", b"{}", 415, "unsupported_type"),
        ("purchases", "", b"{}", 415, "unsupported_type"),
        ("purchases", "application/json", b"{", 422, "malformed_request"),
        ("purchases", "application/json", b"{}", 422, "malformed_request"),
        ("purchases", ARROW, b"nonsense", 422, "malformed_request"),
        ("purchases", NDJSON, b" " * 20_001, 413, "body_too_large"),
    ],
)
def test_problems(client: Any, source: str, kind: str, body: bytes, status: int, code: str) -> None:
    """What can't be read is refused in the form of all other errors."""
    answer = post(client, body, kind, source)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    if status == 404:
        assert "'offers', 'purchases'" in answer.json()["error"]["message"]
    if status == 415:
        assert NDJSON in answer.json()["error"]["exists"]


def test_a_table_without_a_column(client: Any) -> None:
    """A table that lacks a column is refused as a whole: the answer names it."""
    table = pa.table({"customer_id": [1]})
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    answer = post(client, buffer.getvalue(), ARROW)
    assert (answer.status_code, "event_time" in answer.json()["error"]["message"]) == (422, True)


def test_nothing_is_nothing(client: Any) -> None:
    """A body without events is answered with zeros."""
    for kind, body in ((NDJSON, b""), ("application/json", b"[]")):
        assert post(client, body, kind).json() == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_foreign_hosts(shop: Any, make_client: Callable[[Any], Any]) -> None:
    """A page of another name can't push."""
    with make_client(create_app(shop.settings, hosts=LOOPBACK_HOSTS)) as client:
        answer = client.post("/events/purchases", content=b"{}", headers={"host": "evil.example"})
    assert answer.status_code == 400


def test_openapi(client: Any) -> None:
    """The documentation tells the three types, examples and what may go wrong."""
    told = client.get("/openapi.json").json()["paths"]["/events/{source}"]["post"]
    assert set(told["requestBody"]["content"]) == {NDJSON, "application/json", ARROW}
    assert told["requestBody"]["content"][NDJSON]["examples"]
    assert {"404", "413", "415", "422", "503"} <= set(told["responses"])


def test_examples_work(pushing: Any) -> None:
    """The documentation's examples are accepted by the demo's shop."""
    content = pushing.get("/openapi.json").json()["paths"]["/events/{source}"]["post"]["requestBody"]["content"]
    text = content[NDJSON]["examples"]["purchases"]["value"].encode()
    listed = json.dumps(content["application/json"]["examples"]["purchases"]["value"]).encode()
    assert post(pushing, text).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert post(pushing, listed, "application/json").json() == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_others_are_answered_meanwhile(pushing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a push waits for its commit, other requests are answered."""
    from storekeeper_serving import pushes

    begun, free = threading.Event(), threading.Event()
    whole = pushes.EventPusher.push_batch

    def waiting(self: Any, batch: Any) -> Any:
        begun.set()
        assert free.wait(60)
        return whole(self, batch)

    monkeypatch.setattr(pushes.EventPusher, "push_batch", waiting)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(post(pushing, lines([purchase(0)]))))
    thread.start()
    try:
        assert begun.wait(60)
        assert pushing.get("/tasks").status_code == 200
    finally:
        free.set()
        thread.join()
    assert answers[0].json()["accepted"] == 1


@pytest.mark.slow
def test_a_real_server(shop: Any) -> None:
    """A server in a process of its own takes a big body, and its limit holds."""
    command = [
        str(Path(sys.executable).with_name("storekeeper")),
        "serve",
        "--port",
        "0",
        "--max-body-bytes",
        "2000000",
    ]
    environment = {**os.environ, "STOREKEEPER_HOME": str(shop.settings.home)}
    before = lines_28d(shop)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("Serving on ").strip()
            with httpx.Client(base_url=url, timeout=60) as client:
                assert post(client, lines(map(purchase, range(5000)))).json()["accepted"] == 5000
                assert post(client, b" " * 2_000_001).status_code == 413
        finally:
            process.terminate()
    assert lines_28d(shop) == before + 5000
