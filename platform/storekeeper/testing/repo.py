"""A feature repo's declarations, read from its files: no registry, no database, no data."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.repo_operations import parse_repo

from storekeeper.definitions import ViewPlan, plan_view
from storekeeper.definitions.repo import inferred_views, inside
from storekeeper.errors import NotFoundError, listing
from storekeeper.testing.on_demand import OnDemandUnderTest
from storekeeper.testing.view import ViewUnderTest


@dataclass(frozen=True)
class FeatureRepo:
    """What a feature repo declares, ready for examples.

    Attributes
    ----------
    plans
        Latest-value and windowed views by name.
    on_demand_views
        On-demand views by name.

    Examples
    --------
    In a test, where `feature_repo` is the plug-in's fixture::

        def test_spend_counts_the_week(feature_repo):
            activity = feature_repo.view("customer_activity").given([
                {"customer_id": 1, "event_time": "2017-05-01T10:00", "amount_cents": 250},
            ])
            activity.at("2017-05-01T10:00", customer_id=1).expect(spend_cents_7d=0)
            activity.at("2017-05-02T10:00", customer_id=1).expect(spend_cents_7d=250)
    """

    plans: Mapping[str, ViewPlan]
    on_demand_views: Mapping[str, OnDemandFeatureView]

    @classmethod
    def load(cls, path: str | Path) -> "FeatureRepo":
        """Read a repo's Python files.

        Join keys need a declared type (`Entity(value_type=...)`); otherwise Feast would look into the source.

        Raises
        ------
        NotFoundError
            If there is no such folder.
        DefinitionError
            If a declaration is impossible.
        """
        folder = Path(path).resolve()
        if not folder.is_dir():
            raise NotFoundError(f"There is no feature repo '{folder}'. Name a folder with a feature repo's files.")
        with inside(folder), warnings.catch_warnings():
            # Feast marks stream views and on-demand views as experimental each time one is built.
            warnings.filterwarnings("ignore", ".*experimental.*", RuntimeWarning)
            contents = parse_repo(folder)
            declared = [*contents.feature_views, *contents.stream_feature_views]
            views = inferred_views(declared, contents.entities, _config(folder))
        plans = {str(view.name): plan_view(view) for view in views}
        return cls(plans, {str(view.name): view for view in contents.on_demand_feature_views})

    def view(self, name: str) -> ViewUnderTest:
        """A latest-value or windowed view, to be given events.

        Raises
        ------
        NotFoundError
            If there is none; the message lists those that exist.
        """
        if name in self.on_demand_views:
            raise NotFoundError(f"'{name}' is an on-demand view: test it with on_demand('{name}').")
        if name not in self.plans:
            raise NotFoundError(f"There is no feature view '{name}'. There are: {listing(self.plans)}.")
        plan = self.plans[name]
        alike = [other for other in self.plans.values() if other.source.name == plan.source.name]
        columns = {column for other in alike for column in other.source_columns(list(other.types))}
        return ViewUnderTest(plan, frozenset(columns))

    def on_demand(self, name: str) -> OnDemandUnderTest:
        """An on-demand view, to be given its inputs.

        Raises
        ------
        NotFoundError
            If there is none; the message lists those that exist.
        """
        if name not in self.on_demand_views:
            raise NotFoundError(f"There is no on-demand view '{name}'. There are: {listing(self.on_demand_views)}.")
        return OnDemandUnderTest(self.on_demand_views[name])


def _config(folder: Path) -> RepoConfig:
    """What Feast needs to read declarations; nothing that it names is opened."""
    return RepoConfig(
        project="testing",
        provider="storekeeper.provider.StorekeeperProvider",
        registry=str(folder / "registry.db"),
        offline_store={"type": "storekeeper.offline.store.HistoryOfflineStore"},
        online_store={"type": "storekeeper.online.store.StateOnlineStore"},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
