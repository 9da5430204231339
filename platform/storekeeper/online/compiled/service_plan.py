"""A feature service, worked out once: which views are read by which keys, and what is made of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from feast import FeatureStore
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions import definition_hash, view_hash
from storekeeper.definitions.views import arrow_type
from storekeeper.errors import UsageError, listing
from storekeeper.online.compiled.answers import CompiledView
from storekeeper.online.compiled.keys import KeyPlan
from storekeeper.online.compiled.on_demand import OnDemandRead
from storekeeper.online.compiled.views import compile_view
from storekeeper.online.store import StateOnlineStore
from storekeeper.online.view_state import ViewState


@dataclass(frozen=True)
class ViewPart:
    """One view's part in a feature service.

    Attributes
    ----------
    view
        Reads its features.
    keys
        Names under which callers give its join keys, in its order.
    """

    view: CompiledView
    keys: tuple[str, ...]


@dataclass(frozen=True)
class ServicePlan:
    """How a feature service is read.

    Attributes
    ----------
    service
        Its name.
    definition_hash
        What the service means.
    fingerprint
        Differs whenever another plan would read other values, or the same from other state.
    features
        Names of its features, in the order of the result.
    entity_types, request_types
        What a caller must give.
    states
        All views behind it.
    parts, on_demand
        What is read, and what is made of it.
    owners
        Feature -> which part reads it.
    keys
        How a request's keys are encoded.
    is_ordered
        Whether the parts' features, one after the other, are all features in their order.
    """

    service: str
    definition_hash: str
    fingerprint: tuple[object, ...]
    features: tuple[str, ...]
    entity_types: dict[str, pa.DataType]
    request_types: dict[str, pa.DataType]
    states: tuple[ViewState, ...]
    parts: tuple[ViewPart, ...]
    on_demand: tuple[OnDemandRead, ...]
    owners: dict[str, int]
    keys: KeyPlan
    is_ordered: bool


def compile_service(store: FeatureStore, service: str) -> ServicePlan:
    """Work out a registered feature service.

    Raises
    ------
    UsageError
        If two of the service's values have one name, such as the same feature of a buyer and of a seller; or the
        online store is another.
    """
    gathered = _Gathered(store, service)
    projections = store.get_feature_service(service, allow_cache=False).feature_view_projections
    for projection in projections:
        gathered.add(projection)
    names = [feature.name for projection in projections for feature in projection.features]
    gathered.refuse_ambiguity(names)
    return gathered.plan(names)


@dataclass(frozen=True)
class _Wanted:
    """Features of one view, read by one choice of keys."""

    state: ViewState
    keys: tuple[str, ...]
    features: dict[str, None]


class _Gathered:
    """What a service's projections ask for, put together."""

    def __init__(self, store: FeatureStore, service: str) -> None:
        self._store, self._service = store, service
        self._wanted: dict[tuple[str, tuple[str, ...]], _Wanted] = {}
        self._made: list[OnDemandRead] = []
        self._request_types: dict[str, pa.DataType] = {}

    def add(self, projection: Any) -> None:
        """One projection of the service, and what is behind it."""
        view = self._view(projection)
        if not isinstance(view, OnDemandFeatureView):
            self._want(view, projection)
            return
        behind = list(view.source_feature_view_projections.values())
        asked = [field for source in view.source_request_sources.values() for field in source.schema]
        self._request_types |= {field.name: arrow_type(field.dtype) for field in asked}
        given = [feature for needed in behind for feature in self._want(self._view(needed), needed)]
        inputs = tuple(dict.fromkeys([*(field.name for field in asked), *given]))
        self._made.append(OnDemandRead(view, tuple(feature.name for feature in projection.features), inputs))

    def _view(self, projection: Any) -> Any:
        return self._store.registry.get_any_feature_view(projection.name, self._store.project, allow_cache=True)

    def _want(self, view: Any, projection: Any) -> list[str]:
        online = self._store._get_provider().online_store
        if not isinstance(online, StateOnlineStore):
            raise UsageError(
                f"A FeatureReader reads a StateOnlineStore. Received: {type(online).__name__}. Correct "
                f"online_store.type in feature_store.yaml."
            )
        state = online.view_state(self._store.config, view)
        features = [feature.name for feature in projection.features if feature.name in state.plan.types]
        keys = tuple(projection.join_key_map.get(key, key) for key in state.plan.keys)
        wanted = self._wanted.setdefault((state.name, keys), _Wanted(state, keys, {}))
        wanted.features.update(dict.fromkeys(features))
        return features

    def _entity_types(self) -> dict[str, pa.DataType]:
        return {
            given: wanted.state.plan.key_types[key]
            for wanted in self._wanted.values()
            for key, given in zip(wanted.state.plan.keys, wanted.keys, strict=True)
        }

    def refuse_ambiguity(self, names: Sequence[str]) -> None:
        """Names are all that tells values apart, here as in a training set, so each must mean one value."""
        meanings: dict[str, set[object]] = {}
        for place, wanted in self._wanted.items():
            for feature in wanted.features:
                meanings.setdefault(feature, set()).add(place)
        for number, made in enumerate(self._made):
            for feature in made.features:
                meanings.setdefault(feature, set()).add(number)
        for name in [*self._request_types, *self._entity_types()]:
            meanings.setdefault(name, set()).add("given")
        twice = {name for name, meant in meanings.items() if len(meant) > 1}
        twice |= {name for name, count in Counter(names).items() if count > 1}
        if twice:
            raise UsageError(
                f"Feature service '{self._service}' has more than one value named {listing(twice)}: of several views, "
                f"or of one view by several keys, or beside a key or request-time value. Give each feature a name of "
                f"its own in the feature repo, or read the service with get_online_features(full_feature_names=True)."
            )

    def plan(self, names: Sequence[str]) -> ServicePlan:
        """The whole."""
        parts = tuple(_part(wanted) for wanted in self._wanted.values() if wanted.features)
        states = {wanted.state.name: wanted.state for wanted in self._wanted.values()}
        entities, meant = self._entity_types(), definition_hash(self._store, self._service)
        behind = [(name, view_hash(state.plan)) for name, state in sorted(states.items())]
        return ServicePlan(
            service=self._service,
            definition_hash=meant,
            fingerprint=(meant, *behind, *(part.view.features for part in parts)),
            features=tuple(names),
            entity_types=entities,
            request_types=self._request_types,
            states=tuple(states.values()),
            parts=parts,
            on_demand=tuple(self._made),
            owners={name: number for number, part in enumerate(parts) for name in part.view.features},
            keys=KeyPlan.of(entities, [part.keys for part in parts]),
            is_ordered=list(names) == [name for part in parts for name in part.view.features],
        )


def _part(wanted: _Wanted) -> ViewPart:
    return ViewPart(compile_view(wanted.state, tuple(wanted.features)), wanted.keys)
