"""Views as they were defined when vectors were served, as far as they can be computed again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.audit.service_plan import ServicePlan
from storekeeper.definitions import ViewPlan, view_hash
from storekeeper.errors import DefinitionError
from storekeeper.history import WindowFeature
from storekeeper.sources import source_schema


def former_plans(plan: ServicePlan, recorded: Mapping[str, Any] | None, config: RepoConfig) -> dict[str, ViewPlan]:
    """Former definitions of the views that have changed since, by name.

    A view is here only if its former definition, put together again from the record, has the recorded hash: then it
    differs from the present one in windows, types or ttl, and its source is still the same and has all it needs.
    """
    views = recorded["views"] if recorded else {}
    found = {}
    for part in plan.views:
        told = views.get(part.plan.name)
        if told and told["hash"] != view_hash(part.plan):
            former = _former(part.plan, told)
            if former and view_hash(former) == told["hash"] and _is_readable(former, config):
                found[part.plan.name] = former
    return found


def _former(plan: ViewPlan, told: Mapping[str, Any]) -> ViewPlan | None:
    known = {str(type_): type_ for type_ in plan.types.values()}
    try:
        types = {name: known[text] if text in known else pa.type_for_alias(text) for name, text in told["types"]}
        windows = tuple(WindowFeature(*window) for window in told["windows"])
    except (ValueError, DefinitionError):
        return None
    return replace(plan, ttl_us=told["ttl_us"], types=types, windows=windows)


def _is_readable(plan: ViewPlan, config: RepoConfig) -> bool:
    mapping = plan.source.field_mapping
    names = {mapping.get(name, name) for name in source_schema(plan.source, config).names}
    return names.issuperset(plan.source_columns(tuple(plan.types)))


def told_change(plan: ServicePlan, recorded: Mapping[str, Any] | None, owner: str) -> str:
    """What is different in a view or on-demand view, for people."""
    if recorded is None:
        return "the feature service has been redefined since; what it was wasn't recorded"
    part = next((one.plan for one in plan.views if one.plan.name == owner), None)
    told = recorded["views"].get(owner)
    if part is None:
        return f"on-demand view '{owner}', or a view behind it, has been redefined since"
    if told is None:
        return f"view '{owner}' wasn't part of the service then"
    parts = [*_told_ttl(part, told), *_told_windows(part, told), *_told_types(part, told)]
    return f"view '{owner}': {'; '.join(parts) or 'its source or keys are declared otherwise'}"


def _told_ttl(plan: ViewPlan, told: Mapping[str, Any]) -> list[str]:
    before, now = told["ttl_us"], plan.ttl_us
    return [] if before == now else [f"ttl was {_span(before)}, is {_span(now)} (0 is none)"]


def _told_windows(plan: ViewPlan, told: Mapping[str, Any]) -> list[str]:
    now = {w.name: [w.function, w.column, w.window_us, w.hop_us] for w in plan.windows}
    before = {name: rest for name, *rest in told["windows"]}
    changed = sorted(name for name in before.keys() & now.keys() if before[name] != now[name])
    return [f"'{name}' was {_spoken(before[name])}, is {_spoken(now[name])}" for name in changed]


def _told_types(plan: ViewPlan, told: Mapping[str, Any]) -> list[str]:
    before, now = dict(told["types"]), {name: str(type_) for name, type_ in plan.types.items()}
    changed = sorted(name for name in before.keys() & now.keys() if before[name] != now[name])
    gone, new = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
    return [
        *(f"'{name}' was {before[name]}, is {now[name]}" for name in changed),
        *(f"'{name}' is gone" for name in gone),
        *(f"'{name}' is new" for name in new),
    ]


def _spoken(window: list[Any]) -> str:
    function, column, length, hop = window
    span = "all history" if length is None else _span(length)
    return f"{function}({column}) over {span}" + ("" if hop in (None, length) else f", sliding by {_span(hop)}")


def _span(us: int) -> str:
    return str(timedelta(microseconds=us)).removesuffix(", 0:00:00")
