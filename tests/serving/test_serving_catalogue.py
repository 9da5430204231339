"""Which models are served: the best, the latest, those that fit the definitions; never a broken one."""

import threading
from typing import Any

import pytest
from httpx import Client

from storekeeper.store import FeatureStore
from storekeeper_serving import catalogue
from storekeeper_serving.app import create_app
from storekeeper_serving.engine import Engine
from storekeeper_serving.options import ServingOptions

OTHER = "0" * 64


@pytest.fixture
def ask(good_body: dict[str, Any]) -> Any:
    """Post the good body with changes."""

    def post(client: Client, **changes: Any) -> Any:
        return client.post("/predict/purchase", json={**good_body, **changes})

    return post


def test_default_is_best_on_validation(shop: Any, make_client: Any, ask: Any) -> None:
    """Without a name the model with the best validation figure answers."""
    shop.write_model("logistic", metrics={"validation": {"average_precision": 0.9}, "test": {}})
    with make_client(create_app(shop.settings)) as client:
        answer = ask(client).json()
    assert (answer["model"], answer["version"]) == ("logistic", 2)


def test_older_versions_answer_when_named(shop: Any, make_client: Any, ask: Any) -> None:
    """The latest version answers by default and an older one when it is named."""
    shop.write_model("logistic", threshold=0.25)
    with make_client(create_app(shop.settings)) as client:
        latest, older = ask(client, model="logistic").json(), ask(client, model="logistic", version=1).json()
    assert (latest["version"], latest["threshold"]) == (2, 0.25)
    assert (older["version"], older["threshold"]) == (1, 0.5)


def test_model_of_other_definitions_is_refused(shop: Any, make_client: Any, ask: Any) -> None:
    """A model trained on other definitions is 409 with the reason, shown in /health, and the others go on."""
    shop.write_model("xgboost", definition_hash=OTHER)
    with make_client(create_app(shop.settings)) as client:
        by_name, default, other = ask(client, model="xgboost"), ask(client), ask(client, model="rule")
        health = client.get("/health")
    assert (by_name.status_code, default.status_code, other.status_code) == (409, 409, 200)
    error = by_name.json()["error"]
    assert error["code"] == "definitions_changed"
    assert "other definitions" in error["message"]
    assert "storekeeper train" in error["do"]
    assert (health.status_code, health.json()["status"]) == (503, "unavailable")
    (shown,) = [model for model in health.json()["models"]["purchase"] if model["status"] == "refused"]
    assert (shown["model"], shown["default"]) == ("xgboost", True)
    assert "other definitions" in shown["reason"]


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.ubj", b"damaged"), ("model.ubj", None), ("encoder.json", b"{}"), ("manifest.json", b"{")],
)
def test_damaged_model_takes_no_other_down(
    shop: Any, make_client: Any, ask: Any, file: str, content: bytes | None
) -> None:
    """A model whose file is missing or damaged is 503 with the reason; the others are served."""
    path = shop.settings.models_dir / "purchase" / "xgboost" / "1" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with make_client(create_app(shop.settings)) as client:
        broken, other = ask(client, model="xgboost"), ask(client, model="logistic")
        assert client.get("/").status_code == client.get("/tasks").status_code == 200
    assert (broken.status_code, other.status_code) == (503, 200)
    assert file in broken.json()["error"]["message"]


def test_model_of_unknown_service_is_refused(shop: Any, make_client: Any, ask: Any) -> None:
    """A model whose feature service is gone is refused with the services that exist."""
    shop.write_model("rule", feature_service="gone")
    with make_client(create_app(shop.settings)) as client:
        answer = ask(client, model="rule")
    assert answer.status_code == 503
    assert "'churn'" in answer.json()["error"]["message"]


def test_refresh_serves_new_models(shop: Any) -> None:
    """A model trained while serving is picked up in the background; without a change nothing is loaded anew."""
    engine = Engine(shop.settings)
    before = engine.catalogue
    assert not engine.refresh()
    assert engine.catalogue is before
    shop.write_model("logistic")
    assert engine.refresh()
    assert engine.catalogue.find("purchase", "logistic").artefact.version == 2
    engine.close()


def test_refresh_notices_changed_definitions(shop: Any) -> None:
    """When definitions change under a running server, models trained on the old ones are refused from then on."""
    engine = Engine(shop.settings)
    assert engine.catalogue.find("purchase")
    services = shop.settings.feature_repo / "services.py"
    services.write_text(services.read_text().replace("        category_popularity,\n", "", 1))
    FeatureStore(shop.settings.feature_repo).apply_repo()
    assert engine.refresh()
    assert [refusal.problem.status for refusal in engine.catalogue.refused()] == [409] * 4
    engine.close()


def test_definitions_that_cannot_be_loaded(shop: Any, make_client: Any, ask: Any, monkeypatch: Any) -> None:
    """Where a registered view's code lacks a package, its models are refused with the reason; the server starts."""

    def lacks(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'moon'")

    monkeypatch.setattr(catalogue, "FeatureReader", lacks)
    monkeypatch.setattr(catalogue, "definition_hash", lacks)
    with make_client(create_app(shop.settings)) as client:
        answer = ask(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_loadable")
    assert "No module named 'moon'" in answer.json()["error"]["message"]


def test_the_background_refresh_goes_on(shop: Any, monkeypatch: Any) -> None:
    """A registry that can't be read, whatever is wrong with it, is told, and looked at again."""
    looks = threading.Semaphore(0)

    def fail(_: Engine) -> None:
        looks.release()
        raise LookupError("nothing like that")

    monkeypatch.setattr(Engine, "refresh", fail)
    engine = Engine(shop.settings, ServingOptions(refresh_seconds=0.01))
    try:
        assert looks.acquire(timeout=60)
        assert looks.acquire(timeout=60)
        assert engine.refresh_problem == "LookupError: nothing like that"
    finally:
        engine.close()
