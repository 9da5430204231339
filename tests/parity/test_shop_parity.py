"""The project's own feature repo over a synthetic shop: served is what would have been trained on."""

import math
import sys
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner

from oracle import python_oracle
from oracle.features import Feature
from projects import Project
from storekeeper.definitions import definition_hash, plan_view
from storekeeper.sources import ReadRequest, read_source
from synthetic_shop import SHOP_NOW

VIEWS = [
    "behaviour_history", "category_popularity", "category_sales", "customer_activity", "customer_category_affinity",
    "customer_offers", "customer_profile", "product_catalogue", "product_popularity",
]  # fmt: skip
# Over what the small shop lacks: returns, and what campaigns are.
EMPTY = ["campaign_profile", "customer_returns", "product_returns"]
CONTEXT = {"purchase": ["price", "request_time"], "return": ["price", "request_time"], "sales": ["request_time"]}
MOMENTS = [SHOP_NOW, SHOP_NOW - timedelta(days=40, hours=5, minutes=7, microseconds=3)]


@pytest.fixture(scope="module")
def materialised(shop_project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[datetime, Any]:
    """A feature store for each moment, its clock set to it and every view materialised."""
    import shutil

    stores = {}
    for number, moment in enumerate(MOMENTS):
        root = tmp_path_factory.mktemp(f"parity{number}") / "shop"
        shutil.copytree(shop_project.root, root)
        stores[moment] = _store(root, moment)
    return stores


def _store(root: Any, moment: datetime) -> Any:
    project = Project(root)
    file = project.repo / "feature_store.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["online_store"]["clock"] = moment.isoformat()
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    store = project.open()
    store.apply_repo()
    for view in store.all_feature_views():
        store.materialise_view(view)
    return store


def _entities(store: Any, view: Any) -> pd.DataFrame:
    """Every entity of a view's history, and one that isn't there."""
    plan = plan_view(view)
    keys = read_source(plan.source, store.config, ReadRequest(plan.keys)).drop_null().to_pandas().drop_duplicates()
    unseen = {key: ["nobody" if keys[key].dtype == object else -1] for key in plan.keys}
    return pd.concat([keys, pd.DataFrame(unseen)], ignore_index=True).astype(keys.dtypes)


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)
    return type(ours) is type(theirs) and bool(ours == theirs)


@pytest.mark.parametrize("moment", MOMENTS, ids=["now", "earlier"])
@pytest.mark.parametrize("name", VIEWS)
def test_every_entity_of_every_view(materialised: dict[datetime, Any], name: str, moment: datetime) -> None:
    """Offline at now and online at now agree on every feature of every entity, floats to 1e-9."""
    store = materialised[moment]
    view = next(view for view in store.all_feature_views() if view.name == name)
    entities, features = _entities(store, view), list(plan_view(view).types)
    refs = [f"{name}:{feature}" for feature in features]
    assert len(entities) > 3
    spine = entities.assign(event_timestamp=moment)
    offline = store.get_historical_features(entity_df=spine, features=refs, filter_by_created_timestamp=True)
    online = store.get_online_features(features=refs, entity_rows=entities.to_dict("records")).to_dict()
    expected = offline.to_arrow().select(features).to_pydict()
    wrong = [
        (feature, entities.iloc[row].to_dict(), online[feature][row], expected[feature][row])
        for feature in features
        for row in range(len(entities))
        if not _same(online[feature][row], expected[feature][row])
    ]
    assert wrong == []
    assert any(value not in (None, 0, []) for feature in features for value in expected[feature])


def test_the_views_are_all_of_them(materialised: dict[datetime, Any]) -> None:
    """No view of the repo is left out above."""
    assert [view.name for view in materialised[SHOP_NOW].all_feature_views()] == sorted([*VIEWS, *EMPTY])


@pytest.mark.parametrize("name", ["customer_activity", "customer_category_affinity", "behaviour_history"])
def test_views_are_what_the_oracle_says(materialised: dict[datetime, Any], name: str) -> None:
    """The whole path from declaration to value agrees with plain Python loops over the source."""
    store = materialised[SHOP_NOW]
    view = next(view for view in store.all_feature_views() if view.name == name)
    plan = plan_view(view)
    entities = _entities(store, view).sample(12, random_state=1, ignore_index=True)
    spine = entities.assign(event_timestamp=pd.to_datetime([SHOP_NOW, SHOP_NOW - timedelta(days=99)] * 6, utc=True))
    features = list(plan.types)
    job = store.get_historical_features(
        entity_df=spine, features=[f"{name}:{feature}" for feature in features], filter_by_created_timestamp=True
    )
    events = read_source(plan.source, store.config, ReadRequest(plan.source_columns(features)))
    asked = [Feature(w.name, w.function, w.column, w.window_us, w.hop_us) for w in plan.windows_of(features)]
    found = job.to_arrow()
    microseconds = found["event_timestamp"].cast(pa.timestamp("us", tz="UTC"))
    asking = found.select(list(plan.keys)).append_column("event_timestamp", microseconds)
    expected = python_oracle.windowed(
        events, asking, keys=plan.keys, event_time=plan.event_time,
        spine_time="event_timestamp", features=asked, known_time=plan.known_time, cutoff=True,
    )  # fmt: skip
    for feature in features:
        pairs = zip(found[feature].to_pylist(), expected[feature].to_pylist(), strict=True)
        assert all(_same(ours, theirs) for ours, theirs in pairs), feature


