"""A tiny shop from events to models: loaded, applied, materialised and trained, once a test session."""

import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.artefact import (
    FORMAT_VERSION,
    Artefact,
    CategoricalColumn,
    Column,
    Encoder,
    InputColumn,
    Manifest,
    NumericColumn,
    write_artefact,
)
from storekeeper.artefact.formulas import LinearFormula, RuleFormula
from storekeeper.artefact.runtime import ONNX_FILE, XGBOOST_FILE
from storekeeper.clock import Clock
from storekeeper.database import upgrade
from storekeeper.definitions import definition_hash
from storekeeper.settings import Settings
from storekeeper.shop.behaviour import write_behaviour
from storekeeper.shop.columns import EVENT_COLUMNS
from storekeeper.shop.tables import replace_tables
from storekeeper.store import FeatureStore
from storekeeper_serving.app import create_app
from storekeeper_serving.engine import Engine
from storekeeper_serving.options import ServingOptions

with warnings.catch_warnings():
    # Starlette's client asks for the next major version of httpx, which nothing else here needs.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

NOW = datetime(2017, 12, 25, tzinfo=UTC)
CATEGORIES = ("SOUP", "BREAD", "TEA")
N_CUSTOMERS = 6
NUMERIC = ("lines_28d", "spend_cents_91d", "affinity_lines_91d", "affinity_seconds_since_last", "price_ratio", "price")
ENCODER = Encoder(
    tuple(NumericColumn(name, "standard", log1p=True) for name in NUMERIC),
    (CategoricalColumn("category", CATEGORIES),),
)
WEIGHTS = (0.2, 0.01, 0.6, -0.05, -0.3, 0.02, -0.1, 0.3, 0.1, 0.0)
REPO = Path(__file__).parents[2] / "feature_repo"


def shop_events(n_events: int = 600) -> pa.Table:
    """Purchases of a few customers over 120 days, deterministic."""
    rng = np.random.default_rng(7)
    times = [NOW - timedelta(minutes=int(m)) for m in np.sort(rng.integers(1, 120 * 24 * 60, n_events))[::-1]]
    products = rng.integers(0, len(CATEGORIES), n_events)
    values: dict[str, list[Any]] = {name: [None] * n_events for name in EVENT_COLUMNS}
    values |= {
        "event_id": list(range(n_events)),
        "event_type": ["purchase"] * n_events,
        "event_time": [time.replace(tzinfo=None) for time in times],
        "known_time": [time.replace(tzinfo=None) for time in times],
        "customer_id": (1 + rng.integers(0, N_CUSTOMERS, n_events)).tolist(),
        "product_id": (10 + products).tolist(),
        "category": [CATEGORIES[product] for product in products],
        "department": ["GROCERY"] * n_events,
        "basket_id": (np.arange(n_events) // 3).tolist(),
        "store_id": [1] * n_events,
        "quantity": rng.integers(1, 4, n_events).tolist(),
        "amount_cents": rng.integers(50, 900, n_events).tolist(),
        "discount_cents": rng.integers(0, 50, n_events).tolist(),
        "coupon_cents": [0] * n_events,
    }
    types = {"BIGINT": pa.int64(), "VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us"), "DOUBLE": pa.float64()}
    return pa.table({name: pa.array(values[name], types[kind]) for name, kind in EVENT_COLUMNS.items()})


def fill_shop(settings: Settings) -> None:
    """Write the events and the slow-changing tables."""
    events = shop_events()
    with write_behaviour(settings.behaviour_path) as connection:
        connection.register("incoming", events)
        names = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
        connection.execute(f"INSERT INTO events ({names}) SELECT {names} FROM incoming ORDER BY event_time")
    upgrade(settings.database_url)
    start = datetime(2017, 1, 1, tzinfo=UTC)
    customers = [
        {"customer_id": i, "updated_at": start, "recorded_at": start, "age_band": "35-44", "income_band": "50-74K"}
        for i in range(1, N_CUSTOMERS)
    ]
    products = [
        {"product_id": 10 + i, "updated_at": start, "recorded_at": start, "brand": "Private", "category": name}
        for i, name in enumerate(CATEGORIES)
    ]
    replace_tables(
        settings.database_url,
        {"customers": pa.Table.from_pylist(customers), "products": pa.Table.from_pylist(products)},
    )


def make_manifest(store: FeatureStore, model: str, runtime: str, quality: float) -> Manifest:
    """A manifest of the purchase task, trained on the definitions in force."""
    features = [InputColumn(name, "double", "feature") for name in NUMERIC if name != "price"]
    return Manifest(
        format_version=FORMAT_VERSION,
        task="purchase",
        model=model,
        version=1,
        runtime=runtime,
        feature_service="purchase",
        definition_hash=definition_hash(store, "purchase"),
        dataset_hash="d" * 64,
        code_hash="c" * 64,
        inputs=(*features, InputColumn("price", "double", "request"), InputColumn("category", "string", "entity")),
        entity_keys=(Column("customer_id", "int64"), Column("category", "string")),
        request_columns=(Column("request_time", "timestamp[us, tz=UTC]"), Column("price", "double")),
        threshold=0.5,
        selection_metric="average_precision",
        metrics={"validation": {"average_precision": quality}, "test": {"average_precision": None}},
        created_at=NOW,
        seed=7,
        fit_seconds=0.1,
        peak_memory_mb=1.0,
    )


