"""The newest event of a view's history that was known at an instant, found without reading the history."""

from datetime import datetime, timedelta

import numpy as np
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.history.columns import times_us
from storekeeper.online.view_state import from_us, to_us
from storekeeper.sources import ReadRequest, read_source

# A live source answers from its last hour; one that stands still is looked at a few times more.
_LOOKS = (timedelta(hours=1), timedelta(days=1), timedelta(days=32))


def newest_event(plan: ViewPlan, config: RepoConfig, at: datetime, *, before: bool) -> datetime | None:
    """The event time of the newest row that had happened, and was known, at an instant; None if there is none.

    Parameters
    ----------
    before
        Whether a row at the very instant doesn't count: a windowed view's state ends strictly before its own.

    Raises
    ------
    SourceError, DataError, DefinitionError
        If the source can't be read.
    """
    looks = _LOOKS if at.year > 1 else ()
    for look in looks:
        if (found := _newest(plan, config, at - look, at, before)) is not None:
            return found
    return _newest(plan, config, None, at, before)


def _newest(plan: ViewPlan, config: RepoConfig, start: datetime | None, at: datetime, before: bool) -> datetime | None:
    columns = tuple(filter(None, (plan.event_time, plan.known_time)))
    rows = read_source(plan.source, config, ReadRequest(columns, plan.source_timestamp, start, at))
    event, at_us = times_us(plan.event_time, rows.column(plan.event_time)), to_us(at)
    visible = event < at_us if before else event <= at_us
    if plan.known_time:
        visible &= times_us(plan.known_time, rows.column(plan.known_time), fallback=event) <= at_us
    seen = event[visible]
    return from_us(int(np.max(seen))) if len(seen) else None
