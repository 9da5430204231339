"""A mend for one defect of Feast 0.67: `feast feature-views list` fails where an on-demand view reads a stream view.

It asks `get_feature_view` for every view behind an on-demand view, and that finds plain views only. Windowed views are
stream views here, so the command would fail on any repo that combines the two.
"""

from typing import Any

import feast
from feast.errors import FeatureViewNotFoundException

_plain_view = feast.FeatureStore.get_feature_view


def _any_view(self: feast.FeatureStore, name: str, allow_registry_cache: bool = False) -> Any:
    """Feast's `get_feature_view`, which finds stream feature views too."""
    try:
        return _plain_view(self, name, allow_registry_cache)
    except FeatureViewNotFoundException as missing:
        try:
            return self.get_stream_feature_view(name, allow_registry_cache)
        except FeatureViewNotFoundException:
            raise missing from None


def mend_listing() -> None:
    """Let every Feast client in this process find stream views by `get_feature_view`."""
    feast.FeatureStore.get_feature_view = _any_view
