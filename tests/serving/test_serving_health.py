"""Health, tasks, documentation and the front page; and what happens while there is nothing to read."""

from typing import Any

import pytest
from httpx import Client

from storekeeper.errors import DataError, SourceError
from storekeeper_serving.app import create_app


def test_health(client: Client) -> None:
    """A server that can predict says so, with its clock, models and log."""
    answer = client.get("/health")
    health = answer.json()
    assert (answer.status_code, health["status"], health["problems"]) == (200, "ok", [])
    assert (health["now"], health["clock"]) == ("2017-12-25T00:00:00Z", "2017-12-25T00:00:00+00:00")
    assert health["uptime_seconds"] >= 0
    models = {model["model"]: model for model in health["models"]["purchase"]}
    assert sorted(models) == ["dnn-reference", "logistic", "rule", "xgboost"]
    assert [name for name, model in models.items() if model["default"]] == ["xgboost"]
    assert health["served_log"]["dropped"] == 0


def test_tasks(client: Client) -> None:
    """Each task says what its callers must give, with types and an example that works."""
    (task,) = client.get("/tasks").json()
    assert (task["task"], task["feature_service"]) == ("purchase", "purchase")
    assert task["entities"] == {"customer_id": "int64", "category": "string"}
    assert task["context"] == {"request_time": "timestamp[us, tz=UTC] (default: now)", "price": "double"}
    assert client.post("/predict/purchase", json=task["example"]).status_code == 200


def test_openapi_examples_work(client: Client) -> None:
    """The OpenAPI page shows a body for every task, and it is answered as it stands."""
    assert client.get("/docs").status_code == 200
    path = client.get("/openapi.json").json()["paths"]["/predict/{task}"]["post"]
    examples = path["requestBody"]["content"]["application/json"]["examples"]
    assert list(examples) == ["purchase"]
    assert client.post("/predict/purchase", json=examples["purchase"]["value"]).status_code == 200
    assert {"200", "404", "409", "422", "503"} <= set(path["responses"])


def test_front_page(client: Client) -> None:
    """The page for people names the task, its models and a command that can be copied."""
    page = client.get("/").text
    assert all(words in page for words in ("purchase", "xgboost", "(default)", "curl -X POST", "/predict/purchase"))


def test_not_started(shop: Any, make_client: Any, good_body: dict[str, Any]) -> None:
    """Before it has started, an application answers 503 in the one form."""
    client = make_client(create_app(shop.settings))
    for answer in (client.get("/health"), client.post("/predict/purchase", json=good_body)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")


def test_unmaterialised_store(shop: Any, make_client: Any, good_body: dict[str, Any]) -> None:
    """Without materialised features there is no prediction but a 503 that says what to do, and nothing is logged."""
    for path in shop.settings.data_dir.glob("online.db*"):
        path.unlink()
    with make_client(create_app(shop.settings)) as client:
        answer, health = client.post("/predict/purchase", json=good_body), client.get("/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert "storekeeper materialize" in answer.json()["error"]["message"]
    assert (health.status_code, health.json()["status"]) == (503, "unavailable")
    assert not shop.settings.served_dir.exists()


def test_broken_store(shop: Any, make_client: Any, good_body: dict[str, Any]) -> None:
    """A damaged online store is a 503 that names it."""
    for path in shop.settings.data_dir.glob("online.db*"):
        path.unlink()
    (shop.settings.data_dir / "online.db").write_bytes(b"not a database, but long enough to look like one" * 50)
    with make_client(create_app(shop.settings)) as client:
        answer = client.post("/predict/purchase", json=good_body)
    assert answer.status_code == 503
    assert "online.db" in answer.json()["error"]["message"]


def test_store_fails_while_serving(client: Client, good_body: dict[str, Any], monkeypatch: Any) -> None:
    """A store that fails under a running server costs that request alone."""
    from storekeeper.online.backends import SQLiteBackend

    def fail(*_: object) -> None:
        raise SourceError("The online store can't be used.")

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteBackend, "read", fail)
        assert client.post("/predict/purchase", json=good_body).status_code == 503
    assert client.post("/predict/purchase", json=good_body).status_code == 200


def test_state_of_other_definitions(
    client: Client, good_body: dict[str, Any], engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State that the reader finds unfit is the store's fault, not the caller's: 503."""

    def fail(*_: object) -> None:
        raise DataError("The state was built for another definition.")

    monkeypatch.setattr(engine_of().catalogue.find("purchase").reader, "read_table", fail)
    answer = client.post("/predict/purchase", json=good_body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert "another definition" in answer.json()["error"]["message"]


def test_no_models(shop: Any, make_client: Any, good_body: dict[str, Any]) -> None:
    """Without models every task is unknown, and health says what to do."""
    import shutil

    shutil.rmtree(shop.settings.models_dir)
    with make_client(create_app(shop.settings)) as client:
        health, answer = client.get("/health"), client.post("/predict/purchase", json=good_body)
    assert (health.status_code, answer.status_code) == (503, 404)
    assert "storekeeper train" in str(health.json()["problems"])
