"""Every built-in task goes from a shop with all events to a trained, kept model, with no lint to be overridden."""

import shutil
from datetime import UTC
from functools import partial
from pathlib import Path

import pytest

from projects import Project
from storekeeper.settings import Settings
from storekeeper.shop.simulator.loading import load_simulated
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.store import FeatureStore
from storekeeper_training.build import build_dataset
from storekeeper_training.dataset import Dataset, read_dataset
from storekeeper_training.lint import Evidence, Limits
from storekeeper_training.lint.declared import read_declared
from storekeeper_training.split import Split
from storekeeper_training.tasks import TASKS, Task
from storekeeper_training.train import evaluate_trained, train
from synthetic_shop import ROOT

pytestmark = pytest.mark.slow

OPTIONS = SimulationOptions(customers=500, days=300, products=120, seed=5)
CHEAPEST = {"binary": "rule", "quantity": "moving-average", "ranking": "popularity"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A simulated shop with the project's own features, its clock at the end. Shared: datasets and models are added."""
    made = Project(tmp_path_factory.mktemp("every-task"))
    shutil.copytree(ROOT / "feature_repo", made.repo, ignore=shutil.ignore_patterns("__pycache__"))
    config = made.repo / "feature_store.yaml"
    now = OPTIONS.ends_at.replace(tzinfo=UTC).isoformat()
    config.write_text(config.read_text(encoding="utf-8").replace("2017-12-31T00:00:00Z", now), encoding="utf-8")
    settings = Settings.load(made.root, {})
    load_simulated(settings, OPTIONS)
    FeatureStore(settings.feature_repo).apply_repo()
    return settings


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_is_built_linted_trained_and_found_again(settings: Settings, task: Task) -> None:
    """The cheapest baseline is trained on a set without a leak, and evaluated from its artefact to the same figures."""
    store = FeatureStore(settings.feature_repo)
    folder = build_dataset(task, settings, store).folder
    assert read_dataset(task, folder).table.num_rows > 100
    folders = (folder, settings.models_dir, settings.reports_dir)
    result = train(task, *folders, [CHEAPEST[task.kind]], examine=partial(_examine, settings, store))
    assert result.allowed_lints == ()
    assert result.report.is_file()
    again = evaluate_trained(task, *folders)
    assert again.best.test == result.best.test


def _examine(settings: Settings, store: FeatureStore, dataset: Dataset, split: Split) -> Evidence:
    limits = Limits()
    return Evidence(dataset, split, limits, read_declared(dataset, settings, store, limits))


def test_rows_about_no_product_are_one_entity(settings: Settings) -> None:
    """A key that is null, as a mailing's product or an impression's campaign, has a code as every other value has."""
    (task,) = (task for task in TASKS if task.name == "click")
    dataset = read_dataset(task, Path(build_dataset(task, settings, FeatureStore(settings.feature_repo)).folder))
    assert dataset.table["campaign_id"].null_count == dataset.table.num_rows
    assert set(dataset.entity_codes("campaign_id").tolist()) == {0}
    assert len(set(dataset.entity_codes("product_id").tolist())) == len(dataset.table["product_id"].unique())
