"""`StorekeeperProvider`: what `feature_store.yaml` names as its provider."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.passthrough_provider import PassthroughProvider
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDataset

from storekeeper.definitions import validate_views, view_hash
from storekeeper.definitions.on_demand_views import ServedRegistry
from storekeeper.errors import UsageError
from storekeeper.offline.store import saved_rows
from storekeeper.online.store import StateOnlineStore, clock_of
from storekeeper.online.view_state import from_us, to_us
from storekeeper.sources import source_fingerprint


class StorekeeperProvider(PassthroughProvider):
    """Feast's provider, with materialisation through the kernel and declarations that are checked."""

    _validated: Path | None = None

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Check the repo's declarations as a whole; Feast asks source by source, before it writes anything."""
        super().validate_data_source(config, data_source)
        repo = config.repo_path
        if repo and self._validated != repo and Path.cwd() == Path(repo).resolve():
            from storekeeper.definitions.repo import repo_views

            validate_views(repo_views(config), config)
            self._validated = repo

    def get_online_features(self, *arguments: Any, **options: Any) -> Any:
        """Features of entities now; those of on-demand views are what an offline retrieval gives."""
        return super().get_online_features(*arguments, **_served(options))

    async def get_online_features_async(self, *arguments: Any, **options: Any) -> Any:
        """As `get_online_features`."""
        return await super().get_online_features_async(*arguments, **_served(options))

    def retrieve_saved_dataset(self, config: RepoConfig, dataset: SavedDataset) -> RetrievalJob:
        """A saved dataset as it was saved: Feast itself drops labels and all else that is neither key nor feature."""
        return saved_rows(config, dataset.storage.to_data_source())

    def materialize_single_feature_view(
        self,
        config: RepoConfig,
        feature_view: FeatureView | OnDemandFeatureView,
        start_date: datetime,
        end_date: datetime,
        registry: BaseRegistry,
        project: str,
        tqdm_builder: Callable[[int], Any],
        disable_event_timestamp: bool = False,
    ) -> None:
        """Build a view's state as it stands at `end_date`, or at the clock's now if that is earlier.

        State always covers all that a window can reach, whatever `start_date` says, and never goes back in time.
        """
        del start_date, registry, project, disable_event_timestamp
        if isinstance(feature_view, OnDemandFeatureView):
            return
        with tqdm_builder(1) as bar:
            self.materialise(config, feature_view, end_date)
            bar.update(1)

    def materialise(
        self, config: RepoConfig, view: FeatureView, end: datetime, *, unless_made_from: bool = False
    ) -> tuple[int, bool]:
        """As `materialize_single_feature_view`.

        Parameters
        ----------
        unless_made_from
            Do nothing where the state stands at the same instant and was made from the same definition and rows.

        Returns
        -------
        entities : int
            How many entities have state.
        done : bool
            Whether it was built now.
        """
        store = self.online_store
        if not isinstance(store, StateOnlineStore):
            raise UsageError(
                f"StorekeeperProvider materialises into a StateOnlineStore. Received: {type(store).__name__}. "
                f"Correct online_store.type in feature_store.yaml."
            )
        state = store.view_state(config, view)
        now = clock_of(config).now()
        until = min(end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC), now)
        meta = state.backend.meta(state.name)
        if meta and meta.until_us and to_us(until) < meta.until_us <= to_us(now):
            until = from_us(meta.until_us)
        plan = state.plan
        made_from = f"{view_hash(plan)}:{source_fingerprint(plan.source, config, until, plan.ties)}"
        if unless_made_from and meta and (meta.until_us, meta.made_from) == (to_us(until), made_from):
            return state.backend.count(state.name), False
        return state.materialise(config, until, made_from), True


def _served(options: dict[str, Any]) -> dict[str, Any]:
    """The options of Feast's online retrieval, its on-demand views as they are served."""
    return options | {"registry": ServedRegistry(options["registry"])}
