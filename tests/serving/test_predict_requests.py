"""Predictions over HTTP: what is answered, what is refused, and how."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from httpx import Client, Response

from storekeeper_serving.engine import Engine

EngineOf = Callable[[], Engine]


def body_with(good: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The good body with other entities or context."""
    changed = {**good, "entities": {**good["entities"]}, "context": {**good["context"]}}
    for name, value in changes.items():
        part = changed["context"] if name in {"price", "request_time"} else changed["entities"]
        part[name] = value
        if value is ...:
            del part[name]
    return changed


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The error of an answer, checked for its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == code
    assert "Traceback" not in answer.text
    return error


def test_answer(client: Client, good_body: dict[str, Any]) -> None:
    """Probabilities and decisions come in the order of the rows, with who answered, when, and under which id."""
    answer = client.post("/predict/purchase", json=good_body).json()
    assert (answer["task"], answer["model"], answer["version"]) == ("purchase", "xgboost", 1)
    assert answer["served_at"] == "2017-12-25T00:00:00Z"
    assert len(answer["probabilities"]) == len(answer["decisions"]) == 2
    assert answer["decisions"] == [p >= answer["threshold"] for p in answer["probabilities"]]
    assert len(answer["request_id"]) == 32
    assert "features" not in answer


@pytest.mark.parametrize("model", ["logistic", "rule", "xgboost", "dnn-reference"])
def test_every_kind_of_model(client: Client, good_body: dict[str, Any], model: str) -> None:
    """Each runtime answers probabilities, and a version may be named."""
    answer = client.post("/predict/purchase", json={**good_body, "model": model, "version": 1}).json()
    assert answer["model"] == model
    assert all(0 < probability < 1 for probability in answer["probabilities"])


def test_network_equals_formula(client: Client, good_body: dict[str, Any]) -> None:
    """The same weights as ONNX graph and as formula answer alike."""
    one, other = (
        client.post("/predict/purchase", json={**good_body, "model": model}).json()["probabilities"]
        for model in ("logistic", "dnn-reference")
    )
    assert one == pytest.approx(other, abs=1e-6)


def test_features_are_answered_when_asked(client: Client, good_body: dict[str, Any], engine_of: EngineOf) -> None:
    """With `features` the vectors of the whole feature service come along, one value a row."""
    features = client.post("/predict/purchase", json={**good_body, "features": True}).json()["features"]
    model = engine_of().catalogue.find("purchase")
    assert tuple(features) == model.reader.features
    assert all(len(values) == 2 for values in features.values())
    assert features["age_band"] == ["35-44", "35-44"]
    assert features["lines_91d"][0] > 0


def test_single_values_are_for_all_rows(client: Client, good_body: dict[str, Any]) -> None:
    """One customer and many categories need no repetition: a bare value stands for every row."""
    short = body_with(good_body, customer_id=1, price=150)
    long = body_with(good_body, customer_id=[1, 1], price=[150.0, 150.0])
    one, other = (client.post("/predict/purchase", json=body).json() for body in (short, long))
    assert one["probabilities"] == other["probabilities"]
    alone = body_with(good_body, customer_id=1, category="SOUP", price=150)
    assert client.post("/predict/purchase", json=alone).json()["probabilities"] == one["probabilities"][:1]


def test_rows_do_not_touch_each_other(client: Client, good_body: dict[str, Any]) -> None:
    """A row's probability does not depend on the batch that it is in."""
    customers, categories = [1, 2, 3, 1, 99], ["SOUP", "TEA", "BREAD", "TEA", "NEW"]
    batch = body_with(good_body, customer_id=customers, category=categories, price=199)
    together = client.post("/predict/purchase", json=batch).json()["probabilities"]
    for at, (customer, category) in enumerate(zip(customers, categories, strict=True)):
        alone = body_with(good_body, customer_id=customer, category=category, price=199)
        assert client.post("/predict/purchase", json=alone).json()["probabilities"] == [together[at]]


