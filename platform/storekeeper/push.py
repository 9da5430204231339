"""Pushes of raw events, by `storekeeper.FeatureStore` and, as `storekeeper.mends` mends it, by Feast's own.

- Feast selects the feature columns of what is pushed, which raw events don't have. Here every view over the push
  source gets the events: state of windowed views is made of them.
- Feast appends pushed rows once for every view over a push source, and again whenever they are pushed again. History
  would have each event several times; here it is appended once, behind the online write.
- Feast refuses rows without the column of their knowledge time. Here they are known from now on.
- Feast takes all rows or fails. Here rows that can't be kept are told, one by one, and the others go in.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.data_source import PushMode, PushSource
from feast.errors import PushSourceNotFoundException
from feast.feature_view import FeatureView

from storekeeper.clock import resolve_clock
from storekeeper.definitions import plan_view
from storekeeper.errors import NotFoundError, SettingError, listing
from storekeeper.push_history import rows_to_append
from storekeeper.push_report import PushReport
from storekeeper.sources.writing import check_appendable, history_of

_PACKAGE = "storekeeper."
_log = logging.getLogger(__name__)


class PushSourceNotFoundError(NotFoundError, PushSourceNotFoundException):
    """A push source that no view reads; Feast's server knows it as its own."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        Exception.__init__(
            self,
            f"There is no push source '{name}' that a feature view reads. There are: {listing(set(existing))}. Declare "
            f"it as PushSource(name=..., batch_source=...) in the feature repo and run storekeeper apply.",
        )


def push_events(
    store: Any,
    source_name: str,
    rows: pa.Table | pd.DataFrame,
    *,
    to: PushMode = PushMode.ONLINE,
    allow_cache: bool = True,
) -> PushReport:
    """Push raw events to a push source: every view over it shows them at once.

    An event counts once, however often it is pushed: its id is that of the column that the batch source names in its
    tag `event_id`, or else its keys, event time and values. Late events count where they belong. Of a latest-value
    view an entity's newest row stays.

    History has it once too: rows are looked for there first, by their ids, among its rows of the same event times. So a
    push that failed between the two can be made again, and loses nothing. An event may stand there twice only where two
    pushes tell of it at the very same moment.

    Parameters
    ----------
    store
        A feature store whose provider is Storekeeper's.
    rows
        Columns that the views need, under their mapped names or the source's own, in any order; others are left out.
        A knowledge time that is missing is now.
    to
        `ONLINE`, `OFFLINE` or both. History needs all of its columns; it gets the rows that aren't rejected and that
        it doesn't have, after the online write.

    Returns
    -------
    PushReport
        Rejected are rows with a null key or time, a time later than now (`push_tolerance_seconds`), or a value that
        its column can't hold.

    Raises
    ------
    PushSourceNotFoundError
        If no view reads such a push source; the message lists those that there are.
    DataError
        If all rows lack a column; nothing was written then.
    UsageError
        If history is to have the rows, and can't be appended to.
    SourceError
        If state can't be written, or history can't be read or written.
    """
    views = _views_over(store, source_name, allow_cache)
    provider, history = store._get_provider(), to != PushMode.ONLINE
    if not hasattr(provider.online_store, "push_rows"):
        raise SettingError(
            f"Raw events are pushed into a StateOnlineStore. Received: {type(provider.online_store).__name__}. Correct "
            f"online_store.type in feature_store.yaml."
        )
    if history:
        check_appendable(history_of(views[0].batch_source), store.config)
    report: PushReport
    report, accepted = provider.online_store.push_rows(
        store.config, source_name, views, rows, online=to != PushMode.OFFLINE, history=history
    )
    if not history:
        return report
    missing = rows_to_append(accepted, plan_view(views[0]), store.config)
    appended = _append(provider, store.config, views[0], missing)
    if to == PushMode.OFFLINE:
        return PushReport(appended, report.accepted - appended, report.rejected, appended)
    return replace(report, appended=appended)


def mended_push(plain: Callable[..., None]) -> Callable[..., PushReport | None]:
    """`feast.FeatureStore.push`, which gives the report, and logs it where rows were rejected."""

    def push(
        self: Any,
        push_source_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        transform_on_write: bool = True,
    ) -> PushReport | None:
        if not _is_ours(self):
            plain(self, push_source_name, df, allow_registry_cache, to, transform_on_write)
            return None
        return _logged(
            push_source_name, push_events(self, push_source_name, df, to=to, allow_cache=allow_registry_cache)
        )

    return push


def mended_push_async(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`feast.FeatureStore.push_async`: as `push`, in a thread."""

    async def push_async(
        self: Any,
        push_source_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        **options: Any,
    ) -> PushReport | None:
        if not _is_ours(self):
            await plain(self, push_source_name, df, allow_registry_cache, to, **options)
            return None
        report = await asyncio.to_thread(
            push_events, self, push_source_name, df, to=to, allow_cache=allow_registry_cache
        )
        return _logged(push_source_name, report)

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


def _views_over(store: Any, name: str, allow_cache: bool) -> list[FeatureView]:
    """The views over a push source, by name."""
    # Feast's own listing of cached stream views fails the second time it meets one without entities.
    registry, project = store.registry, store.project
    every = [
        *registry.list_feature_views(project, allow_cache=allow_cache),
        *registry.list_stream_feature_views(project, allow_cache=allow_cache),
    ]
    pushed = [view for view in every if isinstance(view.stream_source, PushSource)]
    over = {view.name: view for view in pushed if view.stream_source.name == name}
    if not over:
        raise PushSourceNotFoundError(name, [view.stream_source.name for view in pushed])
    return [over[view] for view in sorted(over)]


def _append(provider: Any, config: Any, view: FeatureView, rows: pa.Table) -> int:
    if rows.num_rows:
        provider.offline_write_batch(config, view, rows, None)
    return int(rows.num_rows)


def _logged(name: str, report: PushReport) -> PushReport:
    """The report; Feast's callers, who don't look at it, find rejects in the log."""
    if report.rejected:
        first = report.rejected[0]
        _log.warning(
            "Push source '%s': %d rows were rejected, first row %d: %s",
            name,
            len(report.rejected),
            first.row,
            first.reason,
        )
    return report


def _known(rows: pd.DataFrame, store: Any, source: Any) -> pd.DataFrame:
    column = getattr(source, "created_timestamp_column", None)
    if not column or column in rows.columns:
        return rows
    now = resolve_clock(getattr(store.config.online_store, "clock", None)).now()
    return rows.assign(**{column: pd.Timestamp(now)})


def _is_ours(store: Any) -> bool:
    return str(store.config.provider).startswith(_PACKAGE)
