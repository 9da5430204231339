"""Serving: online features in, probabilities out; never imports TensorFlow."""

from typing import Any

__all__ = ["Engine", "ServingOptions", "create_app"]


def __getattr__(name: str) -> Any:
    """Import on demand: Feast takes seconds, which a command of another room should not wait for."""
    if name == "create_app":
        from storekeeper_serving.app import create_app

        return create_app
    if name == "Engine":
        from storekeeper_serving.engine import Engine

        return Engine
    if name == "ServingOptions":
        from storekeeper_serving.options import ServingOptions

        return ServingOptions
    raise AttributeError(f"module 'storekeeper_serving' has no attribute '{name}'")
