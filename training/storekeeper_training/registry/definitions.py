"""The hash of a feature service's definitions as they are registered now."""

from functools import cache

from storekeeper.errors import SourceError, StorekeeperError
from storekeeper.settings import Settings
from storekeeper_training.registry.promotion import Definitions


def registered_definitions(settings: Settings) -> Definitions:
    """Look up services in a project's registry, each once.

    The function given raises `NotFoundError` where there is no such service, `SourceError` where it can't be read.

    Raises
    ------
    SettingError, SourceError
        If the feature store can't be opened.
    """
    from storekeeper.definitions import definition_hash
    from storekeeper.online.reader import UNREADABLE
    from storekeeper.store import FeatureStore

    store = FeatureStore(settings.feature_repo)

    @cache
    def look(service: str) -> str:
        try:
            store.feature_service(service)
            return definition_hash(store, service)
        except StorekeeperError:
            raise
        except UNREADABLE as error:
            raise SourceError(f"Feature service '{service}' can't be read: {error}. Run storekeeper apply.") from error

    return look
