"""Storekeeper: one declaration, one kernel, one truth for a shop's features."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["FeatureStore", "__version__"]


def __getattr__(name: str) -> Any:
    """Import Feast only when a feature store is wanted: it takes seconds."""
    if name == "FeatureStore":
        from storekeeper.store import FeatureStore

        return FeatureStore
    raise AttributeError(f"module 'storekeeper' has no attribute '{name}'")
