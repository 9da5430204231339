"""A hash of what a feature service means: it changes when any definition behind it does, and only then."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from feast import FeatureStore
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions.views import ViewPlan, plan_view


def definition_hash(store: FeatureStore, service: str) -> str:
    """SHA-256 (hex) over the service's features: their names, types, windows, sources and transformations."""
    projections = store.get_feature_service(service).feature_view_projections
    described = [_describe(store, projection) for projection in projections]
    text = json.dumps({"service": service, "views": described}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _describe(store: FeatureStore, projection: Any) -> dict[str, Any]:
    view = store.registry.get_any_feature_view(projection.name, store.project, allow_cache=True)
    common = {
        "name": projection.name_to_use(),
        "features": [[feature.name, str(feature.dtype)] for feature in projection.features],
        "join_key_map": dict(projection.join_key_map),
    }
    if isinstance(view, OnDemandFeatureView):
        return common | _describe_on_demand(store, view)
    return common | _describe_plan(plan_view(view))


def view_hash(plan: ViewPlan) -> str:
    """SHA-256 (hex) of all that a feature view's values depend on, apart from its source's rows."""
    described = _describe_plan(plan) | {"types": [[name, str(type_)] for name, type_ in plan.types.items()]}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _describe_plan(plan: ViewPlan) -> dict[str, Any]:
    return {
        "keys": [[key, str(type_)] for key, type_ in plan.key_types.items()],
        "ttl_us": plan.ttl_us,
        "source": _describe_source(plan.source),
        "windows": [[w.name, w.function, w.column, w.window_us, w.hop] for w in plan.windows],
    }


def _describe_source(source: Any) -> list[Any]:
    parts: Sequence[Any] = (getattr(source, "location", ""), getattr(source, "table", ""), getattr(source, "query", ""))
    return [
        type(source).__name__,
        source.name,
        *[part or "" for part in parts],
        getattr(source, "path", ""),
        source.timestamp_field,
        source.created_timestamp_column,
        sorted(source.field_mapping.items()),
    ]


def _describe_on_demand(store: FeatureStore, view: OnDemandFeatureView) -> dict[str, Any]:
    transformation = view.feature_transformation
    return {
        "mode": str(view.mode),
        "code": getattr(transformation, "udf_string", ""),
        "requests": {
            name: [[field.name, str(field.dtype)] for field in source.schema]
            for name, source in sorted(view.source_request_sources.items())
        },
        "views": [_describe(store, p) for _, p in sorted(view.source_feature_view_projections.items())],
    }
