"""What Feast's retrievals say of a question that can't be answered, as `storekeeper.mends` mends them.

- A feature that a view doesn't have is a bare KeyError in Feast. Here the error lists those that the view has.
- A DataFrame with two columns of one name fails in Feast's look for timestamps. Here the error names them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pandas as pd
from feast.errors import FeatureViewNotFoundException

from storekeeper.errors import NotFoundError, UsageError, listing

_PACKAGE = "storekeeper."


def mended_history(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`feast.FeatureStore.get_historical_features`."""

    @wraps(plain)
    def retrieve(self: Any, entity_df: Any = None, features: Any = (), *rest: Any, **options: Any) -> Any:
        if _is_ours(self) and isinstance(entity_df, pd.DataFrame):
            check_columns(entity_df.columns)
        with _unknown_features_told(self, features):
            return plain(self, entity_df, features, *rest, **options)

    return retrieve


def mended_read(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`feast.FeatureStore.get_online_features`."""

    @wraps(plain)
    def read(self: Any, features: Any, *rest: Any, **options: Any) -> Any:
        with _unknown_features_told(self, features):
            return plain(self, features, *rest, **options)

    return read


def mended_read_async(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`feast.FeatureStore.get_online_features_async`."""

    @wraps(plain)
    async def read(self: Any, features: Any, *rest: Any, **options: Any) -> Any:
        with _unknown_features_told(self, features):
            return await plain(self, features, *rest, **options)

    return read


def check_columns(names: Iterable[object]) -> None:
    """Refuse a spine two of whose columns have one name.

    Raises
    ------
    UsageError
        Naming them.
    """
    counted = Counter(map(str, names))
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        raise UsageError(
            f"The spine has more than one column named {listing(twice)}; each column needs a name of its own. It has: "
            f"{listing(counted)}. Rename or drop the others."
        )


@contextmanager
def _unknown_features_told(store: Any, features: Any) -> Iterator[None]:
    """Give an error of Feast's that says what there is, where it is about a feature that there isn't."""
    try:
        yield
    except KeyError as error:
        unknown = _unknown(store, features) if _is_ours(store) and isinstance(features, list | tuple) else None
        if unknown is None:
            raise
        raise unknown from error


def _unknown(store: Any, references: Iterable[object]) -> NotFoundError | None:
    """What to say of the first feature that its view doesn't have; None where all views have them."""
    for reference in references:
        view, _, feature = str(reference).partition(":")
        known = _features(store, view.partition("@")[0])
        if known is not None and feature not in known:
            return NotFoundError(
                f"Feature view '{view}' has no feature '{feature}'. It has: {listing(known)}. Ask for one of them, or "
                f"declare it in the feature repo and run storekeeper apply."
            )
    return None


def _features(store: Any, view: str) -> list[str] | None:
    """A view's features without its join keys; None for a view that doesn't exist."""
    try:
        found = store.registry.get_any_feature_view(view, store.project, allow_cache=True)
    except FeatureViewNotFoundException:
        return None
    keys = {field.name for field in found.entity_columns}
    return [field.name for field in found.features if field.name not in keys]


def _is_ours(store: Any) -> bool:
    return str(store.config.provider).startswith(_PACKAGE)
