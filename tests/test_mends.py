"""What Feast's own clients do with a Storekeeper repo, from wherever they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import feast
import pytest
from feast import FeatureView, Field
from feast.repo_config import load_repo_config
from feast.types import Int64
from sqlalchemy.engine import make_url

from projects import NOW, Project
from storekeeper.errors import DefinitionError

VIEW = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
latest = FeatureView(name="{name}", entities=[user], source=log, schema=[Field(name="big", dtype=Int64)])
"""


def _filled(project: Project, view: str) -> Project:
    project.add_duckdb("log", [{"user_id": 1, "at": NOW, "big": 7}])
    project.declare(VIEW.format(name=view))
    return project


@pytest.fixture
def two(make_project: Callable[[str], Project]) -> tuple[Project, Project]:
    """Two projects, each with one applied view named as the project."""
    here, there = _filled(make_project("here"), "here"), _filled(make_project("there"), "there")
    here.apply()
    there.apply()
    return here, there


def _views(store: feast.FeatureStore) -> list[str]:
    return [view.name for view in store.list_feature_views()]


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_store_keeps_to_the_repo_that_was_asked_for(
    two: tuple[Project, Project], by_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feast's own store reads and writes the registry of its repo, from inside another project or with its variable."""
    here, there = two
    if by_variable:
        monkeypatch.setenv("STOREKEEPER_HOME", str(here.root))
    monkeypatch.chdir(here.root)
    before = here.registry.read_bytes()
    store = feast.FeatureStore(str(there.repo))
    assert _views(store) == ["there"]
    store.delete_feature_view("there")
    assert _views(there.open()) == []
    assert _views(here.open()) == ["here"]
    assert here.registry.read_bytes() == before


def test_a_store_opens_from_an_unrelated_folder(
    make_project: Callable[[str], Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside every project, an absolute path is enough: to register, to materialise and to read."""
    project = _filled(make_project("shop"), "latest")
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    store = feast.FeatureStore(str(project.repo))
    user = feast.Entity(name="user", join_keys=["user_id"], value_type=feast.ValueType.INT64)
    store.apply([user])
    project.apply()
    store.refresh_registry()
    store.materialize(NOW, NOW)
    found = store.get_online_features(features=["latest:big"], entity_rows=[{"user_id": 1}]).to_dict()
    assert found == {"user_id": [1], "big": [7]}
    assert list((tmp_path / "nowhere").iterdir()) == []


def test_the_feast_command_works_from_an_unrelated_folder(two: tuple[Project, Project]) -> None:
    """`feast -c /there/feature_repo` from inside another project applies and lists there."""
    here, there = two
    there.declare(VIEW.format(name="renamed"))
    applied = here.run("feast", "-c", str(there.repo), "apply")
    assert applied.returncode == 0, applied.stderr
    assert _views(there.open()) == ["renamed"]
    assert _views(here.open()) == ["here"]


def test_configurations_do_not_share_a_root(two: tuple[Project, Project]) -> None:
    """One registry block given to two repos names a file in each."""
    configs = [load_repo_config(project.repo, project.repo / "feature_store.yaml") for project in two]
    shared = configs[0].registry_config
    blocks: list[Any] = []
    for config, project in zip(configs, two, strict=True):
        config.registry_config = shared
        blocks.append(config.registry)
        assert make_url(config.registry.path).database == str(project.registry)
        assert config.registry is blocks[-1]
    assert shared["path"] == "sqlite:///data/registry.db?plugin=storekeeper"


def test_refused_views_are_not_registered(two: tuple[Project, Project]) -> None:
    """Feast's own `apply` checks a view against its source before it writes anything."""
    store = feast.FeatureStore(str(two[0].repo))
    view = store.get_feature_view("here")
    bad = FeatureView(
        name="bad",
        entities=[store.get_entity("user")],
        source=view.batch_source,
        schema=[Field(name="no", dtype=Int64)],
    )
    with pytest.raises(DefinitionError, match="needs column 'no'"):
        store.apply([bad])
    store.refresh_registry()
    assert _views(store) == ["here"]


def test_what_was_found_in_one_registry_is_never_another_registrys(two: tuple[Project, Project]) -> None:
    """However often registries come to lie where others lay in memory, each reading is told apart from all others."""
    here, there = two
    versions = set()
    for _ in range(20):
        for project in (here, there):
            registry: Any = project.open().registry
            versions.add(registry.cached_registry_proto.version_id)
            registry.refresh()
            versions.add(registry.cached_registry_proto.version_id)
            assert [view.name for view in registry.list_feature_views("small", allow_cache=True)] == [project.root.name]
    assert "" not in versions
    assert len(versions) == 80
