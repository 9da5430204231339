"""A Feast feature view as a plan that the kernel can carry out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
from feast.aggregation import Aggregation
from feast.data_source import DataSource, PushSource
from feast.entity import Entity
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.type_map import feast_value_type_to_pa
from feast.types import FeastType

from storekeeper.errors import DefinitionError
from storekeeper.history import WindowFeature

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class ViewPlan:
    """How to compute one feature view.

    Attributes
    ----------
    name
        The view's name.
    source
        Where its history is.
    keys
        Join keys as the source names them; empty for an entityless view.
    key_types
        Declared Arrow type per key.
    event_time, known_time
        Timestamp columns as they come out of `read_source`; `known_time` may be None.
    ttl_us
        For latest-value views; 0 for no limit.
    types
        Declared Arrow type per feature, in the order of the aggregations, or of the view where it has none.
    windows
        For windowed views one entry a feature; empty for latest-value views.
    is_pushed
        Whether events are pushed to it: its source is a push source.
    """

    name: str
    source: DataSource
    keys: tuple[str, ...]
    key_types: dict[str, pa.DataType]
    event_time: str
    known_time: str | None
    ttl_us: int
    types: dict[str, pa.DataType]
    windows: tuple[WindowFeature, ...]
    is_pushed: bool = False

    @property
    def is_windowed(self) -> bool:
        """Whether features are aggregates over windows rather than the latest row's values."""
        return bool(self.windows)

    @property
    def source_timestamp(self) -> str:
        """The event time's column as the source itself names it."""
        original = {mapped: name for name, mapped in self.source.field_mapping.items()}
        return str(original.get(self.event_time, self.event_time))

    @property
    def longest_window_us(self) -> int | None:
        """How far back any window reaches, hop included; None for all history."""
        reach = 0
        for window in self.windows:
            if window.window_us is None or window.hop is None:
                return None
            reach = max(reach, window.window_us + window.hop)
        return reach

    @property
    def ties(self) -> tuple[str | None, ...]:
        """Rows that are equal in all of these are in the order of the source (rule 4), which so decides values."""
        return (*self.keys, self.event_time, self.known_time)

    def windows_of(self, features: Sequence[str]) -> list[WindowFeature]:
        """The asked windows, in the asked order."""
        by_name = {window.name: window for window in self.windows}
        return [by_name[feature] for feature in features]

    def source_columns(self, features: Sequence[str]) -> tuple[str, ...]:
        """What must be read to compute some of the features: keys, times and each needed column once."""
        needed = [w.column for w in self.windows_of(features) if w.column] if self.is_windowed else list(features)
        times = [self.event_time, *([self.known_time] if self.known_time else [])]
        return tuple(dict.fromkeys([*self.keys, *times, *needed]))


def plan_view(view: FeatureView) -> ViewPlan:
    """Read a declaration.

    Raises
    ------
    DefinitionError
        If a window or function is impossible, or features and aggregations differ.
    """
    source = batch_source(view)
    keys = [field for field in view.entity_columns if field.name != DUMMY_ENTITY_ID]
    mapped = source.field_mapping
    windows = tuple(window_feature(aggregation) for aggregation in aggregations(view))
    return ViewPlan(
        name=view.name,
        source=source,
        keys=tuple(field.name for field in keys),
        key_types={field.name: arrow_type(field.dtype) for field in keys},
        event_time=mapped.get(source.timestamp_field, source.timestamp_field),
        known_time=mapped.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        ttl_us=_microseconds(view.ttl) or 0,
        types=_types(view, {field.name for field in view.entity_columns} | {DUMMY_ENTITY_ID}, windows),
        windows=windows,
        is_pushed=isinstance(getattr(view, "stream_source", None), PushSource),
    )


def _types(view: FeatureView, keys: set[str], windows: Sequence[WindowFeature]) -> dict[str, pa.DataType]:
    """Declared types of the features, in the order of their aggregations where there are any.

    Stream feature views come back from the registry with their join keys among the features, and in an order that
    Feast draws anew each time it writes them.
    """
    types = {feature.name: arrow_type(feature.dtype) for feature in view.features if feature.name not in keys}
    made = [window.name for window in windows if window.name in types]
    return {name: types[name] for name in dict.fromkeys([*made, *types])}


def batch_source(view: Any) -> DataSource:
    """The source that holds a view's history."""
    source = view.batch_source
    if isinstance(source, PushSource):
        source = source.batch_source
    if source is None:
        raise DefinitionError(
            f"Feature view '{view.name}' has no batch source: its history can't be read. "
            f"Declare PushSource(batch_source=...) in the feature repo."
        )
    return source


def aggregations(view: Any) -> list[Aggregation]:
    """The aggregations of a view; only stream feature views carry them through the registry."""
    return list(getattr(view, "aggregations", None) or [])


def window_feature(aggregation: Aggregation) -> WindowFeature:
    """Feast's aggregation as the kernel's feature."""
    return WindowFeature(
        name=aggregation.resolved_name(aggregation.time_window),
        function=aggregation.function,
        column=aggregation.column,
        window_us=_microseconds(aggregation.time_window),
        hop_us=_microseconds(aggregation.slide_interval),
    )


def entity_keys(entities: Sequence[Entity]) -> list[str]:
    """Join keys of entities, in order."""
    return [entity.join_key for entity in entities]


def arrow_type(dtype: FeastType) -> pa.DataType:
    """The Arrow type of a declared Feast type; timestamps are microseconds in UTC."""
    declared = feast_value_type_to_pa(dtype.to_value_type())
    if pa.types.is_timestamp(declared):
        return TIMESTAMP
    if pa.types.is_list(declared) and pa.types.is_timestamp(declared.value_type):
        return pa.list_(TIMESTAMP)
    return declared


def _microseconds(length: timedelta | None) -> int | None:
    return None if length is None else length // timedelta(microseconds=1)
