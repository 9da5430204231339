"""The promoted version answers, a running server follows, and a champion that doesn't fit is refused aloud."""

from pathlib import Path
from typing import Any

import pytest
from httpx import Client

from storekeeper.artefact import Artefact, Promotion, change_promotions, read_contents
from storekeeper_serving.app import create_app
from storekeeper_serving.engine import Engine

OTHER = "0" * 64


@pytest.fixture
def ask(good_body: dict[str, Any]) -> Any:
    """Post the good body with changes."""

    def post(client: Client, **changes: Any) -> Any:
        return client.post("/predict/purchase", json={**good_body, **changes})

    return post


def promote(models_dir: Path, artefact: Artefact, at: Any) -> None:
    """What `storekeeper models promote` leaves, without its checks."""
    contents = read_contents(artefact.path)
    assert contents is not None
    change = Promotion("promote", artefact.model, artefact.version, contents.digest, at)
    change_promotions(models_dir, artefact.task, lambda before: before.add(change))


def test_the_promoted_version_answers(shop: Any, make_client: Any, ask: Any) -> None:
    """An older version of a worse model answers once promoted, is shown as the default, and later versions wait."""
    first = shop.write_model("rule", threshold=0.25)
    shop.write_model("rule", threshold=0.75)
    promote(shop.settings.models_dir, first, shop.settings.clock.now())
    with make_client(create_app(shop.settings)) as client:
        default, latest = ask(client).json(), ask(client, model="rule").json()
        models = client.get("/health").json()["models"]["purchase"]
    assert (default["model"], default["version"], default["threshold"]) == ("rule", 2, 0.25)
    assert latest["version"] == 3
    assert [(m["model"], m["version"]) for m in models if m["default"]] == [("rule", 2)]
    assert sorted(m["version"] for m in models if m["model"] == "rule") == [2, 3]


def test_a_running_server_follows(shop: Any) -> None:
    """A promotion is picked up by the next refresh, without a restart."""
    engine = Engine(shop.settings)
    assert engine.catalogue.find("purchase").artefact.model == "xgboost"
    promote(shop.settings.models_dir, shop.write_model("logistic"), shop.settings.clock.now())
    assert engine.refresh()
    rule = next(entry.artefact for entry in engine.catalogue.served() if entry.artefact.model == "rule")
    assert engine.catalogue.find("purchase").artefact.model == "logistic"
    promote(shop.settings.models_dir, rule, shop.settings.clock.now())
    assert engine.refresh()
    assert engine.catalogue.find("purchase").artefact.model == "rule"
    assert not engine.refresh()
    engine.close()


def test_a_champion_of_other_definitions_is_refused(shop: Any, make_client: Any, ask: Any) -> None:
    """A champion whose features were redefined is 409 with the reason, in /health too; no other takes its place."""
    champion = shop.write_model("rule", definition_hash=OTHER)
    shop.write_model("rule")
    promote(shop.settings.models_dir, champion, shop.settings.clock.now())
    with make_client(create_app(shop.settings)) as client:
        default, named, health = ask(client), ask(client, model="rule"), client.get("/health")
    assert (default.status_code, default.json()["error"]["code"]) == (409, "definitions_changed")
    assert named.status_code == 200
    assert health.status_code == 503
    (shown,) = [model for model in health.json()["models"]["purchase"] if model["default"]]
    assert (shown["version"], shown["status"]) == (2, "refused")
    assert "other definitions" in shown["reason"]


def test_a_changed_file_is_not_served(shop: Any, make_client: Any, ask: Any) -> None:
    """A model whose file is valid but not the one that was saved is 503 by its name; the others are served."""
    path = shop.settings.models_dir / "purchase" / "logistic" / "1" / "manifest.json"
    path.write_text(path.read_text().replace('"threshold": 0.5', '"threshold": 0.1'))
    with make_client(create_app(shop.settings)) as client:
        changed, other = ask(client, model="logistic"), ask(client, model="rule")
    assert (changed.status_code, other.status_code) == (503, 200)
    assert "Changed since: 'manifest.json'" in changed.json()["error"]["message"]


def test_a_model_without_hashes_is_served(shop: Any, make_client: Any, ask: Any) -> None:
    """What an earlier release saved, without hashes, is served as it was."""
    (shop.settings.models_dir / "purchase" / "logistic" / "1" / "contents.json").unlink()
    with make_client(create_app(shop.settings)) as client:
        assert ask(client, model="logistic").status_code == 200


@pytest.mark.parametrize("damage", ["gone", "unreadable"])
def test_a_champion_that_cannot_be_found(shop: Any, make_client: Any, ask: Any, damage: str) -> None:
    """Where the promoted one is gone or champion.json damaged, nothing answers unnamed: 503 with the reason."""
    import shutil

    champion = shop.write_model("rule")
    promote(shop.settings.models_dir, champion, shop.settings.clock.now())
    if damage == "gone":
        shutil.rmtree(champion.path)
    else:
        (shop.settings.models_dir / "purchase" / "champion.json").write_text("{")
    with make_client(create_app(shop.settings)) as client:
        default, named, health = ask(client), ask(client, model="logistic"), client.get("/health")
    assert (default.status_code, default.json()["error"]["code"]) == (503, "no_default_model")
    assert ("version 2 of 'rule'" if damage == "gone" else "champion.json") in default.json()["error"]["message"]
    assert named.status_code == 200
    assert health.status_code == 503
