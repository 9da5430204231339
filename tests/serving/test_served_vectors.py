"""What serving logs is what it used, and what training would have seen."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from fastapi import FastAPI
from httpx import Client

from storekeeper.audit.log import PROBABILITY, REQUEST_ID, SERVED_AT, read_served
from storekeeper.definitions import definition_hash
from storekeeper.store import FeatureStore
from storekeeper_serving.app import create_app


@pytest.fixture
def app(shop: Any) -> FastAPI:
    return create_app(shop.settings)


def test_log_holds_what_was_used(shop: Any, app: FastAPI, make_client: Any, good_body: dict[str, Any]) -> None:
    """When the application stops, each vector is on disk: keys, context, features and what was predicted."""
    with make_client(app) as client:
        answer = client.post("/predict/purchase", json={**good_body, "features": True}).json()
        client.post("/predict/purchase", json={**good_body, "model": "rule"})
    (group,) = read_served(shop.settings.served_dir)
    assert group.service == "purchase"
    assert group.definition_hash == definition_hash(FeatureStore(shop.settings.feature_repo), "purchase")
    assert group.table.num_rows == 4
    mine = group.table.filter(pa.compute.field(REQUEST_ID) == answer["request_id"])
    assert mine.column(PROBABILITY).to_pylist() == answer["probabilities"]
    assert mine.column("customer_id").to_pylist() == good_body["entities"]["customer_id"]
    assert mine.column("price").to_pylist() == good_body["context"]["price"]
    assert mine.select(list(answer["features"])).to_pydict() == answer["features"]


def test_served_equals_trained(shop: Any, app: FastAPI, make_client: Any) -> None:
    """Replayed offline at the time of serving, every logged feature is the same."""
    keys = [(c, k) for c in (1, 2, 3, 4, 5, 6, 99) for k in ("SOUP", "TEA", "BREAD", "NEW")]
    body = {
        "entities": {"customer_id": [c for c, _ in keys], "category": [k for _, k in keys]},
        "context": {"price": [None if i % 5 == 0 else 100.0 + i for i in range(len(keys))]},
    }
    with make_client(app) as client:
        assert client.post("/predict/purchase", json=body).status_code == 200
    (group,) = read_served(shop.settings.served_dir)
    store = FeatureStore(shop.settings.feature_repo)
    spine = group.table.select(["customer_id", "category", "request_time", "price"]).to_pandas()
    spine["event_timestamp"] = group.table.column(SERVED_AT).to_pandas()
    offline = store.get_historical_features(
        entity_df=pd.DataFrame(spine), features=store.feature_service("purchase"), filter_by_created_timestamp=True
    ).to_arrow()
    names = [n for n in offline.column_names if n in group.table.column_names and n != "event_timestamp"]
    assert len(names) > 50
    for name in names:
        served, trained = group.table.column(name), offline.column(name)
        if pa.types.is_floating(served.type):
            close = pytest.approx(trained.to_numpy(), rel=1e-9, abs=0.0, nan_ok=True)
            assert served.to_numpy() == close, name
        else:
            assert served.to_pylist() == trained.to_pylist(), name


def test_concurrent_requests(shop: Any, app: FastAPI, make_client: Any, good_body: dict[str, Any]) -> None:
    """Requests at the same time are answered alike and each is logged once."""
    from concurrent.futures import ThreadPoolExecutor

    def ask(client: Client) -> Any:
        return client.post("/predict/purchase", json=good_body).json()

    with make_client(app) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(client), range(24)))
    assert len({tuple(answer["probabilities"]) for answer in answers}) == 1
    (group,) = read_served(shop.settings.served_dir)
    assert group.table.num_rows == 48
    assert set(group.table.column(REQUEST_ID).to_pylist()) == {answer["request_id"] for answer in answers}
