"""What a feature service is made of, as the audit looks at it: views, on-demand views, and which feature is whose."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
from feast import FeatureStore
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions import ViewPlan, definition_hash, plan_view, view_hash
from storekeeper.definitions.views import arrow_type

_FORMAT = 1


@dataclass(frozen=True)
class ViewPart:
    """One view's part in a service.

    Attributes
    ----------
    plan
        How the view is computed.
    features
        Which of its features.
    keys
        For each of the view's join keys, the column that holds it in a served vector.
    """

    plan: ViewPlan
    features: tuple[str, ...]
    keys: Mapping[str, str]


@dataclass(frozen=True)
class OnDemandPart:
    """One on-demand view's part in a service.

    Attributes
    ----------
    view
        The view.
    features
        Which of its features the service has.
    inputs
        Names of the views that it reads.
    """

    view: OnDemandFeatureView
    features: tuple[str, ...]
    inputs: tuple[str, ...]

    @cached_property
    def code_hash(self) -> str:
        """SHA-256 (hex) of its transformation and of what it asks callers for."""
        requests = [
            [field.name, str(field.dtype)]
            for source in self.view.source_request_sources.values()
            for field in source.schema
        ]
        code = getattr(self.view.feature_transformation, "udf_string", "")
        return hashlib.sha256(json.dumps([str(self.view.mode), code, requests]).encode()).hexdigest()


@dataclass(frozen=True)
class ServicePlan:
    """A feature service, resolved.

    Attributes
    ----------
    service, definition_hash
        Its name, and what it means.
    views
        Views behind it, those that only on-demand views read among them.
    on_demand
        On-demand views.
    types
        Declared Arrow type of each of the service's features, in the service's order.
    given
        Columns that a vector must have to be replayed: entity keys and request-time context.
    """

    service: str
    definition_hash: str
    views: tuple[ViewPart, ...]
    on_demand: tuple[OnDemandPart, ...]
    types: Mapping[str, pa.DataType]
    given: tuple[str, ...]

    @cached_property
    def owners(self) -> dict[str, str]:
        """The view or on-demand view that makes each feature."""
        made = {feature: part.plan.name for part in self.views for feature in part.features}
        return made | {feature: part.view.name for part in self.on_demand for feature in part.features}

    @cached_property
    def given_types(self) -> dict[str, pa.DataType]:
        """The declared type of each of `given`."""
        keys = {given: part.plan.key_types[key] for part in self.views for key, given in part.keys.items()}
        sources = [source for part in self.on_demand for source in part.view.source_request_sources.values()]
        context = {field.name: arrow_type(field.dtype) for source in sources for field in source.schema}
        return {name: {**context, **keys}[name] for name in self.given}

    def keys_of(self, owner: str) -> tuple[str, ...]:
        """Columns that say which entity a view's, or an on-demand view's, features are about."""
        return tuple(dict.fromkeys(key for part in self.behind(owner) for key in part.keys.values()))

    def behind(self, owner: str) -> list[ViewPart]:
        """The views that a view's (itself), or an on-demand view's, features are made of."""
        names = {owner, *(name for part in self.on_demand if part.view.name == owner for name in part.inputs)}
        return [part for part in self.views if part.plan.name in names]

    def described(self) -> dict[str, Any]:
        """What the service means, in JSON's terms: enough to compute its windowed and latest values again."""
        return {
            "format": _FORMAT,
            "features": list(self.types),
            "views": {part.plan.name: _described(part.plan) for part in self.views},
            "on_demand": {part.view.name: part.code_hash for part in self.on_demand},
        }


def plan_service(store: FeatureStore, service: str) -> ServicePlan:
    """Resolve a registered feature service."""
    parts: dict[tuple[str, tuple[str, ...]], ViewPart] = {}
    on_demand: list[OnDemandPart] = []
    context: dict[str, None] = {}
    projections = store.get_feature_service(service).feature_view_projections
    for projection in projections:
        view = store.registry.get_any_feature_view(projection.name, store.project, allow_cache=True)
        if isinstance(view, OnDemandFeatureView):
            needed = list(view.source_feature_view_projections.values())
            names = tuple(feature.name for feature in projection.features)
            on_demand.append(OnDemandPart(view, names, tuple(one.name for one in needed)))
            sources = view.source_request_sources.values()
            context |= dict.fromkeys(field.name for source in sources for field in source.schema)
        else:
            needed = [projection]
        for part in (_part(store, one) for one in needed):
            place = (part.plan.name, tuple(part.keys.values()))
            known = parts[place].features if place in parts else ()
            parts[place] = replace(part, features=tuple(dict.fromkeys([*known, *part.features])))
    keys = dict.fromkeys(key for part in parts.values() for key in part.keys.values())
    return ServicePlan(
        service,
        definition_hash(store, service),
        tuple(parts.values()),
        tuple(on_demand),
        {feature.name: arrow_type(feature.dtype) for one in projections for feature in one.features},
        (*keys, *context),
    )


def _part(store: FeatureStore, projection: Any) -> ViewPart:
    plan = plan_view(store.registry.get_any_feature_view(projection.name, store.project, allow_cache=True))
    features = tuple(feature.name for feature in projection.features if feature.name in plan.types)
    return ViewPart(plan, features, {key: projection.join_key_map.get(key, key) for key in plan.keys})


def _described(plan: ViewPlan) -> dict[str, Any]:
    return {
        "hash": view_hash(plan),
        "ttl_us": plan.ttl_us,
        "windows": [[w.name, w.function, w.column, w.window_us, w.hop_us] for w in plan.windows],
        "types": [[name, str(type_)] for name, type_ in plan.types.items()],
    }


def changed_owners(plan: ServicePlan, recorded: Mapping[str, Any] | None) -> Iterator[str]:
    """Views and on-demand views that meant something else when a definition was recorded; all where none was."""
    views, made = (recorded["views"], recorded["on_demand"]) if recorded else ({}, {})
    now = {part.plan.name: view_hash(part.plan) for part in plan.views}
    changed = {name for name, hash_ in now.items() if views.get(name, {}).get("hash") != hash_}
    yield from changed
    for part in plan.on_demand:
        if made.get(part.view.name) != part.code_hash or changed.intersection(part.inputs):
            yield part.view.name
