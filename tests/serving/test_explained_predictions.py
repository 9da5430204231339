"""Explanations over HTTP: what is told of each row, where its values come from, and what is refused."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import Client, Response

from storekeeper.artefact import Artefact, load_predictor
from storekeeper.artefact.formulas import sigmoid
from storekeeper.online.provenance import FeatureSource, feature_sources
from storekeeper_serving.app import create_app
from storekeeper_serving.engine import Engine

Ask = Callable[..., Any]

NOW = datetime(2017, 12, 25, tzinfo=UTC)
#: A customer of the shop of whom no profile is known.
UNKNOWN = 6

#: What the fixed logistic regression reads, in the order of its encoder.
INPUTS = {
    "lines_28d", "spend_cents_91d", "affinity_lines_91d", "affinity_seconds_since_last", "price_ratio", "price",
    "category",
}  # fmt: skip


@pytest.fixture
def ask(client: Client, good_body: dict[str, Any]) -> Ask:
    """Ask for an explained prediction."""

    def post(**fields: Any) -> Response:
        return client.post("/predict/purchase", json={**good_body, "explain": 100, **fields})

    return post


@pytest.mark.parametrize("model", ["logistic", "rule", "xgboost"])
def test_contributions_add_up_to_what_was_predicted(ask: Ask, model: str) -> None:
    """Base and contributions are the margin, whose sigmoid is the probability, for each row."""
    answer = ask(model=model).json()
    explanation = answer["explanation"]
    assert explanation["scale"] == "logit"
    assert len(explanation["rows"]) == 2
    for row, probability in zip(explanation["rows"], answer["probabilities"], strict=True):
        told = row["base"] + sum(one["contribution"] for one in row["contributions"]) + row["rest"]
        assert row["margin"] == pytest.approx(told, abs=1e-5)
        assert row["residual"] == pytest.approx(abs(told - row["margin"]), abs=1e-6)
        assert probability == pytest.approx(1 / (1 + math.exp(-row["margin"])), abs=1e-6)
        sizes = [abs(one["contribution"]) for one in row["contributions"]]
        assert sizes == sorted(sizes, reverse=True)


def test_as_many_as_were_asked_for(ask: Ask) -> None:
    """The most telling inputs are listed, and the others are in the rest; nothing else of the answer changes."""
    whole, part = (ask(model="logistic", explain=count).json() for count in (100, 2))
    for full, short in zip(whole["explanation"]["rows"], part["explanation"]["rows"], strict=True):
        assert short["contributions"] == full["contributions"][:2]
        left = sum(one["contribution"] for one in full["contributions"][2:])
        assert short["rest"] == pytest.approx(left + full["rest"])
    assert part["probabilities"] == whole["probabilities"]
    assert {one["feature"] for one in whole["explanation"]["rows"][0]["contributions"]} <= INPUTS


def test_each_value_says_where_it_is_from(ask: Ask) -> None:
    """Each value is told with its view, and up to when that is made; what a caller gave has neither."""
    answer = ask(model="logistic", features=True).json()
    (told, _) = answer["explanation"]["rows"]
    by_name = {one["feature"]: one for one in told["contributions"]}
    for name, one in by_name.items():
        if one["origin"] == "feature":
            assert one["value"] == answer["features"][name][0]
            assert one["view_materialised_until"] == "2017-12-25T00:00:00Z"
    assert by_name["lines_28d"]["view"] == "customer_activity"
    assert by_name["affinity_lines_91d"]["view"] == "customer_category_affinity"
    for name, value in (("price", 199.0), ("category", "SOUP")):
        given = by_name[name]
        assert (given["value"], given["view"], given["view_materialised_until"]) == (value, None, None)
    assert (by_name["price"]["origin"], by_name["category"]["origin"]) == ("request", "entity")


def test_how_old_a_value_is(engine_of: Callable[[], Engine]) -> None:
    """A latest value is as old as its row's event, none where nothing is known; a made value as its oldest view."""
    plan = engine_of().catalogue.find("purchase", "logistic").reader.plan
    entities = {"customer_id": [1, UNKNOWN], "category": ["SOUP", "TEA"]}
    found = feature_sources(plan, ["age_band", "price_ratio", "lines_28d", "price", "nothing"], entities, NOW)
    assert set(found) == {"age_band", "price_ratio", "lines_28d"}
    assert found["age_band"].event_times == (datetime(2017, 1, 1, tzinfo=UTC), None)
    assert (found["lines_28d"].event_times, found["lines_28d"].view_until) == (None, NOW)
    assert (found["price_ratio"].view, found["price_ratio"].event_times) == ("shopping_context", None)
    assert found["price_ratio"].view_until == NOW
    unread = feature_sources(plan, ["age_band"], None, NOW)["age_band"]
    assert unread == FeatureSource(found["age_band"].view)