@pytest.mark.parametrize("service", ["purchase", "click", "return", "next_item", "churn", "sales"])
def test_services_agree_online_and_offline(materialised: dict[datetime, Any], service: str) -> None:
    """Every feature service, on-demand features included, is served as it is trained on."""
    store = materialised[SHOP_NOW]
    rows: dict[str, list[Any]] = {"customer_id": [1, 2, 40, -5], "product_id": [1, 2, 60, -5]}
    rows |= {"campaign_id": [1, 2, 3, -5]}
    rows |= {"category": ["SOUP", "KÄSE", "", "NOPE"], "price": [199.0, 0.0, 5.5, 1.0]}
    rows |= {"request_time": [SHOP_NOW] * 4}
    needed = [*_keys(store, service), *CONTEXT.get(service, [])]
    spine = pd.DataFrame({name: rows[name] for name in needed} | {"event_timestamp": [SHOP_NOW] * 4})
    offline = store.get_historical_features(
        entity_df=spine, features=store.get_feature_service(service), filter_by_created_timestamp=True
    ).to_arrow()
    entity_rows = spine[needed].to_dict("records")
    online = store.get_online_features(features=store.get_feature_service(service), entity_rows=entity_rows).to_dict()
    # Offline, Feast hands out what on-demand features are made from as well.
    projections = store.get_feature_service(service).feature_view_projections
    features = [feature.name for projection in projections for feature in projection.features]
    assert set(online) - set(spine.columns) == set(features)
    for name in features:
        for ours, theirs in zip(online[name], offline[name].to_pylist(), strict=True):
            assert _same(_plain(ours), _plain(theirs)), name


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _keys(store: Any, service: str) -> list[str]:
    projections = store.get_feature_service(service).feature_view_projections
    views = [view for view in store.all_feature_views() if view.name in {p.name for p in projections}]
    return list(dict.fromkeys(key for view in views for key in plan_view(view).keys))


def test_a_definitions_hash_is_its_own(materialised: dict[datetime, Any], own_shop_project: Project) -> None:
    """The same repo elsewhere has the same hashes; a changed window changes those of the services that read it."""
    first = materialised[SHOP_NOW]
    services = [service.name for service in first.list_feature_services()]
    before = {name: definition_hash(first, name) for name in services}
    assert len(set(before.values())) == len(services)
    file = own_shop_project.repo / "product_views.py"
    store = own_shop_project.open()
    store.apply_repo()
    assert {name: definition_hash(store, name) for name in services} == before
    file.write_text(
        file.read_text().replace(
            '"product_buyers", "count_distinct", "customer_id", (7, 28)',
            '"product_buyers", "count_distinct", "customer_id", (7, 29)',
        )
    )
    store.apply_repo()
    changed = {name for name in services if definition_hash(store, name) != before[name]}
    assert changed == {"click", "return"}


@pytest.mark.slow
def test_feast_apply_on_the_project_itself(own_shop_project: Project) -> None:
    """`feast -c feature_repo apply` works on the repo as it is, on one registry at the root."""
    applied = own_shop_project.run("feast", "-c", "feature_repo", "apply")
    assert applied.returncode == 0, applied.stderr
    registry = own_shop_project.registry
    assert [path.relative_to(own_shop_project.root) for path in own_shop_project.root.rglob("registry.db")] == [
        registry.relative_to(own_shop_project.root)
    ]
    assert [view.name for view in own_shop_project.open().all_feature_views()] == sorted([*VIEWS, *EMPTY])


@pytest.mark.parametrize(
    "command",
    [
        "feature-views",
        "stream-feature-views",
        "entities",
        "feature-services",
        "data-sources",
    ],
)
def test_feasts_lists(own_shop_project: Project, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast's own `list` commands show what the repo declares, and don't change the registry."""
    from feast.cli.cli import cli

    own_shop_project.open().apply_repo()
    before = own_shop_project.registry.read_bytes()
    monkeypatch.chdir(own_shop_project.root)
    monkeypatch.setattr(sys, "path", sys.path[:])
    listed = CliRunner().invoke(cli, ["-c", "feature_repo", command, "list"])
    assert listed.exit_code == 0, listed.output + repr(listed.exception)
    expected = {
        "feature-views": "customer_profile", "stream-feature-views": "customer_activity", "entities": "category",
        "feature-services": "next_item", "data-sources": "purchase_log",
    }  # fmt: skip
    assert expected[command] in listed.output
    assert own_shop_project.registry.read_bytes() == before
