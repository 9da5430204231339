"""Mends of Feast 0.67, for every client of a Storekeeper repo in this process.

`feature_store.yaml` names `storekeeper.online.store`, so Feast imports that module before it opens a registry; it calls
`mend_feast` then. Each mend leaves repos alone that don't name Storekeeper's parts.

- Registry paths: Feast opens a SQL registry relative to the working directory, whatever repo was asked for. Here a
  relative SQLite path starts at the project root, as all other paths do.
- Apply: `FeatureStore.apply` registers views before its provider sees them. Here they are checked before that.
- Listing: `feast feature-views list` asks `get_feature_view` for every view behind an on-demand view, and that finds
  plain views only. Windowed views are stream views, so the command would fail on any repo that combines the two.
- Pushes into history: see `storekeeper.push`.
- Retrievals of what doesn't exist: see `storekeeper.retrieval`.
- Definitions of another registry: Feast keeps what it found in a registry by that registry's place in memory and its
  version, and SQL registries have none. A registry that is opened, or read anew, where another one was before would
  answer with the other's definitions. Here each reading has a version of its own.
"""

import threading
import uuid
from collections.abc import Iterable
from typing import Any

import feast
from feast.entity import Entity
from feast.errors import FeatureViewNotFoundException
from feast.feature_view import FeatureView
from feast.infra.registry.sql import SqlRegistry
from feast.repo_config import RepoConfig
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from storekeeper.push import mended_push, mended_push_async, mended_write
from storekeeper.retrieval import mended_history, mended_read, mended_read_async
from storekeeper.sqlpath import PLUGIN, is_relative_sqlite, rooted_sqlite

_PACKAGE = "storekeeper."

_plain_registry: Any = RepoConfig.registry
_plain_proto: Any = SqlRegistry.proto
_plain_apply: Any = feast.FeatureStore.apply
_plain_view: Any = feast.FeatureStore.get_feature_view
_plain_push: Any = feast.FeatureStore.push
_plain_push_async: Any = feast.FeatureStore.push_async
_plain_write: Any = feast.FeatureStore.write_to_offline_store
_plain_history: Any = feast.FeatureStore.get_historical_features
_plain_read: Any = feast.FeatureStore.get_online_features
_plain_read_async: Any = feast.FeatureStore.get_online_features_async
_lock = threading.Lock()


def mend_feast() -> None:
    """Apply the mends; doing so again changes nothing."""
    changed: Any = RepoConfig
    changed.registry = property(_registry)
    registry: Any = SqlRegistry
    registry.proto = _proto
    mended: Any = feast.FeatureStore
    mended.apply, mended.get_feature_view = _apply, _any_view
    mended.push, mended.push_async = mended_push(_plain_push), mended_push_async(_plain_push_async)
    mended.write_to_offline_store = mended_write(_plain_write)
    mended.get_historical_features = mended_history(_plain_history)
    mended.get_online_features = mended_read(_plain_read)
    mended.get_online_features_async = mended_read_async(_plain_read_async)


def _registry(self: RepoConfig) -> Any:
    """Feast's `RepoConfig.registry`, its path made absolute for the repo that was asked for."""
    with _lock:
        before = self._registry
        found = _plain_registry.fget(self)
        if found is before or self.repo_path is None:
            return found
        paths = {name: _rooted_path(getattr(found, name, None), self) for name in ("path", "read_path")}
        if rooted := {name: path for name, path in paths.items() if path}:
            self._registry = found.model_copy(update=rooted)
        return self._registry


def _proto(self: SqlRegistry) -> Any:
    """A SQL registry's content, told apart from every other reading of any registry."""
    content = _plain_proto(self)
    if not content.version_id:
        content.version_id = str(uuid.uuid4())
    return content


def _rooted_path(path: object, config: RepoConfig) -> str | None:
    """The absolute URL of a registry that names an SQLite file from the project root; None for any other."""
    from storekeeper.sources import home_of

    if not isinstance(path, str) or "://" not in path:
        return None
    try:
        url = make_url(path)
    except (ArgumentError, ValueError):
        return None  # SQLAlchemy's own message tells it when it is opened.
    if not is_relative_sqlite(url) or not (url.query.get("plugin") == PLUGIN or _is_ours(config)):
        return None
    return rooted_sqlite(url, home_of(config)).render_as_string(hide_password=False)


def _is_ours(config: RepoConfig) -> bool:
    """Whether a repo keeps its online state with Storekeeper."""
    online = config.online_config
    named = online.get("type") if isinstance(online, dict) else online
    return str(named).startswith(_PACKAGE)


def _apply(self: feast.FeatureStore, objects: Any, *arguments: Any, **options: Any) -> None:
    """Feast's `apply`, which checks views before anything is written, where Storekeeper is the provider.

    Raises
    ------
    DefinitionError, SourceError
        Before anything is written.
    """
    given = list(objects) if isinstance(objects, Iterable) else [objects]
    views = [item for item in given if isinstance(item, FeatureView)]
    if views and str(self.config.provider).startswith(_PACKAGE):
        from storekeeper.definitions import validate_views
        from storekeeper.definitions.repo import inferred_views

        entities = {entity.name: entity for entity in [*self.list_entities(), *given] if isinstance(entity, Entity)}
        validate_views(inferred_views(views, entities.values(), self.config), self.config)
    _plain_apply(self, given, *arguments, **options)


def _any_view(self: feast.FeatureStore, name: str, allow_registry_cache: bool = False) -> Any:
    """Feast's `get_feature_view`, which finds stream feature views too."""
    try:
        return _plain_view(self, name, allow_registry_cache)
    except FeatureViewNotFoundException as missing:
        try:
            return self.get_stream_feature_view(name, allow_registry_cache)
        except FeatureViewNotFoundException:
            raise missing from None
