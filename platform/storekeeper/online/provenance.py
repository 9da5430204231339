"""Where a feature of a service comes from, and how fresh it is: for whoever shows why a model answered as it did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from storekeeper.online.compiled.service_plan import ServicePlan, ViewPart
from storekeeper.online.view_state import ViewState

EventTimes = tuple[datetime | None, ...]


@dataclass(frozen=True)
class FeatureSource:
    """Where one feature comes from.

    Attributes
    ----------
    view
        The feature view, or the on-demand feature view that makes it.
    view_until
        The instant up to which the view was materialised, pushed events aside; of an on-demand view the earliest of
        those behind it. None where there is none, or it was never materialised.
    event_times
        Of a latest-value view, for each row the time of the event that the value is from, None where nothing is to be
        seen. None of other views: a window has many events, and doesn't keep when the newest of an entity was.
    """

    view: str
    view_until: datetime | None = None
    event_times: EventTimes | None = None


def feature_sources(
    plan: ServicePlan, features: Iterable[str], entities: Mapping[str, Sequence[object]] | None, now: datetime
) -> dict[str, FeatureSource]:
    """Where features come from, by name.

    It reads the store again, and so may see an event that was pushed since the features were read.

    Parameters
    ----------
    plan
        Of the service: `FeatureReader.plan`.
    features
        Which of its features; other names are left out.
    entities
        Join key -> one value a row, to be told event times; None for views alone, for which no state is read.
    now
        The instant at which the features were read.

    Raises
    ------
    SourceError
        If the online store can't be read.
    """
    sources = _Sources(plan, entities, now)
    found = {name: sources.of(name) for name in dict.fromkeys(features)}
    return {name: source for name, source in found.items() if source is not None}


class _Sources:
    """What was asked of the store, once for each view."""

    def __init__(self, plan: ServicePlan, entities: Mapping[str, Sequence[object]] | None, now: datetime) -> None:
        self._plan, self._entities, self._now = plan, entities, now
        self._parts: dict[int, FeatureSource] = {}

    def of(self, name: str) -> FeatureSource | None:
        """Where a feature comes from."""
        if name in self._plan.features and name in self._plan.owners:
            return self._part(self._plan.owners[name])
        for made in self._plan.on_demand:
            if name in made.features:
                behind = [self._part(self._plan.owners[given]) for given in made.inputs if given in self._plan.owners]
                instants = [source.view_until for source in behind if source.view_until is not None]
                return FeatureSource(made.view.name, min(instants, default=None))
        return None

    def _part(self, number: int) -> FeatureSource:
        if number not in self._parts:
            part = self._plan.parts[number]
            self._parts[number] = self._look(part, part.view.state)
        return self._parts[number]

    def _look(self, part: ViewPart, state: ViewState) -> FeatureSource:
        if self._entities is None:
            return FeatureSource(state.plan.name)
        times = None if state.plan.is_windowed or not part.keys else self._event_times(part, state, self._entities)
        return FeatureSource(state.plan.name, state.materialised_until(), times)

    def _event_times(self, part: ViewPart, state: ViewState, entities: Mapping[str, Sequence[object]]) -> EventTimes:
        plan = state.plan
        named = zip(plan.keys, part.keys, strict=True)
        keys = pa.table({key: pa.array(entities[given], plan.key_types[key]) for key, given in named})
        _, times = state.read_timed(keys, (), self._now)
        return tuple(times)