def test_unseen_entities_are_answered(client: Client, good_body: dict[str, Any]) -> None:
    """A customer who was never seen has empty windows and null attributes, and gets a probability all the same."""
    body = {**body_with(good_body, customer_id=[-5, 2**63 - 1], category=["", "ß 汤"]), "features": True}
    answer = client.post("/predict/purchase", json=body).json()
    assert answer["features"]["lines_91d"] == [0, 0]
    assert answer["features"]["age_band"] == [None, None]
    assert all(math.isfinite(probability) for probability in answer["probabilities"])


def test_unknown_price_is_null(client: Client, good_body: dict[str, Any]) -> None:
    """A context value may be null, and features made of it are null."""
    body = {**body_with(good_body, price=[None, 100]), "features": True}
    ratio = client.post("/predict/purchase", json=body).json()["features"]["price_ratio"]
    assert ratio[0] is None
    assert ratio[1] > 0


@pytest.mark.parametrize("given", ["2017-12-24T18:30:00Z", "2017-12-24T20:30:00+02:00", "2017-12-24T18:30:00"])
def test_request_time(client: Client, good_body: dict[str, Any], given: str) -> None:
    """The request's own time is read as UTC unless it says otherwise; by default it is the clock's now."""
    body = {**body_with(good_body, request_time=given), "features": True}
    features = client.post("/predict/purchase", json=body).json()["features"]
    assert (features["request_hour"], features["request_weekday"]) == ([18, 18], [6, 6])
    features = client.post("/predict/purchase", json={**good_body, "features": True}).json()["features"]
    assert (features["request_hour"], features["request_weekday"]) == ([0, 0], [0, 0])


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"customer_id": "12"}, "wrong_type", ["customer_id", "int64", "'12' (string)"]),
        ({"customer_id": [1, "12"]}, "wrong_type", ["customer_id", "int64", "'12' (string) at row 1"]),
        ({"customer_id": [1, True]}, "wrong_type", ["customer_id", "integer", "boolean"]),
        ({"customer_id": [1, 1.5]}, "wrong_type", ["customer_id", "1.5 (number)"]),
        ({"customer_id": [1, 2.0]}, "wrong_type", ["customer_id", "2.0 (number)"]),
        ({"customer_id": [1, None]}, "wrong_type", ["customer_id", "null"]),
        ({"customer_id": [1, 2**63]}, "wrong_type", ["customer_id", "out of range"]),
        ({"customer_id": [1, 10**40]}, "wrong_type", ["customer_id", "out of range"]),
        ({"customer_id": [1, [2]]}, "wrong_type", ["customer_id", "array"]),
        ({"customer_id": {"a": 1}}, "wrong_type", ["customer_id", "object"]),
        ({"category": [1, "TEA"]}, "wrong_type", ["category", "string", "1 (integer)"]),
        ({"price": "199"}, "wrong_type", ["price", "double", "'199' (string)"]),
        ({"price": False}, "wrong_type", ["price", "double"]),
        ({"price": 10**400}, "wrong_type", ["price", "finite"]),
        ({"request_time": "yesterday"}, "wrong_type", ["request_time", "ISO 8601", "yesterday"]),
        ({"request_time": 1514160000}, "wrong_type", ["request_time", "ISO 8601"]),
        ({"request_time": None}, "wrong_type", ["request_time"]),
        ({"request_time": "0001-01-01T00:00:00+23:00"}, "wrong_type", ["request_time"]),
        ({"customer_id": ...}, "missing_key", ["customer_id", "an integer"]),
        ({"price": ...}, "missing_key", ["price", "a number"]),
        ({"shop_id": 1}, "unknown_key", ["shop_id", "customer_id"]),
        ({"customer_id": [1]}, "unequal_lengths", ["'customer_id' with 1", "'category' with 2"]),
        ({"price": [1.0, 2.0, 3.0]}, "unequal_lengths", ["'price' with 3"]),
        ({"customer_id": [], "category": []}, "unequal_lengths", ["'price' with 2"]),
        ({"customer_id": [], "category": [], "price": 1}, "no_rows", ["at least one"]),
        ({"customer_id": list(range(51)), "category": "TEA", "price": 1}, "too_many_rows", ["50", "51"]),
    ],
)
def test_bad_values(
    client: Client, good_body: dict[str, Any], engine_of: EngineOf, change: dict[str, Any], code: str, said: list[str]
) -> None:
    """Each bad value is refused with what was expected and what came, and nothing is logged."""
    log = engine_of().log
    before = log.written + log.pending
    error = refused(client.post("/predict/purchase", json=body_with(good_body, **change)), 422, code)
    for words in said:
        assert words in error["message"]
    assert log.written + log.pending == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "nothing"),
        (b"{", "not valid JSON"),
        (b'{"entities": {"customer_id": [1,]}}', "not valid JSON"),
        (b'{"entities": {"customer_id": NaN}}', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"entities": {"category": "\\ud800"}}', "not valid JSON"),
        (b"[" * 5000, "not valid JSON"),
        (b"[1, 2]", "object"),
        (b"null", "object"),
        (b"{}", "entities"),
        (b'{"entities": [1]}', "entities"),
        (b'{"entities": {}, "entitys": {}}', "entitys"),
        (b'{"entities": {}, "model": 3}', "model"),
        (b'{"entities": {}, "version": "1"}', "version"),
        (b'{"entities": {}, "version": true}', "version"),
        (b'{"entities": {}, "version": 0}', "version"),
        (b'{"entities": {}, "features": "yes"}', "features"),
    ],
)
def test_malformed_bodies(client: Client, body: bytes, said: str) -> None:
    """A body that is no JSON, or not of the documented form, is refused with what is wrong where."""
    error = refused(client.post("/predict/purchase", content=body), 422, "malformed_request")
    assert said in error["message"]
    assert error["do"] == "See /docs for an example."


