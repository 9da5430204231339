"""Leaks planted in a simulated shop and its purchase task, one at a time: each is caught, and without them none is."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leaky_shop import with_column
from projects import Project
from storekeeper.offline.job import to_frame
from storekeeper.settings import Settings
from storekeeper.shop.simulator.loading import load_simulated
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.store import FeatureStore
from storekeeper_training.build import build_dataset
from storekeeper_training.dataset import Dataset, read_dataset
from storekeeper_training.lint import Evidence, Limits, run_lints
from storekeeper_training.lint.declared import read_declared
from storekeeper_training.split import split_by_fractions, split_by_instants
from storekeeper_training.tasks import PURCHASE, Task
from synthetic_shop import ROOT

pytestmark = pytest.mark.slow

OPTIONS = SimulationOptions(customers=500, days=240, seed=5)
TASK = replace(PURCHASE, parameters={**PURCHASE.parameters, "sample_rate": 0.25})
FEATURES = ("affinity_lines_7d", "affinity_seconds_since_last")


@dataclass(frozen=True)
class Shop:
    """A simulated shop with the project's own features, in a folder."""

    home: Path
    task: Task = TASK

    @property
    def settings(self) -> Settings:
        """With the clock at the end of the simulation."""
        return Settings.load(self.home, {})

    @property
    def store(self) -> FeatureStore:
        """Its features."""
        return FeatureStore(self.home / "feature_repo")

    def copy(self, home: Path) -> "Shop":
        """One that may be changed."""
        shutil.copytree(self.home, home)
        return replace(self, home=home)

    def edit(self, file: str, old: str, new: str) -> None:
        """Declare something else."""
        path = self.home / "feature_repo" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def evidence(self) -> Evidence:
        """Apply, build, and gather all that lints look at."""
        self.store.apply_repo()
        dataset = read_dataset(self.task, build_dataset(self.task, self.settings, self.store).folder)
        split = split_by_fractions(dataset.timestamps, self.task.horizon)
        return Evidence(dataset, split, Limits(), read_declared(dataset, self.settings, self.store, Limits()))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop as it is. Shared: take a copy to change it."""
    made = Project(tmp_path_factory.mktemp("simulated"))
    shutil.copytree(ROOT / "feature_repo", made.repo, ignore=shutil.ignore_patterns("__pycache__"))
    found = Shop(made.root)
    found.edit("feature_store.yaml", "2017-12-31T00:00:00Z", OPTIONS.ends_at.replace(tzinfo=UTC).isoformat())
    load_simulated(found.settings, OPTIONS)
    return found


@pytest.fixture(scope="module")
def clean(shop: Shop) -> Evidence:
    """The purchase task without a leak. Shared: plants replace parts of it."""
    return shop.evidence()


def found(evidence: Evidence) -> set[tuple[str, str]]:
    """Lint and subject of every error."""
    return {(f.lint, f.subject) for f in run_lints(evidence).refused()}


def planted(evidence: Evidence, name: str, values: Any) -> Evidence:
    """The evidence with a column planted in its dataset."""
    return replace(evidence, dataset=with_column(evidence.dataset, name, values))


def retrieved(shop: Shop, dataset: Dataset, later: timedelta, *, cutoff: bool = True) -> pa.Table:
    """The features of the dataset's rows as of a later time."""
    asked = [column.name for column in dataset.task.spine_columns if column.name != dataset.task.label]
    spine = dataset.table.select(asked)
    moved = pc.add(spine.column("event_timestamp"), pa.scalar(later, pa.duration("us")))
    spine = spine.set_column(asked.index("event_timestamp"), "event_timestamp", moved)
    service = shop.store.feature_service(dataset.task.feature_service)
    return shop.store.get_historical_features(
        entity_df=to_frame(spine), features=service, filter_by_created_timestamp=cutoff
    ).to_arrow()


def test_the_purchase_task_of_a_simulated_shop_is_clean(clean: Evidence) -> None:
    """Late reports, back-dated profiles and features that foretell are all there, and nothing is found."""
    assert run_lints(clean).findings == ()
    assert clean.dataset.table.num_rows > 3000
    assert clean.dataset.labels.sum() > 100


def end_of_window(shop: Shop, clean: Evidence) -> Evidence:
    """A count as of the end of the label's window."""
    values = retrieved(shop, clean.dataset, clean.dataset.task.horizon).column("affinity_lines_7d")
    return planted(clean, "affinity_lines_7d", values)


