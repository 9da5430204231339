"""Feast's pushes into history, as `storekeeper.mends` mends them.

- Feast appends pushed rows once for every view over a push source. Views that share their history would find each
  event in it several times; here it is appended once.
- Feast refuses rows without the column of their knowledge time. Here they are known from now on.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pandas as pd
from feast.data_source import PushMode

from storekeeper.clock import resolve_clock
from storekeeper.sources.writing import history_of

_PACKAGE = "storekeeper."


def mended_push(plain: Callable[..., None]) -> Callable[..., None]:
    """`feast.FeatureStore.push`; history comes last, so that a push that failed can be made again."""

    def push(
        self: Any,
        push_source_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        transform_on_write: bool = True,
    ) -> None:
        rest = _without_history(self, to)
        if rest is not None:
            plain(self, push_source_name, df, allow_registry_cache, rest, transform_on_write)
        if rest != to:
            _append(self, push_source_name, df, allow_registry_cache)

    return push


def mended_push_async(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`feast.FeatureStore.push_async`."""

    async def push_async(
        self: Any,
        push_source_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        **options: Any,
    ) -> None:
        rest = _without_history(self, to)
        if rest is not None:
            await plain(self, push_source_name, df, allow_registry_cache, rest, **options)
        if rest != to:
            await asyncio.to_thread(_append, self, push_source_name, df, allow_registry_cache)

    return push_async


def mended_write(plain: Callable[..., None]) -> Callable[..., None]:
    """`feast.FeatureStore.write_to_offline_store`."""

    def write_to_offline_store(
        self: Any,
        feature_view_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        reorder_columns: bool = True,
    ) -> None:
        if _is_ours(self):
            view = self.registry.get_any_feature_view(feature_view_name, self.project, allow_cache=allow_registry_cache)
            df = _known(df, self, view.batch_source)
        plain(self, feature_view_name, df, allow_registry_cache, reorder_columns)

    return write_to_offline_store


def _without_history(store: Any, to: PushMode) -> PushMode | None:
    """What Feast itself is to do of a push; None where there is nothing left."""
    if not _is_ours(store):
        return to
    return None if to == PushMode.OFFLINE else PushMode.ONLINE


def _append(store: Any, name: str, rows: pd.DataFrame, allow_cache: bool) -> None:
    """Append rows to each history behind a push source, once."""
    views = sorted(store._fvs_for_push_source_or_raise(name, allow_cache), key=lambda view: str(view.name))
    histories = {history_of(view.batch_source).name: view for view in reversed(views) if view.batch_source}
    for view in histories.values():
        store.write_to_offline_store(view.name, rows, allow_registry_cache=allow_cache)


def _known(rows: pd.DataFrame, store: Any, source: Any) -> pd.DataFrame:
    column = getattr(source, "created_timestamp_column", None)
    if not column or column in rows.columns:
        return rows
    now = resolve_clock(getattr(store.config.online_store, "clock", None)).now()
    return rows.assign(**{column: pd.Timestamp(now)})


def _is_ours(store: Any) -> bool:
    return str(store.config.provider).startswith(_PACKAGE)
