"""What Feast's retrievals read: all views of a request in one go, as columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast.feature_view import FeatureView
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import RepoConfig
from feast.utils import _get_table_entity_values, _get_unique_entities
from feast.value_type import ValueType

from storekeeper.online.backends import Asked
from storekeeper.online.compiled.answers import Answer, CompiledView
from storekeeper.online.compiled.keys import KeyPlan, RowKeys
from storekeeper.online.compiled.views import compile_view
from storekeeper.online.feast_vectors import wire_rows, wire_vectors
from storekeeper.online.view_state import ViewState, to_us

_MOST_PLANS = 1024

#: A view, and which of its features are asked for.
Wanted = tuple[FeatureView, Sequence[str]]
Keys = Mapping[str, Sequence[ValueProto]]


@dataclass(frozen=True)
class _Plan:
    """How one view is read for Feast; view and configuration are kept, so that no others have their identities."""

    table: FeatureView
    config: RepoConfig
    view: CompiledView
    keys: KeyPlan
    declared: list[pa.DataType]
    value_types: list[ValueType]


class FeastReading:
    """Reads for Feast. What is worked out of a view is kept for as long as Feast hands out that same object.

    Parameters
    ----------
    view_state
        Gives the state of a view.
    """

    def __init__(self, view_state: Callable[[RepoConfig, FeatureView], ViewState]) -> None:
        self._view_state = view_state
        self._plans: dict[tuple[int, int, tuple[str, ...]], _Plan] = {}

    def add(
        self,
        response: GetOnlineFeaturesResponse,
        config: RepoConfig,
        wanted: Sequence[Wanted],
        keys: Keys,
        join_keys: Mapping[str, str],
        now: datetime,
        *,
        full_names: bool,
    ) -> None:
        """Put features of views into a response: `OnlineStore._read_features_per_fv`, with one read for all views.

        Parameters
        ----------
        keys
            Join key -> one value a row.
        join_keys
            Entity -> join key.

        Raises
        ------
        KeyError
            As Feast's own, if a view's join keys are missing.
        """
        plans = [self._plan(config, table, features) for table, features in wanted]
        encoded: dict[object, RowKeys] = {}
        rows = [_rows(plan, keys, join_keys, encoded) for plan in plans]
        asked = [Asked(plan.view.state.name, mine.keys) for plan, mine in zip(plans, rows, strict=True)]
        found = plans[0].view.state.backend.read(asked) if plans else []
        now_us = to_us(now)
        for plan, mine, its in zip(plans, rows, found, strict=True):
            _add(response, plan, plan.view.answer(mine, its, now_us), mine.rows, now_us, full_names=full_names)

    def state(self, config: RepoConfig, table: FeatureView, features: Sequence[str]) -> ViewState:
        """The state of a view that is read again and again."""
        return self._plan(config, table, features).view.state

    def _plan(self, config: RepoConfig, table: FeatureView, features: Sequence[str]) -> _Plan:
        key = (id(table), id(config), tuple(features))
        if key not in self._plans:
            if len(self._plans) >= _MOST_PLANS:
                self._plans = {}
            state = self._view_state(config, table)
            types = {field.name: field.dtype.to_value_type() for field in table.features}
            names, view = tuple(state.plan.keys), compile_view(state, tuple(features))
            keys = KeyPlan.of(state.plan.key_types, [names])
            declared = [state.plan.types[name] for name in view.features]
            self._plans[key] = _Plan(table, config, view, keys, declared, [types[name] for name in view.features])
        return self._plans[key]


def _rows(plan: _Plan, keys: Keys, join_keys: Mapping[str, str], encoded: dict[object, RowKeys]) -> RowKeys:
    """A view's keys of all rows; encoded once for all views to which the same values are keys of the same types."""
    own: dict[str, Sequence[ValueProto]] = _get_table_entity_values(plan.table, join_keys, keys)
    if not any(own.values()):
        # Feast's own complaint, where it has one.
        _get_unique_entities(plan.table, keys, join_keys)
    types, rows = plan.view.state.plan.key_types, max(map(len, own.values()), default=0)
    same = (rows, *((name, type_, id(own.get(name))) for name, type_ in types.items()))
    if same not in encoded:
        names = tuple(types)
        encoded[same] = plan.keys.encode({name: _plain(own.get(name), rows) for name in names}, rows)[names]
    return encoded[same]


def _plain(values: Sequence[ValueProto] | None, rows: int) -> list[object]:
    if values is None:
        return [None] * rows
    cases = [value.WhichOneof("val") for value in values]
    return [None if case is None else getattr(value, case) for value, case in zip(values, cases, strict=True)]


def _add(
    response: GetOnlineFeaturesResponse, plan: _Plan, answer: Answer, rows: int, now_us: int, *, full_names: bool
) -> None:
    projection: Any = plan.table.projection
    prefix = f"{projection.name_to_use()}__" if full_names else ""
    response.metadata.feature_names.val.extend([f"{prefix}{name}" for name in plan.view.features])
    told = wire_rows(answer.seen, [now_us] * rows if answer.event_us is None else answer.event_us)
    columns = [answer.column(name) for name in plan.view.features]
    response.MergeFromString(wire_vectors(columns, plan.declared, plan.value_types, told))