def upcoming_time(shop: Shop, clean: Evidence) -> Evidence:
    """When the customer comes next."""
    times = clean.dataset.timestamps + np.random.default_rng(0).integers(1, 10**12, clean.dataset.table.num_rows)
    return planted(clean, "next_visit", pa.array(times, pa.timestamp("us", tz="UTC")))


def label_itself(shop: Shop, clean: Evidence) -> Evidence:
    """The label turned round, under another name."""
    return planted(clean, "stayed_away", 1 - clean.dataset.labels)


def scored_event(shop: Shop, clean: Evidence) -> Evidence:
    """An age of zero: the event that is scored counts."""
    ages = pc.fill_null(clean.dataset.table["seconds_since_purchase"], 1.0).to_numpy().copy()
    ages[::50] = 0.0
    return planted(clean, "seconds_since_purchase", ages)


def outcome_in_disguise(shop: Shop, clean: Evidence) -> Evidence:
    """A score that was written when it was all over."""
    rng, labels = np.random.default_rng(0), clean.dataset.labels
    written = np.where(rng.random(len(labels)) < 0.02, 1 - labels, labels)
    return planted(clean, "loyalty", written + rng.normal(0, 0.2, len(labels)))


def basket_number(shop: Shop, clean: Evidence) -> Evidence:
    """A number that is given out in the order of time."""
    count = clean.dataset.table.num_rows
    return planted(clean, "last_basket", np.arange(count) * 3 + np.random.default_rng(0).integers(0, 9, count))


def short_gap(shop: Shop, clean: Evidence) -> Evidence:
    """A gap between the parts that is shorter than the label's window."""
    times, split = clean.dataset.timestamps, clean.split
    return replace(clean, split=split_by_instants(times, split.train_end, split.validation_end, timedelta(days=1)))


def without_cutoff(shop: Shop, clean: Evidence) -> Evidence:
    """Retrieved with all that is known by now."""
    table = retrieved(shop, clean.dataset, timedelta(0), cutoff=False)
    leaky = clean.dataset
    for name in FEATURES:
        leaky = with_column(leaky, name, table.column(name))
    return replace(clean, dataset=replace(leaky, manifest={**leaky.manifest, "knowledge_cutoff": False}))


PLANTS: dict[Callable[[Shop, Evidence], Evidence], tuple[str, str]] = {
    end_of_window: ("future-features", "affinity_lines_7d"),
    upcoming_time: ("future-features", "next_visit"),
    label_itself: ("label-among-features", "stayed_away"),
    scored_event: ("inclusive-edge", "seconds_since_purchase"),
    outcome_in_disguise: ("implausible-feature", "loyalty"),
    basket_number: ("time-encoding-id", "last_basket"),
    short_gap: ("split-overlap", "train, validation"),
    without_cutoff: ("no-knowledge-cutoff", "purchase"),
}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_leaks_in_the_dataset(shop: Shop, clean: Evidence, plant: Callable[[Shop, Evidence], Evidence]) -> None:
    """Each is an error of its own lint, about what was planted."""
    assert PLANTS[plant] in found(plant(shop, clean))


def test_a_source_that_hides_when_it_knew(shop: Shop, tmp_path: Path) -> None:
    """Profiles whose time of recording is no longer declared are back-dated."""
    leaky = shop.copy(tmp_path / "shop")
    leaky.edit(
        "sources.py", '    created_timestamp_column="recorded_at",\n    description="Demographics', '    description="D'
    )
    assert found(leaky.evidence()) == {("back-dated-source", "customers")}


def test_a_source_that_knows_the_answer(shop: Shop, tmp_path: Path) -> None:
    """The simulator's own chances, joined to the purchases, are refused."""
    leaky = shop.copy(tmp_path / "shop")
    leaky.edit("sources.py", "FROM events\nWHERE event_type = 'purchase'", "FROM events JOIN truth USING (event_id)\n"
               "WHERE event_type = 'purchase' AND decision = 'again'")  # fmt: skip
    assert found(leaky.evidence()) == {("true-chances", "purchase_log")}


def test_a_spine_that_takes_what_is_to_come_for_no(shop: Shop, tmp_path: Path) -> None:
    """Labels whose window is still open are found."""
    sql = TASK.spine_sql.replace("WHEN l.cutoff + $horizon <= observed_until THEN", "WHEN true THEN")
    assert sql != TASK.spine_sql
    leaky = replace(shop.copy(tmp_path / "shop"), task=replace(TASK, spine_sql=sql))
    assert found(leaky.evidence()) == {("immature-labels", "label"), ("label-known-early", "label")}