def test_overflowing_number_is_refused(client: Client, good_body: dict[str, Any]) -> None:
    """A number that JSON can write but a double can't hold is refused."""
    text = json.dumps(body_with(good_body, price=77)).replace("77", "1e999")
    refused(client.post("/predict/purchase", content=text), 422, "wrong_type")


def test_large_body_is_refused(client: Client) -> None:
    """A body beyond the limit is refused before it is read to its end."""
    error = refused(client.post("/predict/purchase", content=b" " * 20_001), 413, "body_too_large")
    assert "20000" in error["message"]


@pytest.mark.parametrize("task", ["purchases", "x" * 3000, "%00", "%2e%2e"])
def test_unknown_task(client: Client, good_body: dict[str, Any], task: str) -> None:
    """An unknown task is 404 and says which exist."""
    error = refused(client.post(f"/predict/{task}", json=good_body), 404, "unknown_task")
    assert error["exists"] == ["purchase"]
    assert len(error["message"]) < 500


def test_unknown_model(client: Client, good_body: dict[str, Any]) -> None:
    """An unknown model is 404 and says which the task has."""
    error = refused(client.post("/predict/purchase", json={**good_body, "model": "oracle"}), 404, "unknown_model")
    assert error["exists"] == ["dnn-reference", "logistic", "rule", "xgboost"]


def test_unknown_version(client: Client, good_body: dict[str, Any]) -> None:
    """An unknown version is 404 and says which the task has."""
    body = {**good_body, "model": "logistic", "version": 9}
    error = refused(client.post("/predict/purchase", json=body), 404, "unknown_version")
    assert "'logistic 1'" in error["message"]


def test_unknown_path_and_method(client: Client) -> None:
    """An unknown path or a wrong method is answered in the same form, with the paths that exist."""
    assert "POST /predict/{task}" in refused(client.get("/nowhere"), 404, "unknown_path")["exists"]
    refused(client.get("/predict/purchase"), 405, "wrong_method")


def test_unexpected_failure_shows_no_trace(
    client: Client, good_body: dict[str, Any], engine_of: EngineOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a defect answers in the one form, without a stack trace or the defect's own words."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("inner words")

    monkeypatch.setattr(engine_of(), "predict", fail)
    answer = client.post("/predict/purchase", json=good_body)
    refused(answer, 500, "internal_error")
    assert "inner words" not in answer.text


@pytest.mark.parametrize("body", [b"{}", b"", b"not JSON"])
def test_the_task_is_looked_at_first(client: Client, body: bytes) -> None:
    """An unknown task is 404 whatever the body holds."""
    assert refused(client.post("/predict/nope", content=body), 404, "unknown_task")["exists"] == ["purchase"]
