"""How fresh each view's online state is: up to when it was made, and what its source has that it lacks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from feast.feature_view import FeatureView

from storekeeper.monitor.limits import Limits, Status
from storekeeper.monitor.state_figures import UNREADABLE, StateFigures, StateWatch, service_views
from storekeeper.store import FeatureStore


@dataclass(frozen=True)
class ViewFreshness:
    """A view's state beside its source.

    Attributes
    ----------
    state
        What the state holds.
    newest_in_source
        Event time of the newest event that the source has, and that is known now; None if there is none.
    status, note
        Whether the state keeps up, and what is wrong if not.
    """

    state: StateFigures
    newest_in_source: datetime | None
    status: Status
    note: str

    @property
    def view(self) -> str:
        """The view's name."""
        return self.state.view

    @property
    def source_age(self) -> timedelta | None:
        """How long ago the newest event of the source happened; None if there is none."""
        return None if self.newest_in_source is None else self.state.now - self.newest_in_source

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        state = self.state
        return {
            "view": state.view,
            "status": self.status,
            "note": self.note,
            "materialised_until": _instant(state.until),
            "lag_seconds": _seconds(state.lag),
            "newest_in_state": _instant(state.newest),
            "state_age_seconds": _seconds(state.age),
            "newest_in_source": _instant(self.newest_in_source),
            "source_age_seconds": _seconds(self.source_age),
            "entities": state.entities,
            "pushed_rows": state.pushed,
        }


def watch_views(store: FeatureStore, limits: Limits, service: str | None = None) -> Iterator[ViewFreshness]:
    """How fresh every registered view is, or those behind one service, by name.

    Raises
    ------
    NotFoundError
        If there is no such service; the message lists those that exist.
    SourceError
        If the online store can't be read. A source that can't is a finding.
    """
    watch = StateWatch(store)
    for view in store.all_feature_views() if service is None else service_views(store, service):
        yield _freshness(watch, view, limits)


def judge(state: StateFigures, newest_in_source: datetime | None, limits: Limits) -> tuple[Status, str]:
    """Whether state keeps up with its source, and what is wrong if not.

    State that has all that its source has is fresh, however long ago it was made.
    """
    if state.lag is None:
        return "alert", "never materialised" + (": only pushed rows are answered from" if state.pushed else "")
    if newest_in_source is None or (state.newest is not None and state.newest >= newest_in_source):
        return "ok", ""
    status = limits.judge_lag(state.lag)
    return status, "" if status == "ok" else f"its source has events up to {_instant(newest_in_source)}"


def _freshness(watch: StateWatch, view: FeatureView, limits: Limits) -> ViewFreshness:
    figures, newest, problem = watch.figures(view), None, ""
    try:
        newest = watch.newest_in_source(view)
    except UNREADABLE as error:
        problem = f"its source can't be read: {error}"
    if problem or figures.problem:
        return ViewFreshness(figures, newest, "alert", problem or figures.problem)
    return ViewFreshness(figures, newest, *judge(figures, newest, limits))


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
