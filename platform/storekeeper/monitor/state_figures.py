"""What each view's online state holds, and how old it is: cheap enough to be asked every few seconds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feast.feature_view import FeatureView
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.errors import DataError, DefinitionError, SourceError, UsageError
from storekeeper.monitor.newest import newest_event
from storekeeper.online.store import StateOnlineStore
from storekeeper.online.view_state import ViewState, from_us
from storekeeper.store import FeatureStore

UNREADABLE = (SourceError, DataError, DefinitionError)
"""What reading a source raises."""


@dataclass(frozen=True)
class StateFigures:
    """What one view's state holds, at the clock's now.

    Attributes
    ----------
    view
        The view's name.
    now
        The instant of looking.
    until
        The instant at which the state stands; None where it was never materialised.
    entities
        How many entities have state.
    pushed
        How many pushed rows wait to become part of it.
    newest
        Event time of the newest event behind the state or among the pushed rows; None if there is none.
    problem
        Why the source couldn't be asked what is behind the state; empty if it could.
    """

    view: str
    now: datetime
    until: datetime | None
    entities: int
    pushed: int
    newest: datetime | None
    problem: str = ""

    @property
    def lag(self) -> timedelta | None:
        """How long ago the instant is at which the state stands; None where it was never materialised."""
        return None if self.until is None else max(self.now - self.until, timedelta(0))

    @property
    def age(self) -> timedelta | None:
        """How long ago the newest event happened that reads answer from; None if there is none."""
        return None if self.newest is None else self.now - self.newest


@dataclass(frozen=True)
class StateWatch:
    """Looks at the state of a store's views, and asks a source only once for each state that was made of it.

    Attributes
    ----------
    store
        Whose state.
    """

    store: FeatureStore
    _behind: dict[str, tuple[object, datetime | None]] = field(default_factory=dict)

    def figures(self, view: FeatureView) -> StateFigures:
        """What a view's state holds.

        Raises
        ------
        SourceError
            If the online store can't be read. A source that can't is told in the figures.
        """
        state, now = self.state(view), self.store.clock.now()
        meta = state.backend.meta(state.name)
        until = None if meta is None or meta.until_us is None else from_us(meta.until_us)
        pushed, newest, problem = *_pushed(state), ""
        if until is not None and meta is not None:
            try:
                behind = self._newest_behind(state, until, meta.made_from)
                newest = max(filter(None, (newest, behind)), default=None)
            except UNREADABLE as error:
                problem = f"its source can't be read: {error}"
        count = state.backend.count(state.name)
        return StateFigures(state.plan.name, now, until, count, pushed, newest, problem)

    def newest_in_source(self, view: FeatureView) -> datetime | None:
        """Event time of the newest event that a view's source has, and that is known now; None if there is none.

        Raises
        ------
        SourceError, DataError, DefinitionError
            If the source can't be read.
        """
        return newest_event(self.state(view).plan, self.store.config, self.store.clock.now(), before=False)

    def state(self, view: FeatureView) -> ViewState:
        """A view's state in its backend."""
        online = self.store._get_provider().online_store
        if not isinstance(online, StateOnlineStore):
            raise UsageError(
                f"Only a StateOnlineStore tells how fresh its state is. Received: {type(online).__name__}. Correct "
                f"online_store.type in feature_store.yaml."
            )
        return online.view_state(self.store.config, view)

    def _newest_behind(self, state: ViewState, until: datetime, made_from: str) -> datetime | None:
        """The newest event that the last materialisation had before it."""
        made = until, made_from
        known = self._behind.get(state.name)
        if known is None or known[0] != made:
            plan = state.plan
            known = made, newest_event(plan, self.store.config, until, before=plan.is_windowed)
            self._behind[state.name] = known
        return known[1]


def _pushed(state: ViewState) -> tuple[int, datetime | None]:
    """How many pushed rows a view has, and the event time of the newest."""
    count, newest_us = 0, None
    for row in state.backend.pushed(state.name):
        count, newest_us = count + 1, row.event_us if newest_us is None else max(newest_us, row.event_us)
    return count, None if newest_us is None else from_us(newest_us)


def registered_views(store: FeatureStore) -> list[FeatureView]:
    """Every registered view that has state, by name; from the registry's cache, so that asking often costs little."""
    views = [*store.list_feature_views(allow_cache=True), *store.list_stream_feature_views(allow_cache=True)]
    return sorted({view.name: view for view in views}.values(), key=lambda view: str(view.name))


def service_views(store: FeatureStore, service: str) -> list[FeatureView]:
    """The views with state behind a feature service, those behind its on-demand features included, by name.

    Raises
    ------
    NotFoundError
        If there is no such service; the message lists those that exist.
    """
    projections = store.feature_service(service).feature_view_projections
    found = {view.name: view for projection in projections for view in _behind(store, projection.name)}
    return [found[name] for name in sorted(found)]


def _behind(store: FeatureStore, name: str) -> Iterator[FeatureView]:
    view = store.registry.get_any_feature_view(name, store.project, allow_cache=True)
    if not isinstance(view, OnDemandFeatureView):
        yield view
        return
    for projection in view.source_feature_view_projections.values():
        yield from _behind(store, projection.name)