def write_logistic(folder: Path) -> None:
    """A logistic regression with fixed weights."""
    ENCODER.write(folder)
    LinearFormula(WEIGHTS, -1.0).write(folder)


def write_rule(folder: Path) -> None:
    """A rule over one feature."""
    Encoder((NumericColumn("affinity_lines_91d"),)).write(folder)
    RuleFormula((0.0, 10.0), (0.05, 0.9), 0.05).write(folder)


def write_xgboost(folder: Path) -> None:
    """A few trees over noise: what counts is that they run."""
    import xgboost

    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(200, len(WEIGHTS))).astype(np.float32)
    labels = (matrix @ np.asarray(WEIGHTS) > 0).astype(np.float32)
    parameters = {"objective": "binary:logistic", "nthread": 1, "max_depth": 3}
    booster = xgboost.train(parameters, xgboost.DMatrix(matrix, labels), num_boost_round=5)
    ENCODER.write(folder)
    booster.save_model(folder / XGBOOST_FILE)


def write_network(folder: Path) -> None:
    """The same logistic regression as an ONNX graph."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.asarray(WEIGHTS, dtype=np.float32).reshape(-1, 1)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(WEIGHTS)])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32([-1.0]), "b")],
    )
    ENCODER.write(folder)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / ONNX_FILE)


MODELS: dict[str, tuple[str, float, Callable[[Path], None]]] = {
    "logistic": ("logistic", 0.3, write_logistic),
    "rule": ("rule", 0.2, write_rule),
    "xgboost": ("xgboost", 0.4, write_xgboost),
    "dnn-reference": ("onnx", 0.35, write_network),
}


@dataclass(frozen=True)
class Shop:
    """A project that is ready to serve. Tests that change it take a copy."""

    settings: Settings

    def write_model(self, model: str, **changes: Any) -> Artefact:
        """Add a version of a model, with changes to its manifest."""
        from dataclasses import replace

        runtime, quality, fill = MODELS[model]
        store = FeatureStore(self.settings.feature_repo)
        manifest = replace(make_manifest(store, model, runtime, quality), **changes)
        return write_artefact(self.settings.models_dir, manifest, fill)


def settings_of(home: Path) -> Settings:
    """Settings of a project that no environment variable touches."""
    return Settings(home, f"sqlite:///{home}/data/shop.db", Clock(fixed=NOW))


@pytest.fixture(scope="session", autouse=True)
def _no_variables() -> Iterator[None]:
    """What the developer's shell sets is not the tests' business."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STOREKEEPER_CLOCK", "STOREKEEPER_DATABASE_URL", "STOREKEEPER_HOME"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the whole shop. Never served itself: every user takes a copy."""
    home = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOREKEEPER_DATABASE_URL", f"sqlite:///{home}/data/shop.db")
        shutil.copytree(REPO, home / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
        configuration = home / "feature_repo" / "feature_store.yaml"
        configuration.write_text(re.sub(r"clock: .*", f'clock: "{NOW.isoformat()}"', configuration.read_text()))
        settings = settings_of(home)
        fill_shop(settings)
        store = FeatureStore(settings.feature_repo)
        store.apply_repo()
        for view in store.all_feature_views():
            store.materialise_view(view)
        shop = Shop(settings)
        for model in MODELS:
            shop.write_model(model)
    return home


def copy_shop(prepared: Path, target: Path) -> Shop:
    """A copy that a test may break."""
    shutil.copytree(prepared, target, dirs_exist_ok=True)
    return Shop(settings_of(target))


@pytest.fixture
def shop(prepared: Path, tmp_path: Path) -> Shop:
    """A shop of the test's own."""
    return copy_shop(prepared, tmp_path / "shop")


@pytest.fixture(scope="module")
def running_shop(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop behind `client`."""
    return copy_shop(prepared, tmp_path_factory.mktemp("running"))


@pytest.fixture(scope="module")
def client(running_shop: Shop) -> Iterator[TestClient]:
    """A client of a running application, shared by a module's tests, which change nothing."""
    app = create_app(running_shop.settings, ServingOptions(max_rows=50, max_body_bytes=20_000))
    with TestClient(app, raise_server_exceptions=False) as started:
        yield started


@pytest.fixture
def make_client() -> Callable[[Any], TestClient]:
    """A client of an application of the test's own; enter it to start the application."""
    return lambda app: TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def engine_of(client: TestClient) -> Callable[[], Engine]:
    """The engine behind the client."""
    return lambda: client.app.state.engine  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def good_body() -> dict[str, Any]:
    """A request that is answered."""
    return json.loads(
        '{"entities": {"customer_id": [1, 2], "category": ["SOUP", "TEA"]}, "context": {"price": [199, 99.5]}}'
    )
