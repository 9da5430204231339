"""Tests of features: inline events in, the value at an instant out, checked offline and online, with no services."""

from typing import Any

__all__ = ["FeatureRepo"]


def __getattr__(name: str) -> Any:
    """Import Feast only when a repo is wanted: pytest loads this room's plug-in at every start."""
    if name == "FeatureRepo":
        from storekeeper.testing.repo import FeatureRepo

        return FeatureRepo
    raise AttributeError(f"module 'storekeeper.testing' has no attribute '{name}'")
