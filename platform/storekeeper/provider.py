"""`StorekeeperProvider`: what `feature_store.yaml` names as its provider."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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

from storekeeper.definitions import validate_views
from storekeeper.definitions.on_demand_views import ServedRegistry
from storekeeper.errors import UsageError
from storekeeper.materialise import Fingerprints, Outcome, Run, materialise
from storekeeper.offline.store import saved_rows
from storekeeper.online.store import StateOnlineStore, clock_of, lookback_of, retry_horizon_of
from storekeeper.online.view_state import ViewState


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

        State always covers all that a window can reach, and never goes back in time. A `start_date` that isn't before
        the instant at which state stands, as Feast's `materialize_incremental` gives it, asks for what has changed
        since; any other for all state.
        """
        del registry, project, disable_event_timestamp
        if isinstance(feature_view, OnDemandFeatureView):
            return
        until = self._state(config, feature_view).materialised_until()
        goes_on = until is not None and _utc(start_date) >= until
        with tqdm_builder(1) as bar:
            self.materialise(config, feature_view, end_date, lookback=lookback_of(config) if goes_on else None)
            bar.update(1)

    def materialise(
        self,
        config: RepoConfig,
        view: FeatureView,
        end: datetime,
        *,
        unless_made_from: bool = False,
        lookback: timedelta | None = None,
        fingerprints: Fingerprints | None = None,
    ) -> Outcome:
        """As `materialize_single_feature_view`.

        Parameters
        ----------
        unless_made_from
            Do nothing where the state stands at the same instant and was made from the same definition and rows.
        lookback
            How far before the instant at which state stands rows are looked for that came late; None to build all
            state.
        fingerprints
            What the sources of several views hold, where those are materialised together.
        """
        state = self._state(config, view)
        now = clock_of(config).now()
        until, stands = min(_utc(end), now), state.materialised_until()
        if stands is not None and until < stands <= now:
            until = stands
        run = Run(until, lookback, unless_made_from, retry_horizon_of(config))
        return materialise(state, config, run, fingerprints or Fingerprints(config, [state.plan]))

    def _state(self, config: RepoConfig, view: FeatureView) -> ViewState:
        store = self.online_store
        if not isinstance(store, StateOnlineStore):
            raise UsageError(
                f"StorekeeperProvider materialises into a StateOnlineStore. Received: {type(store).__name__}. "
                f"Correct online_store.type in feature_store.yaml."
            )
        return store.view_state(config, view)


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _served(options: dict[str, Any]) -> dict[str, Any]:
    """The options of Feast's online retrieval, its on-demand views as they are served."""
    return options | {"registry": ServedRegistry(options["registry"])}