def test_without_asking_there_is_none(
    client: Client, good_body: dict[str, Any], engine_of: Callable[[], Engine]
) -> None:
    """A prediction that isn't to be explained has no explanation, and loads nothing to make one."""
    model = engine_of().catalogue.find("purchase", "dnn-reference")
    answer = client.post("/predict/purchase", json={**good_body, "model": "dnn-reference"}).json()
    assert "explanation" not in answer
    assert "_explainer" not in vars(model)


def refused(answer: Response, code: str) -> str:
    """The message of a request that is refused with 422."""
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    return str(error["message"])


def test_too_many_rows_to_explain(client: Client, running_shop: Any, make_client: Callable[..., Any]) -> None:
    """More rows than may be explained are refused by both numbers; unexplained they are served."""
    from storekeeper_serving.options import ServingOptions

    body = {"entities": {"customer_id": [1] * 7, "category": "SOUP"}, "context": {"price": 99.0}}
    app = create_app(running_shop.settings, ServingOptions(max_explained_rows=6))
    with make_client(app) as few:
        message = refused(few.post("/predict/purchase", json={**body, "explain": 3}), "too_many_rows_to_explain")
        assert "at most 6 rows" in message
        assert "7" in message
        assert few.post("/predict/purchase", json=body).status_code == 200
    assert ServingOptions().max_explained_rows == 100


@pytest.mark.parametrize("count", [0, -1, 101, 2.5, "5", True])
def test_a_count_that_is_none(ask: Ask, count: Any) -> None:
    """How many is a whole number from 1 to 100; anything else is refused by the field's name."""
    assert "'explain'" in refused(ask(explain=count), "malformed_request")


def test_a_model_that_cannot_be_explained(ask: Ask) -> None:
    """A network without its gradient is refused when asked why, and says what to do."""
    message = refused(ask(model="dnn-reference"), "not_explainable")
    assert "trained before gradients were kept" in message
    assert "Train it again" in message


def test_a_network_is_explained_by_its_gradient(shop: Any, good_body: Any, make_client: Callable[..., Any]) -> None:
    """A network is told as the logistic regression that it is: weights times distances from its training rows."""
    import numpy as np

    from storekeeper_training.explain.background import write_background

    artefact: Artefact = shop.write_model("dnn-reference")
    predictor = load_predictor(artefact.path)
    columns: dict[str, Any] = {name: np.ones(5) for name in INPUTS - {"category"}} | {"category": ["TEA"] * 5}
    write_background(artefact.path, predictor.encoder, "onnx", columns)
    with make_client(create_app(shop.settings)) as client:
        body = {**good_body, "model": "dnn-reference", "explain": 3}
        answer = client.post("/predict/purchase", json=body).json()
    row = answer["explanation"]["rows"][0]
    assert answer["probabilities"][0] == pytest.approx(float(sigmoid(np.array([row["margin"]]))[0]), abs=1e-6)
    assert row["residual"] < 1e-4
    assert "midpoint steps" in answer["explanation"]["method"]
