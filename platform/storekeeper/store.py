"""`storekeeper.FeatureStore`: Feast's, with paths that start at the project root and declarations that are checked."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import feast
import pandas as pd
import pyarrow as pa
import yaml
from feast.data_source import PushMode
from feast.errors import FeastError
from feast.feature_view import FeatureView
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigError, RepoConfig, load_repo_config
from feast.repo_operations import apply_total
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from storekeeper.clock import Clock
from storekeeper.database import describe_url, without_secrets
from storekeeper.definitions import plan_view, validate_views
from storekeeper.definitions.repo import inside, repo_views
from storekeeper.errors import NotFoundError, SettingError, SourceError, listing
from storekeeper.materialise import Fingerprints, Outcome
from storekeeper.online.store import StateOnlineStore, clock_of, lookback_of
from storekeeper.online.view_state import from_us
from storekeeper.provider import StorekeeperProvider
from storekeeper.push import push_events
from storekeeper.push_report import PushReport
from storekeeper.settings import CONFIG_FILE


class FeatureStore(feast.FeatureStore):
    """A feature store that opens from any working directory.

    Parameters
    ----------
    repo_path
        The feature repo: the folder with `feature_store.yaml`.
    """

    def __init__(self, repo_path: str | Path) -> None:
        super().__init__(repo_path=str(repo_path), config=load_config(Path(repo_path)))

    def _create_registry(self) -> BaseRegistry:
        """Feast's registry; what goes wrong with its database is a `SourceError`, now and later."""
        url = self.config.registry.path
        try:
            registry = super()._create_registry()
        except SQLAlchemyError as error:
            raise _unusable(url, error) from error
        for engine in {getattr(registry, name, None) for name in ("read_engine", "write_engine")} - {None}:
            event.listen(engine, "handle_error", lambda context: _told(url, context.sqlalchemy_exception))
        return registry

    @property
    def clock(self) -> Clock:
        """The one clock."""
        return clock_of(self.config)

    def all_feature_views(self) -> list[FeatureView]:
        """Every registered view that has state: plain and stream feature views, by name."""
        views = [*self.list_feature_views(), *self.list_stream_feature_views()]
        return sorted({view.name: view for view in views}.values(), key=lambda view: str(view.name))

    def materialise_view(
        self, view: FeatureView, end: datetime | None = None, *, only_changed: bool = False
    ) -> Outcome:
        """Build one view's state up to `end` (default: now); see `materialise_views`."""
        return next(self.materialise_views([view], end, only_changed=only_changed))

    def materialise_views(
        self,
        views: Sequence[FeatureView],
        end: datetime | None = None,
        *,
        only_changed: bool = False,
        incremental: bool = False,
        lookback: timedelta | None = None,
    ) -> Iterator[Outcome]:
        """Build views' state up to `end` (default: now), one after another as it is asked for.

        Parameters
        ----------
        only_changed
            Do nothing where neither the instant, the definition nor the source's rows have changed.
        incremental
            Read only what may have changed since the last time; where a view can't go on from its state, all of it.
        lookback
            How far before the last time an incremental run looks for rows that came late; by default what
            feature_store.yaml says (`online_store.lookback`).
        """
        provider, until = self._own_provider(), end or self.clock.now()
        back = (lookback if lookback is not None else lookback_of(self.config)) if incremental else None
        fingerprints = Fingerprints(self.config, [plan_view(view) for view in views])
        for view in views:
            outcome = provider.materialise(
                self.config, view, until, unless_made_from=only_changed, lookback=back, fingerprints=fingerprints
            )
            if outcome.done:
                self.registry.apply_materialization(view, self.project, outcome.start or from_us(0), until)
            yield outcome

    def _own_provider(self) -> StorekeeperProvider:
        provider = self._get_provider()
        if not isinstance(provider, StorekeeperProvider):
            raise SettingError(
                f"provider in {CONFIG_FILE} must be storekeeper.provider.StorekeeperProvider. "
                f"Received: {type(provider).__name__}."
            )
        return provider

    def materialised_until(self, view: FeatureView) -> datetime | None:
        """The instant at which a view's state stands; None where it was never built."""
        online_store = self._get_provider().online_store
        if not isinstance(online_store, StateOnlineStore):
            return None
        return online_store.view_state(self.config, view).materialised_until()

    def push(
        self,
        push_source_name: str,
        df: pa.Table | pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        transform_on_write: bool = True,
    ) -> PushReport:
        """Push raw events; what became of them, row by row. See `storekeeper.push.push_events`."""
        del transform_on_write
        return push_events(self, push_source_name, df, to=to, allow_cache=allow_registry_cache)

    def apply_repo(self) -> str:
        """Register what the repo's files declare, if it all checks out; returns Feast's own report.

        Raises
        ------
        DefinitionError, SourceError
            Before anything is written.
        """
        report, repo = io.StringIO(), Path(self.repo_path).resolve()
        with inside(repo), contextlib.redirect_stdout(report):
            validate_views(repo_views(self.config), self.config)
            try:
                apply_total(self.config, repo, skip_source_validation=True)
            except SQLAlchemyError as error:
                raise _unusable(self.config.registry.path, error) from error
        self.refresh_registry()
        return report.getvalue()

    def feature_service(self, name: str) -> feast.FeatureService:
        """A registered feature service.

        Raises
        ------
        NotFoundError
            If there is none; the message lists those that exist.
        """
        services = {service.name: service for service in self.list_feature_services()}
        if name not in services:
            raise NotFoundError(
                f"There is no feature service '{name}'. There are: {listing(services)}. Declare it in the feature "
                f"repo and run storekeeper apply."
            )
        return services[name]


def load_config(repo_path: Path) -> RepoConfig:
    """A feature repo's configuration.

    Raises
    ------
    SettingError
        If there is no feature_store.yaml, or Feast can't read it.
    """
    file = repo_path / CONFIG_FILE
    if not file.is_file():
        raise SettingError(f"There is no '{file}'. Name a folder that holds a {CONFIG_FILE}.")
    try:
        return load_repo_config(repo_path.resolve(), file)
    except (yaml.YAMLError, FeastConfigError, FeastError, TypeError) as error:
        raise SettingError(f"'{file}' can't be used: {error}") from error


def _told(url: str, error: SQLAlchemyError | None) -> SourceError | None:
    """What to raise instead of a database's error; broken constraints are Feast's business."""
    return None if error is None or isinstance(error, IntegrityError) else _unusable(url, error)


def _unusable(url: str, error: SQLAlchemyError) -> SourceError:
    problem = without_secrets(url, str(getattr(error, "orig", None) or error))
    return SourceError(
        f"The registry {describe_url(url)} can't be used: {problem}. Check registry.path in {CONFIG_FILE} and that the "
        f"database is running. If an SQLite file is damaged, remove it and register the features again: "
        f"storekeeper apply."
    )
