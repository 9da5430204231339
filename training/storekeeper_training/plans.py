"""The feature views behind a service."""

from collections.abc import Sequence
from typing import Any

from feast import FeatureService
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions import ViewPlan, plan_view
from storekeeper.store import FeatureStore


def service_plans(store: FeatureStore, service: FeatureService) -> list[ViewPlan]:
    """Plans of a service's views, those behind its on-demand views among them, each once."""
    return _plans(store, service.feature_view_projections)


def _plans(store: FeatureStore, projections: Sequence[Any]) -> list[ViewPlan]:
    found: dict[str, ViewPlan] = {}
    for projection in projections:
        view = store.registry.get_any_feature_view(projection.name, store.project, allow_cache=True)
        if isinstance(view, OnDemandFeatureView):
            behind = _plans(store, list(view.source_feature_view_projections.values()))
        else:
            behind = [plan_view(view)]
        found |= {plan.name: plan for plan in behind}
    return list(found.values())
